//! Where the texts of trials begin and end: JSON lines, JSON that spans lines, arrays of trials.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use anyhow::{Context, Result};

use crate::exit::usage;

/// Longest text of a trial, or of an array of trials, in bytes.
pub(super) const LONGEST: usize = 256 << 20;

/// Trials that are judged at a time, on all cores, and about how many bytes they may have.
const BATCH: usize = 2000;
const BATCH_BYTES: usize = 64 << 20;

/// Byte order marks: of UTF-8, which is dropped, and of UTF-16, which is named.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The text of one trial, or of what is to be one.
pub(super) struct Text {
    /// Line that it begins on, from 1.
    pub(super) line: usize,
    /// Its number in an array of trials, from 1.
    number: Option<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Text {
    /// A message with the trial's number in front, where several may begin on a line.
    pub(super) fn named(&self, message: &str) -> String {
        match self.number {
            Some(number) => format!("trial {number}: {message}"),
            None => message.to_owned(),
        }
    }
}

/// The input, line by line.
pub(super) struct Input {
    source: Box<dyn BufRead>,
    /// Number of the line that was read last.
    line: usize,
    /// A line that was read already and begins the next text.
    held: Option<Vec<u8>>,
}

impl Input {
    /// Opens a file, or standard input for none and for `-`.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        let source: Box<dyn BufRead> = match path {
            Some(path) if path.as_os_str() != "-" => {
                let file = File::open(path)
                    .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
                Box::new(BufReader::new(file))
            }
            _ => Box::new(stdin().lock()),
        };
        Ok(Self {
            source,
            line: 0,
            held: None,
        })
    }

    /// The next trials, in order; none at the end.
    pub(super) fn batch(&mut self) -> Result<Vec<Text>> {
        let (mut texts, mut size) = (Vec::new(), 0);
        while texts.len() < BATCH && size < BATCH_BYTES {
            let Some(text) = self.next_text()? else { break };
            size += text.bytes.len();
            push_trials(text, &mut texts);
        }
        Ok(texts)
    }

    /// A line with what belongs to it: the lines up to the bracket that closes its first one.
    fn next_text(&mut self) -> Result<Option<Text>> {
        let mut bytes = loop {
            match self.next_line()? {
                None => return Ok(None),
                Some(line) if line.trim_ascii().is_empty() => {}
                Some(line) => break line,
            }
        };
        let line = self.line;
        let mut brackets = Brackets::default();
        brackets.read(&bytes);
        while brackets.depth > 0 && bytes.len() < LONGEST {
            let Some(next) = self.next_line()? else { break };
            // The text before it was cut off: its end is not waited for.
            if is_whole_trial(&next) && !brackets.awaits_element() {
                self.line -= 1;
                self.held = Some(next);
                break;
            }
            brackets.read(&next);
            bytes.extend(next);
        }
        Ok(Some(Text {
            line,
            number: None,
            bytes,
        }))
    }

    /// A line with its end. Of one that is too long, the first bytes.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        self.line += 1;
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let mut line = Vec::new();
        self.source
            .by_ref()
            .take(LONGEST as u64)
            .read_until(b'\n', &mut line)
            .context("cannot read the input")?;
        if line.len() == LONGEST && !line.ends_with(b"\n") {
            self.source
                .skip_until(b'\n')
                .context("cannot read the input")?;
        }
        if self.line == 1 {
            drop_mark(&mut line)?;
        }
        Ok((!line.is_empty()).then_some(line))
    }
}

fn drop_mark(line: &mut Vec<u8>) -> Result<()> {
    if UTF16_MARKS.iter().any(|mark| line.starts_with(mark)) {
        return Err(usage(
            "the input is UTF-16. Hint: write it as UTF-8; in PowerShell: `Out-File -Encoding utf8`",
        ));
    }
    if line.starts_with(UTF8_MARK) {
        line.drain(..UTF8_MARK.len());
    }
    Ok(())
}

/// Whether a line is a trial by itself, so that it is not the rest of the line before.
fn is_whole_trial(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let mut brackets = Brackets::default();
    let has_blocks = || line.windows(8).any(|part| part == b"\"blocks\"");
    if !(line.starts_with(b"{") && line.ends_with(b"}") && has_blocks()) {
        return false;
    }
    brackets.read(line);
    brackets.depth == 0
}

/// How deep in brackets a text is.
#[derive(Default)]
struct Brackets {
    depth: isize,
    in_string: bool,
    escaped: bool,
    /// The first and the last byte that are not blank.
    first: Option<u8>,
    last: u8,
}

impl Brackets {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if byte == b'\n' {
            // No string spans lines: this one was cut off.
            (self.in_string, self.escaped) = (false, false);
        } else if self.in_string {
            let quoted = self.escaped;
            self.escaped = byte == b'\\' && !quoted;
            self.in_string = byte != b'"' || quoted;
        } else {
            match byte {
                b'"' => self.in_string = true,
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => self.depth -= 1,
                _ => {}
            }
        }
        if !byte.is_ascii_whitespace() {
            self.first.get_or_insert(byte);
            self.last = byte;
        }
    }

    /// Whether an array of trials waits for the next one.
    fn awaits_element(&self) -> bool {
        self.first == Some(b'[') && self.depth == 1 && matches!(self.last, b'[' | b',')
    }
}

/// Adds a text, or the elements of an array of trials one by one.
fn push_trials(text: Text, texts: &mut Vec<Text>) {
    let Some(inside) = inside_of_array(&text.bytes) else {
        texts.push(text);
        return;
    };
    let (mut brackets, mut number, mut line) = (Brackets::default(), 0, text.line);
    let mut push = |element: &[u8]| {
        number += 1;
        let blank = element.len() - element.trim_ascii_start().len();
        texts.push(Text {
            line: line + newlines(&element[..blank]),
            number: Some(number),
            bytes: element.trim_ascii().to_vec(),
        });
        line += newlines(element);
    };
    let mut from = 0;
    for (at, byte) in inside.iter().enumerate() {
        if *byte == b',' && brackets.depth == 0 && !brackets.in_string {
            push(&inside[from..at]);
            from = at + 1;
        }
        brackets.step(*byte);
    }
    push(&inside[from..]);
}

/// What stands between the brackets of an array whose first element is an object. An empty array
/// and other arrays are not of trials.
fn inside_of_array(bytes: &[u8]) -> Option<&[u8]> {
    let inside = bytes.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    inside
        .trim_ascii_start()
        .starts_with(b"{")
        .then_some(inside)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}
