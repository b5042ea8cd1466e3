//! The lines above the hunks of a file: names, modes and ids, as git writes them.

use super::lines::Lines;
use crate::RepoError;
use crate::trees::{MODE_EXECUTABLE, MODE_FILE, MODE_GITLINK, MODE_LINK};

/// The header of one file. Names are as they stand there, quotes included.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    /// Both names of the `diff --git` line; a plain unified diff has none.
    pub(super) git: Option<&'a str>,
    /// The name after `---`.
    pub(super) old: Option<&'a str>,
    /// The name after `+++`.
    pub(super) new: Option<&'a str>,
    pub(super) rename: [Option<&'a str>; 2],
    pub(super) copy: [Option<&'a str>; 2],
    pub(super) adds: bool,
    pub(super) deletes: bool,
    pub(super) mode: Option<u32>,
    pub(super) old_id: Option<&'a str>,
    pub(super) is_binary: bool,
    pub(super) has_crlf: bool,
}

impl<'a> Header<'a> {
    /// Whether a header begins at the next line.
    pub(super) fn starts_at(lines: &Lines<'a>) -> bool {
        let mut ahead = lines.clone();
        let mut begins = |word: &str| ahead.next().is_some_and(|line| line.starts_with(word));
        lines
            .peek()
            .is_some_and(|line| line.starts_with("diff --git "))
            || (begins("--- ") && begins("+++ ") && begins("@@ -"))
    }

    pub(super) fn read(lines: &mut Lines<'a>) -> Result<Self, RepoError> {
        let mut header = Self::default();
        if let Some(names) = lines
            .peek()
            .and_then(|line| line.strip_prefix("diff --git "))
        {
            header.has_crlf = names.ends_with("\r\n");
            header.git = Some(names.trim_end_matches(['\r', '\n']));
            lines.next();
        }
        while let Some(line) = lines.peek() {
            let taken = header
                .take(line.trim_end_matches(['\r', '\n']))
                .map_err(|why| lines.fault(&why))?;
            if !taken {
                break;
            }
            header.has_crlf |= line.ends_with("\r\n");
            lines.next();
        }
        Ok(header)
    }

    /// Takes one line, if it is one of a header.
    fn take(&mut self, line: &'a str) -> Result<bool, String> {
        let words = [
            "old mode ",
            "new mode ",
            "new file mode ",
            "deleted file mode ",
            "rename from ",
            "rename to ",
            "copy from ",
            "copy to ",
            "--- ",
            "+++ ",
            "index ",
        ];
        let Some((word, value)) = words
            .into_iter()
            .find_map(|word| Some((word.trim_end(), line.strip_prefix(word)?)))
        else {
            let is_binary = line.starts_with("Binary files ") || line == "GIT binary patch";
            self.is_binary |= is_binary;
            return Ok(is_binary
                || line.starts_with("similarity index ")
                || line.starts_with("dissimilarity index "));
        };
        match word {
            "new mode" => self.mode = Some(mode(value)?),
            "new file mode" => (self.adds, self.mode) = (true, Some(mode(value)?)),
            "deleted file mode" => self.deletes = true,
            "rename from" => self.rename[0] = Some(value),
            "rename to" => self.rename[1] = Some(value),
            "copy from" => self.copy[0] = Some(value),
            "copy to" => self.copy[1] = Some(value),
            "---" => self.old = Some(name(value)),
            "+++" => self.new = Some(name(value)),
            "index" => self.old_id = value.split_once("..").map(|(old, _)| old),
            _ => {}
        }
        Ok(true)
    }
}

/// A name without a tab and what follows it: git ends names with spaces with a tab, diff puts a
/// time there.
fn name(value: &str) -> &str {
    value.split_once('\t').map_or(value, |(name, _)| name)
}

fn mode(digits: &str) -> Result<u32, String> {
    u32::from_str_radix(digits, 8)
        .ok()
        .filter(|mode| [MODE_FILE, MODE_EXECUTABLE, MODE_LINK, MODE_GITLINK].contains(mode))
        .ok_or_else(|| format!("`{digits}` is not a file mode of git"))
}
