use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use outpace_repo::{ExportOptions, MAX_FILE_BYTES};

use crate::support::{Lab, write};

#[test]
fn the_tree_left_behind_is_that_of_the_disk_less_what_the_base_ignores() {
    let (lab, dir) = (Lab::new(), tempfile::tempdir().unwrap());
    lab.write("out/tracked.txt", "ignored but tracked\n");
    lab.git(&["add", "-f", "out/tracked.txt"]);
    let base = lab.commit("tracked in an ignored folder");
    let (repo, at) = (lab.repo(), dir.path());
    repo.export(&base, at, &ExportOptions::default()).unwrap();
    assert_eq!(
        repo.tree_from_dir(&base, at).unwrap(),
        lab.git(&["rev-parse", "HEAD^{tree}"])
    );

    write(at, ".gitignore", "src/\n");
    write(at, "noise.log", "x");
    write(at, "keep.log", "kept");
    write(at, "out/junk", "x");
    write(at, "out/tracked.txt", "changed\n");
    write(at, "src/new.rs", "new");
    write(at, ".git/config", "x");
    write(at, "run", "x");
    fs::set_permissions(at.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc", at.join("etc")).unwrap();
    fs::remove_file(at.join("src/sub/deep.rs")).unwrap();
    let tree = repo.tree_from_dir(&base, at).unwrap();
    let expect = [
        ".gitignore",
        "etc",
        "keep.log",
        "out/tracked.txt",
        "outpace.toml",
        "run",
        "src/k.rs",
        "src/new.rs",
    ];
    assert_eq!(repo.list(&tree, &["**".into()]).unwrap(), expect);
    assert_eq!(
        repo.read(&tree, "out/tracked.txt").unwrap().unwrap(),
        b"changed\n"
    );
    let modes = lab.git(&["ls-tree", &tree, "run", "etc", "keep.log"]);
    let modes: Vec<&str> = modes.lines().map(|line| &line[..6]).collect();
    assert_eq!(modes, ["120000", "100644", "100755"]);
}

#[test]
fn floods_and_hidden_repositories_are_refused() {
    let (lab, dir) = (Lab::new(), tempfile::tempdir().unwrap());
    let (repo, base, at) = (lab.repo(), lab.git(&["rev-parse", "HEAD"]), dir.path());
    repo.export(&base, at, &ExportOptions::default()).unwrap();
    fs::File::create(at.join("big"))
        .unwrap()
        .set_len(MAX_FILE_BYTES + 1)
        .unwrap();
    assert!(
        repo.tree_from_dir(&base, at)
            .unwrap_err()
            .to_string()
            .contains("`big` has 8388609 bytes")
    );
    fs::rename(at.join("big"), at.join("big.log")).unwrap();
    assert!(repo.tree_from_dir(&base, at).is_ok());
    write(at, "src/.git/config", "x");
    assert!(
        repo.tree_from_dir(&base, at)
            .unwrap_err()
            .to_string()
            .contains("leads into a .git folder")
    );
}
