use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use outpace_record::PolicyConfig;
use outpace_repo::{ExportOptions, Violation, check_policy};

use crate::support::{Lab, write};

fn check(globs: &[&str], edit: impl Fn(&Path)) -> Result<(), Violation> {
    let (lab, dir) = (Lab::new(), tempfile::tempdir().unwrap());
    lab.write("src/tool.sh", "x\n");
    lab.write("src/Cargo.toml", "x\n");
    lab.write("notes.md", "a\nb\nc\nd\ne\n");
    fs::set_permissions(lab.at("src/tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("k.rs", lab.at("src/link")).unwrap();
    let base = lab.commit("base");
    lab.repo()
        .export(&base, dir.path(), &ExportOptions::default())
        .unwrap();
    edit(dir.path());
    let repo = lab.repo();
    let tree = repo.tree_from_dir(&base, dir.path()).unwrap();
    let policy = PolicyConfig {
        editable: globs.iter().map(|&g| g.into()).collect(),
        max_patch_kib: 4,
    };
    check_policy(&repo.patch_between(&base, &tree).unwrap(), &policy)
}

#[test]
fn a_plain_edit_passes() {
    for glob in ["src/**", "src/*.rs", "**"] {
        check(&[glob], |dir| write(dir, "src/k.rs", "fn k() {}\n")).unwrap();
    }
    check(&["src/**"], |dir| {
        fs::remove_file(dir.join("src/k.rs")).unwrap();
    })
    .unwrap();
    check(&["src/**"], |dir| write(dir, "src/tool.sh", "y\n")).unwrap();
}

#[test]
fn each_path_that_is_not_editable_is_named() {
    let table = [
        ("notes.md", "outside of policy.editable (src/**)"),
        ("SRC/k2.rs", "outside of policy.editable"),
        ("src2/k.rs", "outside of policy.editable"),
        ("outpace.toml", "(rule `outpace.toml`)"),
        ("Cargo.lock", "**/cargo.lock"),
        ("src/Cargo.toml", "**/cargo.toml"),
        ("src/CARGO.toml", "**/cargo.toml"),
        ("src/build.rs", "**/build.rs"),
        ("src/.cargo/config.toml", "**/.cargo/**"),
        ("src/rust-toolchain", "rust-toolchain*"),
        ("rust-toolchain.toml", "rust-toolchain*"),
        ("src/.gitattributes", "**/.gitattributes"),
        (".gitmodules", "**/.gitmodules"),
        (".github/workflows/x.yml", ".github/**"),
        (".ci/run", ".ci/**"),
        ("baselines/x.json", "baselines/**"),
        ("reports/x.html", "reports/**"),
        ("src/.gitignore", "begin with .git"),
        ("src/a\u{202e}b.rs", "direction"),
        ("src/a\u{200b}b.rs", "invisible"),
        ("src/a\nb.rs", "suspicious"),
        ("src/a\\b.rs", "backslash"),
        ("src/a.rs.", "ends with a dot"),
        ("src/a.rs ", "space"),
        ("src/dir /a.rs", "space"),
        ("src/K.rs", "same file where case does not count"),
        ("src/SUB/deep.rs", "same file where case does not count"),
    ];
    for (path, expect) in table {
        let error = check(&["src/**"], |dir| write(dir, path, "new\n"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{path}: {error}");
        assert!(
            !error.contains('\n') && !error.contains('\u{202e}'),
            "{error:?}"
        );
    }
    let everything = check(&["**"], |dir| write(dir, "src/Cargo.toml", "x\ny\n")).unwrap_err();
    assert!(matches!(everything, Violation::Forbidden { .. }));
}

#[test]
fn each_kind_of_change_that_is_not_text_is_refused() {
    let executable =
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    type Edit<'a> = &'a dyn Fn(&Path);
    let edits: [(&str, Edit<'_>); 14] = [
        ("changes nothing", &|_| {}),
        ("is binary", &|dir| write(dir, "src/k.rs", b"a\0b")),
        ("is binary", &|dir| write(dir, "src/k.rs", b"caf\xe9\n")),
        ("symbolic link", &|dir| {
            symlink("k.rs", dir.join("src/l.rs")).unwrap();
        }),
        ("symbolic link", &|dir| {
            fs::remove_file(dir.join("src/k.rs")).unwrap();
            symlink("sub/deep.rs", dir.join("src/k.rs")).unwrap();
        }),
        ("symbolic link", &|dir| {
            fs::remove_file(dir.join("src/link")).unwrap();
        }),
        ("symbolic link", &|dir| {
            fs::remove_file(dir.join("src/link")).unwrap();
            symlink("../../outside", dir.join("src/link")).unwrap();
        }),
        ("`src/new.rs` and `src/New.rs` are the same file", &|dir| {
            write(dir, "src/new.rs", "x\n");
            write(dir, "src/New.rs", "y\n");
        }),
        ("`src/K.rs` and `src/k.rs` are the same file", &|dir| {
            fs::rename(dir.join("src/k.rs"), dir.join("src/K.rs")).unwrap();
        }),
        ("changes its mode from 100644 to 100755", &|dir| {
            executable(&dir.join("src/k.rs"));
        }),
        ("new executable", &|dir| {
            write(dir, "src/n.sh", "x\n");
            executable(&dir.join("src/n.sh"));
        }),
        ("max_patch_kib is 4", &|dir| {
            write(dir, "src/k.rs", "x\n".repeat(4000));
        }),
        ("`notes.md` is outside", &|dir| {
            fs::rename(dir.join("notes.md"), dir.join("src/notes.md")).unwrap();
        }),
        ("not UTF-8", &|dir| {
            let name = std::ffi::OsStr::from_bytes(b"src/\xff.rs");
            fs::write(dir.join(name), "x").unwrap();
        }),
    ];
    for (expect, edit) in edits {
        let error = check(&["src/**"], edit).unwrap_err().to_string();
        assert!(error.contains(expect), "{expect}: {error}");
    }
}

#[test]
fn a_submodule_and_a_bad_glob_are_named() {
    let lab = Lab::new();
    let base = lab.git(&["rev-parse", "HEAD"]);
    lab.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{base},src/vendored"),
    ]);
    let tree = lab.git(&["write-tree"]);
    let patch = lab.repo().patch_between(&base, &tree).unwrap();
    let policy = |glob: &str| PolicyConfig {
        editable: vec![glob.into()],
        max_patch_kib: 4,
    };
    assert!(
        check_policy(&patch, &policy("src/**"))
            .unwrap_err()
            .to_string()
            .contains("submodule")
    );
    let bad = check_policy(&patch, &policy("src/[")).unwrap_err();
    assert!(
        matches!(&bad, Violation::BadGlob { glob, .. } if glob == "src/["),
        "{bad}"
    );
}

/// A tree with one entry more in `src`, under a name that git itself would refuse.
fn with_entry(lab: &Lab, base: &str, name: &str) -> String {
    let git = git2::Repository::open(lab.path()).unwrap();
    let object = git.revparse_single(base).unwrap();
    let root = object.peel_to_tree().unwrap();
    let blob = git.blob(b"x\n").unwrap();
    let entry = |mode: &str, name: &[u8], id: git2::Oid| {
        [mode.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat()
    };
    let file = entry("100644", name.as_bytes(), blob);
    let odb = git.odb().unwrap();
    let src = odb.write(git2::ObjectType::Tree, &file).unwrap();
    let mut bytes = Vec::new();
    for old in &root {
        let id = if old.name_bytes() == b"src" {
            src
        } else {
            old.id()
        };
        let mode = format!("{:o}", old.filemode());
        bytes.extend(entry(&mode, old.name_bytes(), id));
    }
    odb.write(git2::ObjectType::Tree, &bytes)
        .unwrap()
        .to_string()
}

#[test]
fn a_revision_cannot_carry_names_that_lead_elsewhere() {
    let policy = PolicyConfig {
        editable: vec!["**".into()],
        max_patch_kib: 4,
    };
    for (name, expect) in [
        ("..", "`.` or `..` component"),
        (".", "`.` or `..` component"),
        ("../outpace.toml", "`.` or `..` component"),
        (".git", "into a .git folder"),
        (".GiT", "into a .git folder"),
        ("git~1", "into a .git folder"),
        ("..\\k.rs", "backslash"),
    ] {
        let lab = Lab::new();
        let (repo, base) = (lab.repo(), lab.git(&["rev-parse", "HEAD"]));
        let tree = with_entry(&lab, &base, name);
        let patch = repo.patch_between(&base, &tree).unwrap();
        let error = check_policy(&patch, &policy).unwrap_err().to_string();
        assert!(error.contains(expect), "{name}: {error}");
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("below");
        let exported = repo.export(&tree, &at, &ExportOptions::default());
        assert_eq!(exported.is_err(), name != "..\\k.rs", "{name}");
        assert!(!dir.path().join("outpace.toml").exists(), "{name}");
    }
}
