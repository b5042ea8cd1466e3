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
fn each_kind_of_change_that_is_no_text_is_refused() {
    let executable =
        |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    type Edit<'a> = &'a dyn Fn(&Path);
    let edits: [(&str, Edit<'_>); 11] = [
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
