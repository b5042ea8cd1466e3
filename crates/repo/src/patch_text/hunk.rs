//! Hunks: the lines that a patch removes and adds, and those that it expects around them.

use super::lines::Lines;
use crate::RepoError;

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Keep,
    Remove,
    Add,
}

#[derive(Debug)]
pub(crate) struct Hunk<'a> {
    /// `@@ -1,3 +1,4 @@`, without what follows.
    pub(crate) header: String,
    /// Lines of the old file above it.
    pub(crate) above: usize,
    /// Its lines, line breaks included.
    pub(crate) lines: Vec<(Sign, &'a str)>,
}

/// All hunks from here to the end of the file's patch.
pub(super) fn read_all<'a>(lines: &mut Lines<'a>) -> Result<Vec<Hunk<'a>>, RepoError> {
    let mut hunks = Vec::new();
    while lines.peek().is_some_and(|line| line.starts_with("@@ ")) {
        hunks.push(read(lines)?);
    }
    // Text after a patch is skipped, but not the lines that a wrong header leaves out. `-- ` begins
    // the signature of a mail, `--- ` the next file.
    let left_over = lines.peek().is_some_and(|line| {
        line.starts_with(['+', ' ']) || (line.starts_with('-') && !line.starts_with("--"))
    });
    if !hunks.is_empty() && left_over {
        return Err(lines.fault("the hunk has more lines than its `@@` line says"));
    }
    Ok(hunks)
}

fn read<'a>(lines: &mut Lines<'a>) -> Result<Hunk<'a>, RepoError> {
    let line = lines.peek().unwrap_or_default();
    let Some([old_start, old, new]) = ranges(line) else {
        return Err(lines.fault("this is not the `@@` line of a hunk"));
    };
    let header = line.split(" @@").next().unwrap_or_default();
    lines.next();
    Ok(Hunk {
        header: format!("{header} @@"),
        // A range without lines names the line above it.
        above: old_start.saturating_sub(usize::from(old > 0)),
        lines: changes(lines, old, new)?,
    })
}

/// As many lines as the two files have in a hunk.
fn changes<'a>(
    lines: &mut Lines<'a>,
    mut old: usize,
    mut new: usize,
) -> Result<Vec<(Sign, &'a str)>, RepoError> {
    let mut changes = Vec::new();
    while old > 0 || new > 0 || lines.peek().is_some_and(|line| line.starts_with('\\')) {
        let Some(line) = lines.peek() else {
            return Err(lines.fault("the patch ends within a hunk"));
        };
        if line.starts_with('\\') {
            end_without_line_break(&mut changes);
            lines.next();
            continue;
        }
        let change = sign(line).and_then(|(sign, text)| {
            old = old.checked_sub(usize::from(sign != Sign::Add))?;
            new = new.checked_sub(usize::from(sign != Sign::Remove))?;
            Some((sign, text))
        });
        let miscounted = "the hunk has another number of lines than its `@@` line says";
        changes.push(change.ok_or_else(|| lines.fault(miscounted))?);
        lines.next();
    }
    Ok(changes)
}

fn sign(line: &str) -> Option<(Sign, &str)> {
    match line.as_bytes().first()? {
        b'-' => Some((Sign::Remove, &line[1..])),
        b'+' => Some((Sign::Add, &line[1..])),
        b' ' => Some((Sign::Keep, &line[1..])),
        // Editors remove the space of an empty line.
        b'\n' | b'\r' => Some((Sign::Keep, line)),
        _ => None,
    }
}

/// `\ No newline at end of file` is about the line above.
fn end_without_line_break(changes: &mut [(Sign, &str)]) {
    if let Some((_, text)) = changes.last_mut() {
        *text = text.strip_suffix('\n').unwrap_or(text);
    }
}

/// Start and count of the old lines, and the count of the new ones.
fn ranges(line: &str) -> Option<[usize; 3]> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let ((start, old), (_, new)) = (range(old)?, range(new)?);
    Some([start, old, new])
}
