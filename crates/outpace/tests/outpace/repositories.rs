//! Repositories as they are: links, submodules, LFS, ignored data, partial clones, other owners,
//! signed commits, history from before outpace.toml. Numbers are those of the situations that
//! people ran into.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::playground::{
    OUT_OF_THE_BOX, Outcome, Playground, SETTINGS, git_in, outpace_in, outpace_with,
};

/// A repository whose program is `script`, run by sh; timed as a whole command.
fn scripted(script: &str, section: &str) -> Playground {
    let play = Playground::bare_folder();
    play.git(&["init", "-q", "-b", "main"]);
    play.write("train.sh", script);
    let config = format!(
        "version = 1\n[workload.t]\nrun = [\"sh\", \"train.sh\"]\nprotocol = \"process\"\n\
         {section}\n[policy]\neditable = [\"train.sh\"]\n[gate]\nmax_blocks = 3\n"
    );
    play.write("outpace.toml", &config);
    play.commit("begin");
    play
}

/// A look at what the program sees: three blocks of a revision against itself.
fn compare(play: &Playground) -> Outcome {
    play.outpace(&["compare", "HEAD", "HEAD", "--aa"])
}

#[test]
fn links_out_of_the_tree_are_left_out_and_those_inside_are_laid() {
    // 7
    let play = scripted("test ! -e data && cat inside >/dev/null\n", "");
    symlink("/mnt/data", play.path().join("data")).unwrap();
    symlink("./train.sh", play.path().join("inside")).unwrap();
    std::fs::create_dir(play.path().join("sub")).unwrap();
    symlink("./../train.sh", play.path().join("sub/up")).unwrap();
    play.commit("links");
    compare(&play)
        .expect(1)
        .says(&["`data` is a link to `/mnt/data`", "is left out", "data = ["]);
    play.outpace(&["doctor", "--no-measure"])
        .expect(0)
        .says(&["check", "`data` is a link to `/mnt/data`"]);
}

#[test]
fn commands_start_in_the_folder_that_cwd_names() {
    let section = "cwd = \"sub\"\nbuild = [\"test\", \"-f\", \"beside\"]\n";
    let play = scripted("exit 1\n", section);
    play.write("sub/train.sh", "test -f beside && test -f ../train.sh\n");
    play.write("sub/beside", "");
    play.commit("below");
    compare(&play).expect(1);
    play.outpace(&["doctor", "--no-measure"]).expect(0);
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write("outpace.toml", &config.replace("\"sub\"", "\"sbu\""));
    play.commit("misspelt");
    let misspelt = "no folder `sbu`, which `cwd` names";
    compare(&play).expect(5).says(&[misspelt]);
    play.outpace(&["doctor", "--no-measure"])
        .expect(5)
        .says(&["`cwd` names `sbu`, which is no folder of the commit"]);
    for folder in ["../sub", "/sub"] {
        play.write(
            "outpace.toml",
            &config.replace("\"sub\"", &format!("\"{folder}\"")),
        );
        play.commit("elsewhere");
        compare(&play)
            .expect(2)
            .says(&["workload.t.cwd", "below the repository's root"]);
    }
}

#[test]
fn a_folder_that_reads_names_is_laid_with_all_that_is_in_it() {
    let reads = "reads = [\"train.sh\", \"configs\"]\n";
    let play = scripted("test -f configs/deep/a && test ! -e other\n", reads);
    play.write("configs/deep/a", "");
    play.write("other", "");
    play.commit("configs");
    compare(&play).expect(1);
}

#[test]
fn submodules_are_laid_from_the_clone_that_git_keeps() {
    // 8
    let other = scripted("exit 0\n", "");
    other.write("kernel.txt", "k\n");
    other.commit("kernel");
    let play = scripted("cat third/kernel.txt >/dev/null\n", "");
    let url = other.path().to_string_lossy().into_owned();
    play.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &url,
        "third",
    ]);
    play.commit("submodule");
    compare(&play).expect(1);
    // A clone without it says so, and how to get it.
    let clone = Playground::bare_folder();
    let url = format!("file://{}", play.path().display());
    git_in(clone.path(), &["clone", "-q", &url, "c"]);
    outpace_in(
        &clone.path().join("c"),
        &["compare", "HEAD", "HEAD", "--aa"],
    )
    .expect(5)
    .says(&[
        "`third` is a submodule",
        "git submodule update --init third",
    ]);
}

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
     oid sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\nsize 1\n";

