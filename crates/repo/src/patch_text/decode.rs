//! Bytes to text: byte order marks, UTF-16, and the colours of a terminal.

use std::borrow::Cow;

use crate::RepoError;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// How files begin that are mistaken for patches, and what they are.
const OTHER_FORMATS: [(&[u8], &str); 6] = [
    (b"\xff\xfe\0\0", "it is UTF-32 text"),
    (b"\x1f\x8b", "it is compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
    (b"\xfd7zXZ\0", "it is compressed with xz"),
    (b"BZh", "it is compressed with bzip2"),
    (b"PK\x03\x04", "it is a zip archive"),
];

/// The text of a patch that was read as bytes: UTF-8, with or without a byte order mark, or UTF-16
/// with one, as PowerShell's `>` writes it.
///
/// # Errors
/// It is something else; the message says what.
pub fn decode_patch(bytes: &[u8]) -> Result<String, RepoError> {
    let known = OTHER_FORMATS
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, what)) = known {
        return Err(RepoError::not_a_patch(*what));
    }
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, RepoError> {
    if let [a, b, ..] = bytes
        && (*a == 0) != (*b == 0)
    {
        return Err(RepoError::not_a_patch(
            "it is UTF-16 text without a byte order mark",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let byte = bytes[before.len()];
        RepoError::not_a_patch(format!(
            "line {line} is not valid UTF-8 (byte {byte:#04x}), and a patch is UTF-8 text only"
        ))
    })?;
    Ok(text.to_owned())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, RepoError> {
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return Err(RepoError::not_a_patch(
            "it is UTF-16 text that ends within a character",
        ));
    };
    let units: Vec<u16> = pairs.iter().copied().map(unit).collect();
    let text =
        String::from_utf16(&units).map_err(|_| RepoError::not_a_patch("it is not valid UTF-16"))?;
    // git writes bytes. A program that makes UTF-16 of them splits the text into lines and ends
    // each in its own way, so these line breaks say nothing about the file.
    let every_line = text.matches('\n').count() == text.matches("\r\n").count();
    Ok(if every_line {
        text.replace("\r\n", "\n")
    } else {
        text
    })
}

/// Whether git coloured the patch (`color.ui=always`): then its header lines are coloured. Escape
/// sequences in the changed lines alone belong to the file.
pub(crate) fn is_coloured(text: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.starts_with('\u{1b}') && without_colours(line).starts_with("diff --"))
}

/// The text without escape sequences that set colours or clear the rest of the line.
pub(crate) fn without_colours(text: &str) -> Cow<'_, str> {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default();
    if first.len() == text.len() {
        return Cow::Borrowed(text);
    }
    let mut plain = first.to_owned();
    for part in parts {
        let end = part.find(|c: char| !(c.is_ascii_digit() || c == ';'));
        match end.map(|at| part.split_at(at)) {
            Some((_, rest)) if rest.starts_with(['m', 'K']) => plain.push_str(&rest[1..]),
            _ => {
                plain.push_str("\u{1b}[");
                plain.push_str(part);
            }
        }
    }
    Cow::Owned(plain)
}
