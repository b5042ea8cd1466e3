use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use outpace_repo::ExportOptions;

use crate::support::{Lab, git, write};

const PRISTINE: i64 = 1_577_836_800;

fn names(dir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
            names.insert(
                entry
                    .path()
                    .strip_prefix(dir)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    names
}

fn options(pristine: Option<&str>) -> ExportOptions {
    ExportOptions {
        pristine: pristine.map(Into::into),
        keep: vec!["target".into()],
        ..ExportOptions::default()
    }
}

#[test]
fn only_what_differs_from_the_base_gets_a_new_time() {
    let (lab, dir) = (Lab::new(), tempfile::tempdir().unwrap());
    let (repo, dir) = (lab.repo(), dir.path());
    let base = lab.tree(&[]);
    let candidate = lab.tree(&[
        ("src/k.rs", Some("fn k() {}\n")),
        ("src/new.rs", Some("")),
        ("src/sub/deep.rs", None),
    ]);
    let time = |path: &str| fs::metadata(dir.join(path)).unwrap().mtime();
    write(dir, "target/cache", "kept");
    repo.export(&base, dir, &options(None)).unwrap();
    for path in [
        "src/k.rs",
        "src/sub/deep.rs",
        "outpace.toml",
        "src",
        "src/sub",
    ] {
        assert_eq!(time(path), PRISTINE, "{path}");
    }
    let inode = |path: &str| fs::metadata(dir.join(path)).unwrap().ino();
    let untouched = inode("outpace.toml");
    repo.export(&candidate, dir, &options(Some(&base))).unwrap();
    assert_eq!(
        (time("outpace.toml"), inode("outpace.toml")),
        (PRISTINE, untouched)
    );
    assert!(time("src/k.rs") > PRISTINE && time("src/new.rs") > PRISTINE);
    assert!(!dir.join("src/sub").exists() && dir.join("target/cache").exists());
    // Beside another base whose build knows another content, an unchanged file must look new again.
    let k = fs::File::open(dir.join("src/k.rs")).unwrap();
    k.set_modified(std::time::UNIX_EPOCH).unwrap();
    repo.export(&candidate, dir, &options(Some(&base))).unwrap();
    assert!(time("src/k.rs") > PRISTINE);
    repo.export(&base, dir, &options(Some(&base))).unwrap();
    assert_eq!(time("src/k.rs"), PRISTINE);
    assert_eq!(
        fs::read_to_string(dir.join("src/k.rs")).unwrap(),
        "fn k() {\n    let n = 4;\n}\n"
    );
}

#[test]
fn the_folder_holds_exactly_the_tree() {
    let (lab, dir, outside) = (
        Lab::new(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    lab.write(
        ".gitattributes",
        "* text eol=crlf ident\n*.rs filter=evil\n",
    );
    lab.write("run.sh", "$Id$\n");
    fs::set_permissions(lab.at("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/k.rs", lab.at("link")).unwrap();
    lab.commit("odd files");
    write(outside.path(), "safe", "safe");
    write(dir.path(), "junk/deep/x", "x");
    write(dir.path(), "run.sh/is/a/folder", "x");
    symlink(outside.path(), dir.path().join("src")).unwrap();
    let tree = lab.git(&["rev-parse", "HEAD"]);
    lab.repo()
        .export(&tree, dir.path(), &ExportOptions::default())
        .unwrap();
    let expect = [
        ".gitattributes",
        ".gitignore",
        "link",
        "outpace.toml",
        "run.sh",
        "src",
        "src/k.rs",
        "src/sub",
        "src/sub/deep.rs",
    ];
    assert_eq!(names(dir.path()), expect.map(str::to_owned).into());
    assert_eq!(
        fs::read_to_string(dir.path().join("run.sh")).unwrap(),
        "$Id$\n"
    );
    assert_eq!(
        fs::metadata(dir.path().join("run.sh"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o755
    );
    assert_eq!(
        fs::read_link(dir.path().join("link")).unwrap(),
        Path::new("src/k.rs")
    );
    assert_eq!(names(outside.path()), ["safe".to_owned()].into());
    let only = ExportOptions {
        only: vec!["src/*.rs".into()],
        ..ExportOptions::default()
    };
    lab.repo().export(&tree, dir.path(), &only).unwrap();
    assert_eq!(
        names(dir.path()),
        ["src", "src/k.rs"].map(str::to_owned).into()
    );
}

#[test]
fn links_out_of_the_tree_are_left_out_and_named() {
    for (target, fine) in [
        ("../k.rs", true),
        ("../../outpace.toml", true),
        ("./../k.rs", true),
        ("../../../x", false),
        ("/etc/passwd", false),
        ("a/../../b", false),
    ] {
        let (lab, dir) = (Lab::new(), tempfile::tempdir().unwrap());
        symlink(target, lab.at("src/sub/l")).unwrap();
        let tree = lab.commit("link");
        let left_out = lab
            .repo()
            .export(&tree, dir.path(), &ExportOptions::default())
            .unwrap();
        assert_eq!(left_out.is_empty(), fine, "{target}: {left_out:?}");
        assert_eq!(dir.path().join("src/sub/l").is_symlink(), fine, "{target}");
        // What was never laid was not deleted.
        let left = lab.repo().tree_from_dir(&tree, dir.path()).unwrap();
        assert_eq!(left, lab.git(&["rev-parse", "HEAD^{tree}"]), "{target}");
    }
}

#[test]
fn a_scratch_worktree_is_a_repository_without_a_past() {
    let (lab, dir) = (Lab::new(), tempfile::tempdir().unwrap());
    lab.commit("second");
    let tree = lab.git(&["rev-parse", "HEAD^{tree}"]);
    lab.repo()
        .scratch_worktree(&tree, dir.path(), "the base\nof it")
        .unwrap();
    let run = |args: &[&str]| git(dir.path(), args);
    assert_eq!(run(&["log", "--format=%s", "--all"]), "the base of it");
    assert_eq!(run(&["rev-parse", "HEAD^{tree}"]), tree);
    assert_eq!(run(&["status", "--porcelain"]), "");
    assert_eq!(run(&["remote"]), "");
    write(dir.path(), "src/k.rs", "fn k() {}\n");
    assert!(run(&["diff"]).contains("-    let n = 4;"));
    run(&["commit", "-qam", "an agent may commit"]);
    assert_eq!(
        lab.repo().tree_from_dir(&tree, dir.path()).unwrap(),
        run(&["rev-parse", "HEAD^{tree}"])
    );
}