#[test]
fn lfs_objects_are_laid_and_missing_ones_are_named() {
    // 9; the object is the letter x.
    let play = scripted("test \"$(cat weights.bin)\" = x\n", "");
    play.write("weights.bin", POINTER);
    play.commit("pointer");
    compare(&play)
        .expect(5)
        .says(&["`weights.bin` is an LFS pointer", "git lfs pull"]);
    let id = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    play.write(&format!(".git/lfs/objects/2d/71/{id}"), "x");
    compare(&play).expect(1);
}

#[test]
fn what_git_ignores_is_named_and_given() {
    // 10
    let script = "cat data/train.bin data/prepare.txt >/dev/null || exit 1\n";
    let play = scripted(script, "");
    play.write(".gitignore", "*.bin\n");
    play.write("data/prepare.txt", "tracked\n");
    play.commit("ignore");
    play.write("data/train.bin", "tokens");
    compare(&play).expect(5).says(&[
        "`data/train.bin` exists in your checkout, but git does not hold it",
        "data = [\"data/\"]",
    ]);
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write(
        "outpace.toml",
        &config.replace("protocol", "data = [\"data/\"]\nprotocol"),
    );
    play.commit("data");
    let verdict = play
        .outpace(&["compare", "HEAD", "HEAD", "--aa", "--json"])
        .expect(1)
        .json();
    let line = verdict["checks"][0]["detail"].as_str().unwrap();
    assert!(line.contains("data/: 2 files, 14 bytes, sha256 "), "{line}");
    std::fs::remove_dir_all(play.path().join("data")).unwrap();
    compare(&play).expect(5).says(&["data `data/`", "Hint"]);
}

#[test]
fn data_that_is_written_to_while_it_is_measured_with_is_refused() {
    let play = scripted("echo more >> data/log\n", "data = [\"data\"]");
    play.write(".gitignore", "data\n");
    play.commit("ignore");
    play.write("data/log", "");
    compare(&play).expect(5).says(&["data/log"]);
    let log = || std::fs::read_to_string(play.path().join("data/log")).unwrap();
    assert_eq!(log(), "", "confined programs cannot write to it at all");
    play.outpace(&["compare", "HEAD", "HEAD", "--aa", OUT_OF_THE_BOX])
        .expect(5)
        .says(&["data/log changed while it was measured with"]);
}

#[test]
fn files_below_the_home_directory_are_named_and_given() {
    // 62
    let home = Playground::bare_folder();
    home.write(".cache/auto/tokens.txt", "x");
    let play = scripted("cat \"$HOME/.cache/auto/tokens.txt\"\n", "");
    let env = [("HOME", home.path().to_str().unwrap())];
    let args = ["compare", "HEAD", "HEAD", "--aa"];
    outpace_with(play.path(), &args, &env)
        .expect(5)
        .says(&["~/.cache/auto/tokens.txt", "data = [\"~/.cache/auto\"]"]);
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.write(
        "outpace.toml",
        &config.replace("protocol", "data = [\"~/.cache/auto\"]\nprotocol"),
    );
    play.commit("data");
    outpace_with(play.path(), &args, &env).expect(1);
}

#[test]
fn a_partial_clone_fetches_what_it_was_promised() {
    // 11
    let play = scripted("cat train.sh >/dev/null\n", "");
    play.write("notes/a.txt", "a\n");
    play.commit("one");
    play.write("notes/a.txt", "b\n");
    play.commit("two");
    play.git(&["config", "uploadpack.allowFilter", "true"]);
    play.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", play.path().display());
    for filter in ["blob:none", "tree:0"] {
        let clone = Playground::bare_folder();
        let filter = format!("--filter={filter}");
        git_in(clone.path(), &["clone", "-q", &filter, &url, "c"]);
        let dir = clone.path().join("c");
        outpace_in(&dir, &["compare", "HEAD~2", "HEAD"]).expect(1);
        git_in(&dir, &["remote", "set-url", "origin", "file:///nowhere"]);
        outpace_in(&dir, &["compare", "HEAD~1", "HEAD"])
            .expect(5)
            .says(&["partial clone", "git fetch --refetch"]);
    }
}

