//! A patch against a tree: it applies and obeys the policy, or a message that can be shown says why
//! not. Nothing is written beside the repository.
#![no_main]

use std::process::Command;

use outpace_record::parse_config;
use outpace_repo::{Repo, check_policy, decode_patch};

const CONFIG: &str = "version = 1\n[workload.w]\nrun = [\"true\"]\n[policy]\neditable = [\"src/**\"]";

struct Lab {
    repo: Repo,
    tree: String,
}

fn git(dir: &std::path::Path, args: &[&str]) -> String {
    let user = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
    let mut command = Command::new("git");
    let output = command.current_dir(dir).args(user).args(args).output();
    String::from_utf8(output.expect("git runs").stdout).expect("git speaks UTF-8")
}

thread_local! {
    static LAB: Lab = {
        let dir = tempfile::tempdir().expect("a folder").keep();
        git(&dir, &["init", "-q"]);
        std::fs::create_dir(dir.join("src")).expect("a folder");
        std::fs::write(dir.join("src/k.rs"), "fn k() {\n    let n = 4;\n}\n").expect("a file");
        std::fs::write(dir.join("other"), "text\n").expect("a file");
        git(&dir, &["add", "-A"]);
        git(&dir, &["commit", "-q", "-m", "begin"]);
        let tree = git(&dir, &["rev-parse", "HEAD^{tree}"]).trim().to_owned();
        Lab { repo: Repo::discover(&dir).expect("a repository"), tree }
    };
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let config = parse_config(CONFIG, "outpace.toml").expect("it is right");
    LAB.with(|lab| {
        let applied = decode_patch(bytes).and_then(|text| lab.repo.apply(&lab.tree, &text));
        match applied.and_then(|tree| lab.repo.patch_between(&lab.tree, &tree)) {
            Ok(patch) if check_policy(&patch, &config.policy).is_ok() => {
                let inside = |path: &str| path.starts_with("src/") && !path.contains("..");
                assert!(patch.files.iter().all(|file| inside(&file.path)), "{patch:?}");
            }
            Ok(_) => {}
            Err(error) => {
                let message = error.to_string();
                let shown = |c: char| !c.is_control() || c == '\n';
                assert!(message.chars().all(shown), "{message:?}");
            }
        }
    });
});
