//! The how-tos, followed to the letter: every command in their `console` blocks, in one shell, in a
//! fresh folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// First verdict within this.
const LIMIT: Duration = Duration::from_secs(600);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The commands of a document, in their order.
fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if inside => commands.extend(line.strip_prefix("$ ").map(str::to_owned)),
            _ => {}
        }
    }
    commands
}

/// Follows a how-to; returns everything that was printed.
fn follow(name: &str) -> String {
    let root = root();
    let text = std::fs::read_to_string(root.join("docs").join(name)).unwrap();
    let mut script = String::from("set -e\n");
    for command in commands(&text) {
        let _ = writeln!(
            script,
            "echo \"$ {}\"\n{command}",
            command.replace(['"', '$', '\\', '`'], "")
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let outpace = Path::new(env!("CARGO_BIN_EXE_outpace")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let begin = Instant::now();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(dir.path())
        .env("PATH", format!("{}:{path}", outpace.display()))
        .env("OUTPACE", &root)
        .env("OUTPACE_LOCK_DIR", env!("CARGO_TARGET_TMPDIR"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([
            ("GIT_AUTHOR_NAME", "t"),
            ("GIT_AUTHOR_EMAIL", "t@example.org"),
        ])
        .envs([
            ("GIT_COMMITTER_NAME", "t"),
            ("GIT_COMMITTER_EMAIL", "t@example.org"),
        ])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}:\n{printed}");
    assert!(begin.elapsed() < LIMIT, "{name} took {:?}", begin.elapsed());
    // What the document says that is printed is printed.
    for line in text
        .lines()
        .filter(|line| line.starts_with("found ") || line.starts_with("next "))
    {
        assert!(
            printed.contains(line),
            "{name} says `{line}`, and this was printed:\n{printed}"
        );
    }
    printed
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn a_project_with_make() {
    let printed = follow("howto-make.md");
    assert!(
        printed.contains("FASTER") && printed.contains("all verified"),
        "{printed}"
    );
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn a_project_with_cargo() {
    let printed = follow("howto-cargo.md");
    assert!(
        printed.contains("FASTER") && printed.contains("all verified"),
        "{printed}"
    );
}
