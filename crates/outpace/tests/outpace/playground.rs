//! A repository in a temporary folder with the toy workload, and the command to run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What the toy is declared with; small numbers, so that a trial takes seconds.
const CONFIG: &str = r#"version = 1
[workload.toy]
run = ["{toy}", "train", "settings.toml"]
evaluate = ["{toy}", "evaluate", "settings.toml"]
timeout = "3s"
check_steps = 8
[policy]
editable = ["settings.toml"]
[gate]
pairs = 9
min_turn_ms = 1
max_blocks = 40
[[tunable]]
file = "settings.toml"
key = "spin"
values = [400, 300, 500, 200]
"#;

/// The settings that the toy begins with.
pub const SETTINGS: &str = "# settings of the toy\nspin = 400\nrate = 0.01\nmode = \"good\"\n";

/// For tests whose programs reach where a confined one does not, because that is how they make
/// happen what is tested.
pub const OUT_OF_THE_BOX: &str = "--unsafe-no-sandbox";

/// A repository to play in.
pub struct Playground {
    dir: TempDir,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Fails with everything that was printed unless the code is the expected one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Fails unless stdout and stderr together hold all the parts.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        for part in parts {
            assert!(all.contains(part), "`{part}` is missing in:\n{all}");
        }
        self
    }

    /// The only JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// The toy workload, an example of this package.
pub fn toy() -> PathBuf {
    example("toy_workload")
}

/// An example of this package, which `cargo test` builds.
pub fn example(name: &str) -> PathBuf {
    let deps = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    let path = deps.parent().unwrap().join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is built by `cargo test`",
        path.display()
    );
    path
}

impl Playground {
    /// With the toy and these settings, committed.
    pub fn new(settings: &str) -> Self {
        Self::with_config(settings, ToOwned::to_owned)
    }

    /// With a changed configuration.
    pub fn with_config(settings: &str, change: impl FnOnce(&str) -> String) -> Self {
        let play = Self {
            dir: TempDir::new().unwrap(),
        };
        play.git(&["init", "-q", "-b", "main"]);
        let config = change(CONFIG).replace("{toy}", &toy().to_string_lossy());
        play.write("outpace.toml", &config);
        play.write("settings.toml", settings);
        play.write("README.md", "a toy\n");
        play.commit("begin");
        play
    }

    /// An empty folder.
    pub fn bare_folder() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// git, with nobody's settings.
    pub fn git(&self, args: &[&str]) -> String {
        git_in(self.path(), args)
    }

    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// The command, ready to be started here.
    pub fn command(&self, args: &[&str]) -> Command {
        command_in(self.path(), args)
    }

    /// Runs the command to its end.
    pub fn outpace(&self, args: &[&str]) -> Outcome {
        outpace_in(self.path(), args)
    }

    /// Starts the command with its output thrown away.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// A patch that sets the settings to `text`, as a file.
    pub fn patch(&self, name: &str, file: &str, text: &str) -> PathBuf {
        let before = std::fs::read_to_string(self.path().join(file)).unwrap_or_default();
        self.write(file, text);
        self.git(&["add", "-N", "."]);
        let diff = self.git(&["diff"]);
        self.git(&["reset", "-q"]);
        if before.is_empty() {
            std::fs::remove_file(self.path().join(file)).unwrap();
        } else {
            self.write(file, &before);
        }
        let path = self.path().join(".git").join(name);
        std::fs::write(&path, format!("{diff}\n")).unwrap();
        path
    }

    /// What git sees of the user's files and index: nothing of it may change.
    pub fn user_state(&self) -> (String, String, String) {
        (
            self.git(&["status", "--porcelain"]),
            self.git(&["ls-files", "--stage"]),
            self.git(&["rev-parse", "HEAD"]),
        )
    }
}

/// git in a folder, with nobody's settings.
pub fn git_in(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn command_in(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outpace"));
    command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        // Tests wait for each other, and not for the long builds of this repository's own.
        .env("OUTPACE_LOCK_DIR", env!("CARGO_TARGET_TMPDIR"))
        // Where it is set, nothing is merged that was not confined.
        .env_remove("CI")
        .env("NO_COLOR", "1");
    command
}

/// Runs the command in a folder to its end.
pub fn outpace_in(dir: &Path, args: &[&str]) -> Outcome {
    ended(&mut command_in(dir, args))
}

/// The same with further variables.
pub fn outpace_with(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Outcome {
    ended(command_in(dir, args).envs(env.iter().copied()))
}

/// The same with the machine's own lock, for builds that take minutes.
pub fn outpace_with_the_machines_lock(dir: &Path, args: &[&str]) -> Outcome {
    ended(command_in(dir, args).env_remove("OUTPACE_LOCK_DIR"))
}

fn ended(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Processes of the toy that live on.
pub fn toys_alive(marker: &Path) -> Vec<String> {
    let marker = marker.to_string_lossy().into_owned();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let found = entries.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (pid != std::process::id() && cwd.to_string_lossy().starts_with(&marker))
            .then(|| format!("{pid} {line}"))
    });
    found.collect()
}
