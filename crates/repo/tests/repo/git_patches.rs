//! Patches as git writes them under all kinds of settings, held against the tree that git makes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use outpace_repo::decode_patch;

use crate::support::Lab;

/// Writes a patch with git, without any program in between.
fn written(lab: &Lab, args: &[&str]) -> String {
    let out = tempfile::NamedTempFile::new().unwrap();
    let output = format!("--output={}", out.path().display());
    let paths = args.iter().position(|arg| *arg == "--");
    let (options, paths) = args.split_at(paths.unwrap_or(args.len()));
    lab.git(&[options, &[output.as_str()], paths].concat());
    decode_patch(&fs::read(out.path()).unwrap()).unwrap()
}

fn start() -> Lab {
    let lab = Lab::new();
    lab.write("src/pkg/__init__.py", "");
    lab.write("src/pkg/sub/__init__.py", "");
    lab.write("src/two words.py", "a\n\nb\nc\n");
    lab.write("src/open.txt", "a\nb");
    lab.write(
        "src/long.rs",
        (0..60).map(|n| format!("line {n}\n")).collect::<String>(),
    );
    lab.commit("start");
    lab
}

type Edit = fn(&Lab);

fn mixed(lab: &Lab) {
    lab.write("src/k.rs", "fn k() {\n    let n = 8;  \n}\n");
    lab.write("src/new file.py", "x = 1\n");
    lab.write("src/empty one.py", "");
    lab.write("src/ümläut \"q\"\t.py", "y\n");
    fs::remove_file(lab.at("src/sub/deep.rs")).unwrap();
    fs::rename(lab.at("src/long.rs"), lab.at("src/longer name.rs")).unwrap();
    fs::rename(lab.at("src/pkg"), lab.at("src/moved pkg")).unwrap();
    lab.write("src/open.txt", "a\nB");
}

fn ends(lab: &Lab) {
    lab.write("src/open.txt", "a\nb\n");
    lab.write("src/two words.py", "a\n\nb\nc");
}