#[test]
fn a_shallow_clone_is_told_how_deep_it_must_be() {
    // 13
    let play = scripted("exit 0\n", "");
    play.write("notes", "x");
    play.commit("two");
    let clone = Playground::bare_folder();
    let url = format!("file://{}", play.path().display());
    git_in(clone.path(), &["clone", "-q", "--depth", "1", &url, "c"]);
    let dir = clone.path().join("c");
    outpace_in(&dir, &["gate", "HEAD"])
        .expect(2)
        .says(&["shallow", "fetch-depth: 2"]);
    outpace_in(&dir, &["doctor", "--blocks", "2"])
        .expect(0)
        .says(&["this clone is shallow", "fetch-depth: 0"]);
}

#[test]
fn a_repository_of_another_owner_is_opened_where_git_opens_it() {
    // 14; another owner is only there for root.
    if !rustix::process::getuid().is_root() {
        return;
    }
    let play = scripted("exit 0\n", "");
    let chown = std::process::Command::new("chown")
        .args(["-R", "65534:65534"])
        .arg(play.path())
        .status();
    assert!(chown.unwrap().success());
    let args = ["history", "list"];
    outpace_in(play.path(), &args)
        .expect(2)
        .says(&["safe.directory"]);
    let trusted = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
    ];
    outpace_with(play.path(), &args, &trusted).expect(0);
}

