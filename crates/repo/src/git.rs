//! The `git` command, where libgit2 does not do.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Longest complaint that is shown.
const COMPLAINT_CHARS: usize = 1000;

/// `git` on a repository, by its git directory.
pub(crate) fn git(dir: &Path, args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.arg("--git-dir")
        .arg(dir)
        // Its refusals are read: they must be in one language.
        .env("LC_ALL", "C")
        // A question that nobody sees would wait for ever.
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .args(args);
    git
}

/// Runs a command that reads a text from standard input.
///
/// # Errors
/// It cannot be started.
pub(crate) fn with_input(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read all says why by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

/// What git said, both streams.
pub(crate) fn said(output: &Output) -> String {
    let all = [output.stderr.as_slice(), &output.stdout].concat();
    String::from_utf8_lossy(&all).into_owned()
}

/// Why it failed, made safe to show.
pub(crate) fn complaint(output: &Output) -> String {
    outpace_text::lines(said(output).trim(), COMPLAINT_CHARS)
}