fn kinds(lab: &Lab) {
    fs::set_permissions(lab.at("src/k.rs"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(lab.at("src/open.txt")).unwrap();
    symlink("k.rs", lab.at("src/open.txt")).unwrap();
    fs::copy(lab.at("src/long.rs"), lab.at("src/copy.rs")).unwrap();
}

fn rewritten(lab: &Lab) {
    lab.write(
        "src/long.rs",
        (0..60).map(|n| format!("other {n}\n")).collect::<String>(),
    );
    lab.write("src/k.rs", "");
}

#[test]
fn what_git_writes_gives_the_tree_that_git_makes() {
    let table: [(Edit, &[&str], &[&str]); 14] = [
        (mixed, &[], &[]),
        (mixed, &["diff.noprefix=true"], &[]),
        (mixed, &["diff.mnemonicPrefix=true"], &[]),
        (mixed, &["color.ui=always"], &[]),
        (
            mixed,
            &[
                "color.ui=always",
                "diff.colorMoved=zebra",
                "diff.noprefix=true",
            ],
            &[],
        ),
        (mixed, &["core.quotePath=false"], &["-D"]),
        (mixed, &["diff.renames=false"], &["-U0", "--stat", "-p"]),
        (
            mixed,
            &[],
            &["--src-prefix=old/", "--dst-prefix=new/", "--full-index"],
        ),
        (ends, &[], &[]),
        (ends, &["color.ui=always"], &["-U1"]),
        (kinds, &[], &["-C", "--find-copies-harder"]),
        (kinds, &["diff.noprefix=true"], &["--patience"]),
        (rewritten, &[], &["-B"]),
        (rewritten, &[], &["--inter-hunk-context=5"]),
    ];
    for (edit, settings, options) in table {
        let lab = start();
        let base = lab.git(&["rev-parse", "HEAD^{tree}"]);
        edit(&lab);
        lab.git(&["add", "-A"]);
        let tree = lab.git(&["write-tree"]);
        let mut args: Vec<&str> = settings
            .iter()
            .flat_map(|setting| ["-c", setting])
            .collect();
        args.extend(["diff", "--cached"]);
        args.extend(options);
        let text = written(&lab, &args);
        let applied = lab
            .repo()
            .apply(&base, &text)
            .map_err(|error| error.to_string());
        assert_eq!(applied, Ok(tree), "{settings:?} {options:?}\n{text}");
    }
}

#[test]
fn several_commits_in_one_file_apply_one_after_the_other() {
    let lab = start();
    let base = lab.git(&["rev-parse", "HEAD"]);
    mixed(&lab);
    lab.commit("first");
    lab.write("src/new file.py", "x = 2\n");
    fs::rename(lab.at("src/empty one.py"), lab.at("src/empty two.py")).unwrap();
    lab.commit("second");
    fs::remove_file(lab.at("src/new file.py")).unwrap();
    lab.commit("third");
    let text = written(&lab, &["format-patch", "-q", &format!("{base}..HEAD")]);
    let tree = lab.git(&["rev-parse", "HEAD^{tree}"]);
    assert_eq!(lab.repo().apply(&base, &text).unwrap(), tree);
}

#[test]
fn a_revision_becomes_a_patch_that_gives_its_tree_again() {
    for edit in [mixed as Edit, ends, kinds, rewritten] {
        let lab = start();
        let base = lab.git(&["rev-parse", "HEAD^{tree}"]);
        edit(&lab);
        lab.commit("revision");
        let tree = lab.git(&["rev-parse", "HEAD^{tree}"]);
        let repo = lab.repo();
        let patch = repo.patch_between(&base, &tree).unwrap();
        let applied = repo
            .apply(&base, &patch.text)
            .map_err(|error| error.to_string());
        assert_eq!(applied, Ok(tree), "{}", patch.text);
    }
}

#[test]
fn what_cannot_be_read_names_the_way_out() {
    let lab = start();
    lab.write("src/crlf.rs", "a\r\nb\r\n");
    symlink("/etc", lab.at("src/link")).unwrap();
    lab.commit("crlf");
    let base = lab.git(&["rev-parse", "HEAD^{tree}"]);
    lab.write("src/k.rs", "fn k() {}\n");
    lab.write("src/crlf.rs", "a\r\nB\r\n");
    lab.write("src/data.bin", b"\0\x01");
    let diff =
        |path: &str, options: &[&str]| written(&lab, &[&["diff"], options, &["--", path]].concat());
    let (k, crlf) = (diff("src/k.rs", &[]), diff("src/crlf.rs", &[]));
    let relative = written(&lab, &["-C", "src", "diff", "--relative", "--", "k.rs"]);
    let prefixes = diff("src/k.rs", &["--src-prefix=x/y/", "--dst-prefix=w/y/"]);
    lab.git(&["add", "-N", "src/data.bin"]);
    let (binary, bytes) = (
        diff("src/data.bin", &[]),
        diff("src/data.bin", &["--binary"]),
    );
    fs::remove_file(lab.at("src/k.rs")).unwrap();
    let other_id = diff("src/k.rs", &["-D"]).replace("index ", "index 0");
    let add = |path: &str| format!("diff --git a/{path} b/{path}\nnew file mode 100644\n");
    let head = lab.git(&["rev-parse", "HEAD"]);
    let submodule = format!(
        "diff --git a/m b/m\nnew file mode 160000\n--- /dev/null\n+++ b/m\n@@ -0,0 +1 @@\n+Subproject commit {head}\n"
    );
    let to_crlf = |text: &str| text.replace('\n', "\r\n");
    for (text, expect) in [
        (
            relative,
            "`k.rs`: there is no such file. Hint: if it is `src/k.rs`, the patch was made in a subdirectory with `--relative` or `diff.relative`: `git diff --no-relative`",
        ),
        (prefixes, "`git diff --src-prefix=a/ --dst-prefix=b/`"),
        (
            to_crlf(&k),
            "hunk @@ -1,3 +1 @@: line endings differ: `src/k.rs` has LF, the patch has CRLF. Hint: `git diff --output=FILE`",
        ),
        (
            crlf.replace("\r\n", "\n"),
            "line endings differ: `src/crlf.rs` has CRLF, the patch has LF",
        ),
        (to_crlf(&add("src/n.py")), "the patch has CRLF. Hint: "),
        (
            k.replace("let n = 4", "let n = 5"),
            "line 2 is `    let n = 4;`, the patch expects `    let n = 5;`",
        ),
        (k.replace("@@ -1,3", "@@ -9,3"), "the file has 3 lines"),
        (binary, "`src/data.bin` is refused: it is binary"),
        (bytes, "`src/data.bin` is refused: it is binary"),
        (submodule, "`m` is refused: it is a submodule"),
        (
            other_id,
            "the file has other content than the patch deletes",
        ),
        (add("src/k.rs/x"), "`src/k.rs` is a file, not a directory"),
        (add("src/link/x"), "`src/link` is a file, not a directory"),
        (add("src/sub"), "`src/sub`: it is a directory there"),
        (add("src/open.txt"), "the file to add is already there"),
    ] {
        let error = lab
            .repo()
            .apply(&base, &text)
            .expect_err(expect)
            .to_string();
        assert!(error.contains(expect), "{expect}: {error}");
    }
    let same = lab.git(&["rev-parse", "HEAD:src/crlf.rs"]);
    let tree = lab.repo().apply(&base, &crlf).unwrap();
    assert_ne!(
        lab.git(&["rev-parse", &format!("{tree}:src/crlf.rs")]),
        same
    );
}

#[test]
fn files_that_come_go_or_move_are_never_comments_only() {
    let lab = start();
    lab.write("src/notes.py", "# nothing but words\n");
    lab.commit("notes");
    let base = lab.git(&["rev-parse", "HEAD^{tree}"]);
    let repo = lab.repo();
    let pkg = "src/pkg/__init__.py";
    let mut hashes = Vec::new();
    for changes in [
        vec![("src/new.py", Some(""))],
        vec![("src/new.py", Some("# words\n")), (pkg, None)],
        vec![(pkg, None)],
        vec![(pkg, None), ("src/pack/__init__.py", Some(""))],
        vec![("src/notes.py", None)],
        vec![
            ("src/notes.py", None),
            ("src/words.py", Some("# nothing but words\n")),
        ],
    ] {
        let patch = repo.patch_between(&base, &lab.tree(&changes)).unwrap();
        assert!(!patch.only_comments(), "{changes:?}");
        hashes.push(patch.sha256);
    }
    let n = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(
        hashes.len(),
        n,
        "patches about different files have different hashes"
    );
    lab.git(&["update-index", "--chmod=+x", "src/notes.py"]);
    let tree = lab.git(&["write-tree"]);
    assert!(!repo.patch_between(&base, &tree).unwrap().only_comments());
    let comment = lab.tree(&[("src/notes.py", Some("# other words\n"))]);
    assert!(repo.patch_between(&base, &comment).unwrap().only_comments());
}