#[test]
fn merges_are_signed_where_that_is_demanded() {
    // 16
    let play = Playground::new(SETTINGS);
    let patch = play.patch("p", "settings.toml", &SETTINGS.replace("400", "200"));
    let patch = patch.to_string_lossy().into_owned();
    for (key, value) in [
        ("commit.gpgsign", "true"),
        ("gpg.format", "ssh"),
        ("user.signingkey", "/nowhere/key"),
        ("user.name", "t"),
        ("user.email", "t@example.org"),
    ] {
        play.git(&["config", key, value]);
    }
    // Before anything is measured.
    let args = ["gate", "--patch", &patch, "--merge"];
    let told = play
        .outpace(&args)
        .expect(5)
        .says(&["commit.gpgsign is set", "Hint"]);
    assert!(!told.stderr.contains("building"), "{}", told.stderr);
    let key = play.path().join(".git/key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    play.git(&["config", "user.signingkey", key.to_str().unwrap()]);
    play.outpace(&args).expect(0).says(&["FASTER"]);
    let commit = play.git(&["cat-file", "commit", "outpace/main"]);
    assert!(
        commit.contains("gpgsig -----BEGIN SSH SIGNATURE-----"),
        "{commit}"
    );
    play.outpace(&["audit", "outpace/main"])
        .expect(0)
        .says(&["verified"]);
}

#[test]
fn revisions_from_before_outpace_toml_are_judged_with_another_one() {
    // 49
    let play = scripted("exit 0\n", "");
    let config = std::fs::read_to_string(play.path().join("outpace.toml")).unwrap();
    play.git(&["rm", "-q", "outpace.toml"]);
    play.commit("without");
    play.write("train.sh", "exit 0 # two\n");
    play.commit("two");
    play.write("outpace.toml", &config);
    play.commit("with");
    play.write("train.sh", "exit 0 # three\n");
    play.commit("three");
    play.outpace(&["gate", "HEAD~2"])
        .expect(2)
        .says(&["has no outpace.toml", "`--config HEAD`"]);
    play.outpace(&["gate", "HEAD~2", "--config", "HEAD"])
        .expect(1);
    play.outpace(&["compare", "HEAD~3", "HEAD~2", "--config", "HEAD"])
        .expect(1);
}

#[test]
fn commands_are_prepared_before_each_run() {
    // 30
    let play = Playground::bare_folder();
    play.write("input", "x");
    let run = "mv input used";
    let whole = [
        "compare",
        "--whole-commands",
        "--max-blocks",
        "3",
        "--base-cmd",
        run,
    ];
    let args = [&whole[..], &["--candidate-cmd", run]].concat();
    // Whose turn comes first is drawn.
    let unprepared = play.outpace(&args);
    assert!([4, 5].contains(&unprepared.code), "{unprepared:?}");
    let prepared = [&args[..], &["--prepare", "touch input"]].concat();
    play.outpace(&prepared).expect(1);
    // Work that is done once is noticed.
    let once = "test -e done || { sleep 1; touch done; }";
    let args_once = [&whole[..5], &[once, "--candidate-cmd", once]].concat();
    play.outpace(&args_once)
        .expect(1)
        .says(&["took 1.", "--prepare"]);
    let failing = [&args[..], &["--prepare", "exit 3"]].concat();
    play.outpace(&failing)
        .expect(5)
        .says(&["--prepare", "exit code 3"]);
}

#[test]
fn squashed_and_rebased_merges_keep_their_proofs() {
    // 15
    let play = Playground::new(SETTINGS);
    let faster = SETTINGS.replace("400", "200");
    let patch = play
        .patch("p", "settings.toml", &faster)
        .to_string_lossy()
        .into_owned();
    play.outpace(&["gate", "--patch", &patch, "--merge"])
        .expect(0);
    // Squashed with another message, beside an unrelated commit.
    play.git(&["checkout", "-q", "-b", "squashed"]);
    play.write("README.md", "others work here\n");
    play.commit("unrelated");
    play.git(&["merge", "-q", "--squash", "outpace/main"]);
    play.commit("make it fast (#12)");
    play.outpace(&["audit", "HEAD"])
        .expect(0)
        .says(&["verified", "as measured, others moved"]);
    // Rebased behind the unrelated commit.
    play.git(&["checkout", "-q", "-b", "rebased", "squashed~1"]);
    play.git(&["cherry-pick", "outpace/main"]);
    play.outpace(&["audit", "HEAD"])
        .expect(0)
        .says(&["verified", "as measured, others moved"]);
    // What was changed on the way is found.
    play.git(&["checkout", "-q", "-b", "tampered", "squashed"]);
    play.write("settings.toml", &faster.replace("0.01", "0.02"));
    play.git(&["commit", "-q", "-a", "--amend", "-m", "make it fast (#12)"]);
    play.outpace(&["audit", "HEAD"])
        .expect(4)
        .says(&["FAILED", "the commit has patch"]);
    // A touched file that moved in between was not measured.
    play.git(&["checkout", "-q", "-b", "moved", "main"]);
    play.write("settings.toml", &format!("{SETTINGS}# mine\n"));
    play.commit("the same file");
    play.git(&["cherry-pick", "outpace/main"]);
    play.outpace(&["audit", "HEAD"])
        .expect(4)
        .says(&["settings.toml is not what it was"]);
}

#[test]
fn doctor_straight_after_init_says_what_to_do() {
    // 55
    let play = Playground::bare_folder();
    play.git(&["init", "-q", "-b", "main"]);
    play.write("train.py", "print(1)\n");
    play.commit("begin");
    play.outpace(&["init"])
        .expect(0)
        .says(&["train.py", "git add outpace.toml"]);
    play.outpace(&["doctor", "--blocks", "2"]).expect(0).says(&[
        "not committed yet",
        "`outpace doctor --config outpace.toml`",
    ]);
    play.outpace(&["doctor", "--blocks", "2", "--config", "outpace.toml"])
        .expect(0)
        .says(&["noise      train"]);
}

/// `init`, commit, `doctor`, one gate: without an edit.
fn joins(play: &Playground, file: &str, text: &str, expect: &[&str]) {
    play.commit("begin");
    play.outpace(&["init"]).expect(0).says(expect);
    play.git(&["add", "outpace.toml"]);
    play.git(&["commit", "-q", "-m", "outpace"]);
    play.outpace(&["doctor", "--blocks", "3"])
        .expect(0)
        .says(&["noise      train"]);
    play.write(file, text);
    play.commit("a change");
    let judged = play.outpace(&["gate", "HEAD", "--require", "not-slower", "--margin", "0.3"]);
    assert!([0, 1].contains(&judged.code), "{judged:?}");
    let of_tools = play.git(&["status", "--porcelain"]);
    assert_eq!(of_tools, "", "nothing is left in the checkout");
}

const LOOP: &str = "total = 0\nfor n in range(200000):\n    total += n\nprint(total)\n";
const PROGRAM: &str =
    "int main(void) { volatile long n = 0; while (n < 20000000) n++; return 0; }\n";

fn has(program: &str) -> bool {
    let found = std::process::Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    found.is_ok_and(|output| output.status.success())
}

fn begun() -> Playground {
    let play = Playground::bare_folder();
    play.git(&["init", "-q", "-b", "main"]);
    play
}

#[test]
fn a_plain_script_joins_without_an_edit() {
    let play = begun();
    play.write("train.py", LOOP);
    joins(
        &play,
        "train.py",
        &LOOP.replace("total += n", "total = total + n"),
        &["Python script train.py"],
    );
}

#[test]
fn a_uv_project_joins_without_an_edit() {
    // What `uv sync` leaves: an environment that git ignores. `python3 -m venv` makes the same.
    let play = begun();
    play.write(
        "pyproject.toml",
        "[project]\nname = \"t\"\nversion = \"0\"\n",
    );
    play.write("uv.lock", "version = 1\n");
    play.write("train.py", LOOP);
    let made = std::process::Command::new("python3")
        .args(["-m", "venv", "--without-pip", ".venv"])
        .current_dir(play.path())
        .status();
    assert!(made.unwrap().success());
    play.write(".venv/.gitignore", "*\n");
    joins(
        &play,
        "train.py",
        &LOOP.replace("total += n", "total = total + n"),
        &["uv.lock", ".venv/"],
    );
}

#[test]
fn a_makefile_joins_without_an_edit() {
    // 56
    let play = begun();
    play.write(
        "Makefile",
        "train: train.c\n\tcc -O1 -o train train.c\nclean:\n\trm -f train\n",
    );
    play.write(".gitignore", "train\n");
    play.write("train.c", PROGRAM);
    joins(
        &play,
        "train.c",
        &PROGRAM.replace("n++", "n += 1"),
        &["Makefile with the program train"],
    );
}

#[test]
fn a_cmake_project_joins_without_an_edit() {
    if !has("cmake") {
        return;
    }
    let play = begun();
    play.write(
        "CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.10)\nproject(t C)\nadd_executable(train src/train.c)\n",
    );
    play.write("src/train.c", PROGRAM);
    joins(
        &play,
        "src/train.c",
        &PROGRAM.replace("n++", "n += 1"),
        &["CMake with the program train"],
    );
}

#[test]
fn a_cargo_package_joins_without_an_edit() {
    let play = begun();
    play.write(
        "Cargo.toml",
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    );
    play.write(
        "Cargo.lock",
        "version = 3\n\n[[package]]\nname = \"tiny\"\nversion = \"0.1.0\"\n",
    );
    play.write(".gitignore", "target\n");
    let main = "fn main() {\n    let mut n = 0u64;\n    while std::hint::black_box(n) < 20_000_000 {\n        n += 1;\n    }\n}\n";
    play.write("src/main.rs", main);
    joins(
        &play,
        "src/main.rs",
        &main.replace("n += 1", "n = n + 1"),
        &["Cargo package tiny"],
    );
}

#[test]
fn a_folder_without_a_program_says_what_is_missing() {
    let play = begun();
    play.write("notes.txt", "x\n");
    play.commit("begin");
    play.outpace(&["init"])
        .expect(0)
        .says(&["missing", "set `run`"]);
    assert!(Path::new(&play.path().join("outpace.toml")).is_file());
}
