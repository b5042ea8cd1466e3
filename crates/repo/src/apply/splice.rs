//! Hunks put into the content of one file, at exactly the lines that they name.

use crate::patch_text::{Hunk, Sign};
use crate::paths;

/// Characters of a line that a message shows.
const SHOWN_CHARS: usize = 60;

/// Where a patch and a file differ.
pub(super) struct Mismatch {
    /// Header of the hunk.
    pub(super) hunk: String,
    pub(super) reason: String,
    /// The line endings of the file and of the patch, where nothing else differs.
    pub(super) endings: Option<[&'static str; 2]>,
}

/// The content with all hunks put in.
pub(super) fn splice(content: &[u8], hunks: &[Hunk<'_>]) -> Result<Vec<u8>, Mismatch> {
    let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    let mut out = Vec::with_capacity(content.len());
    let mut at = 0;
    for hunk in hunks {
        let Some(kept) = lines.get(at..hunk.above) else {
            let n = lines.len();
            let reason = format!("the file has {n} lines, and hunks go from top to bottom");
            return Err(mismatch(hunk, reason));
        };
        kept.iter().for_each(|line| out.extend_from_slice(line));
        at = hunk.above;
        for (sign, text) in &hunk.lines {
            if *sign != Sign::Add {
                expect(hunk, lines.get(at).copied(), text.as_bytes(), at + 1)?;
                at += 1;
            }
            if *sign != Sign::Remove {
                if out.last().is_some_and(|byte| *byte != b'\n') {
                    let reason = "a line follows the one without a line break at its end";
                    return Err(mismatch(hunk, reason.to_owned()));
                }
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    lines[at..]
        .iter()
        .for_each(|line| out.extend_from_slice(line));
    Ok(out)
}

fn expect(
    hunk: &Hunk<'_>,
    line: Option<&[u8]>,
    expected: &[u8],
    number: usize,
) -> Result<(), Mismatch> {
    let Some(line) = line else {
        return Err(mismatch(hunk, format!("the file ends above line {number}")));
    };
    if line == expected {
        return Ok(());
    }
    if without_ending(line) == without_ending(expected) {
        return Err(endings(hunk, line, expected, number));
    }
    let [line, expected] = [line, expected].map(shown);
    let reason = format!("line {number} is `{line}`, the patch expects `{expected}`");
    Err(mismatch(hunk, reason))
}

fn endings(hunk: &Hunk<'_>, line: &[u8], expected: &[u8], number: usize) -> Mismatch {
    let [file, patch] = [line, expected].map(ending);
    let reason = format!("line {number} ends with {file} in the file, with {patch} in the patch");
    let both = line.ends_with(b"\n") && expected.ends_with(b"\n");
    Mismatch {
        endings: both.then_some([file, patch]),
        ..mismatch(hunk, reason)
    }
}

fn mismatch(hunk: &Hunk<'_>, reason: String) -> Mismatch {
    Mismatch {
        hunk: hunk.header.clone(),
        reason,
        endings: None,
    }
}

fn ending(line: &[u8]) -> &'static str {
    if line.ends_with(b"\r\n") {
        "CRLF"
    } else if line.ends_with(b"\n") {
        "LF"
    } else {
        "no line break"
    }
}

fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn shown(line: &[u8]) -> String {
    outpace_text::lines(&paths::shown(without_ending(line)), SHOWN_CHARS)
}
