//! What a program wrote, read as hostile: it may have put a pipe or a link in the place of its log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use outpace_text::plain;

/// How much of the end of a log is shown when a program fails.
const LINES: usize = 20;
const BYTES: u64 = 16 << 10;
/// Of a longer line its end is shown: there stands what went wrong.
const LINE_CHARS: usize = 240;

/// A file that a program wrote, unless it has put something else in its place: a pipe, whose
/// opening would never end, or a link.
pub fn open_written(path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let mut options = File::options();
    let options = options.read(true).custom_flags(flags.bits() as i32);
    let file = options.open(path).ok()?;
    file.metadata().is_ok_and(|m| m.is_file()).then_some(file)
}

/// The last lines of some logs, made safe to show.
pub(crate) fn log_tail(files: &[&Path]) -> String {
    let mut lines = Vec::new();
    for path in files {
        let Some(mut file) = open_written(path) else {
            continue;
        };
        let length = file.metadata().map_or(0, |m| m.len());
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(length.saturating_sub(BYTES)))
            .and_then(|_| file.take(BYTES).read_to_end(&mut bytes));
        if read.is_ok() {
            lines.extend(String::from_utf8_lossy(&bytes).lines().map(shown));
        }
    }
    let from = lines.len().saturating_sub(LINES);
    lines[from..].join("\n")
}

/// A line as a terminal would leave it: what stands behind the last carriage return, which a
/// progress bar goes back with. Indentation stays: compilers point at columns.
fn shown(line: &str) -> String {
    let mut drawn = line.split('\r').rev();
    let line = drawn
        .find(|part| !part.trim().is_empty())
        .unwrap_or_default();
    let blanks = line.chars().take_while(|c| *c == ' ').count().min(40);
    let text = plain(line, usize::MAX);
    let length = text.chars().count();
    if length <= LINE_CHARS {
        return format!("{}{text}", " ".repeat(blanks));
    }
    let end: String = text.chars().skip(length - LINE_CHARS + 1).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_behind_a_progress_bar_is_shown() {
        let bar: String = (0..2000).map(|n| format!("\rstep {n}/2000")).collect();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, format!("{bar}\rRuntimeError: out of tiles\n")).unwrap();
        assert_eq!(log_tail(&[&path]), "RuntimeError: out of tiles");
    }

    #[test]
    fn lines_are_shown_as_a_terminal_leaves_them() {
        let long = format!("{}the end", "x".repeat(300));
        let cut = format!("…{}the end", "x".repeat(LINE_CHARS - 8));
        for (line, expect) in [
            ("plain", "plain"),
            ("    indented", "    indented"),
            ("50 %\r100 %\r", "100 %"),
            ("10 %\rerror: no\u{202e} luck", "error: no luck"),
            (&*long, &*cut),
        ] {
            assert_eq!(shown(line), expect, "{line:?}");
        }
    }
}
