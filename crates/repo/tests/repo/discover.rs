use outpace_repo::Repo;

use crate::support::{Lab, git};

#[test]
fn what_is_not_a_repository_is_named_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path| Repo::discover(path).err().unwrap().to_string();
    assert!(error(dir.path()).contains("is not in a git repository. Hint: "));
    git(dir.path(), &["init", "-q"]);
    assert!(error(dir.path()).contains("has no commits yet. Hint: "));
    let bare = tempfile::tempdir().unwrap();
    git(bare.path(), &["init", "-q", "--bare"]);
    assert!(error(bare.path()).contains("bare repository"));
}

#[test]
fn a_repository_is_found_from_below_and_from_a_linked_worktree() {
    fn is_send<T: Send>(_: &T) {}
    let lab = Lab::new();
    let root = lab.path().canonicalize().unwrap();
    let below = Repo::discover(&lab.at("src/sub")).unwrap();
    is_send(&below);
    assert_eq!(below.root().canonicalize().unwrap(), root);
    let side = tempfile::tempdir().unwrap();
    let linked = side.path().join("linked");
    lab.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        linked.to_str().unwrap(),
    ]);
    let linked = Repo::discover(&linked).unwrap();
    assert_eq!(linked.current_branch().as_deref(), Some("side"));
    assert_eq!(
        linked.state_dir().canonicalize().unwrap(),
        below.state_dir().canonicalize().unwrap()
    );
    assert!(linked.state_dir().starts_with(root.join(".git")));
    assert_eq!(lab.git(&["status", "--porcelain"]), "");
}

#[test]
fn revisions_and_ranges() {
    let lab = Lab::new();
    let first = lab.git(&["rev-parse", "HEAD"]);
    let second = lab.commit("second");
    let repo = lab.repo();
    let head = repo.resolve("HEAD").unwrap();
    assert_eq!(
        (&head.id, &head.parents, head.summary.as_str()),
        (&second, &vec![first.clone()], "second")
    );
    assert_eq!(head.author, "Tester");
    assert_eq!(repo.resolve("HEAD~1").unwrap().id, first);
    let ids = |range: &str| {
        repo.commits(range)
            .unwrap()
            .into_iter()
            .map(|c| c.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("main"), [first.clone(), second.clone()]);
    assert_eq!(ids("HEAD~1..HEAD"), std::slice::from_ref(&second));
    assert_eq!(ids("HEAD~1.."), std::slice::from_ref(&second));
    for rev in ["nope", "nope..HEAD", "HEAD^{tree}", ""] {
        let error = repo.commits(rev).unwrap_err().to_string();
        assert!(error.starts_with("unknown revision `"), "{rev}: {error}");
    }
    assert!(repo.is_ancestor(&first, &second).unwrap());
    assert!(!repo.is_ancestor(&second, &first).unwrap());
    assert_eq!(repo.branch_tip("main").unwrap(), Some(second));
    assert_eq!(repo.branch_tip("no/such").unwrap(), None);
}

#[test]
fn dirty_lists_changed_and_untracked_files() {
    let lab = Lab::new();
    let repo = lab.repo();
    assert!(repo.dirty().unwrap().is_empty());
    lab.write("src/k.rs", "changed\n");
    lab.write("new/a b.txt", "x");
    lab.write("noise.log", "x");
    repo.state_dir();
    assert_eq!(repo.dirty().unwrap(), ["new/a b.txt", "src/k.rs"]);
}

#[test]
fn untracked_files_are_those_that_git_diff_leaves_out() {
    let lab = Lab::new();
    for path in ["src/fast.py", "src/sub/a b.py", "notes.md", "src/noise.log"] {
        lab.write(path, "x\n");
    }
    lab.write("src/k.rs", "changed\n");
    let repo = lab.repo();
    let untracked = |glob: &str| repo.untracked(&[glob.to_owned()]).unwrap();
    assert_eq!(untracked("src/**"), ["src/fast.py", "src/sub/a b.py"]);
    assert_eq!(untracked("src/*"), ["src/fast.py"]);
    assert_eq!(
        untracked("**"),
        ["notes.md", "src/fast.py", "src/sub/a b.py"]
    );
    lab.git(&["add", "-N", "src/fast.py"]);
    lab.git(&["add", "notes.md"]);
    assert_eq!(untracked("**"), ["src/sub/a b.py"]);
    assert!(repo.untracked(&["[".into()]).is_err());
}

#[test]
fn files_of_a_tree_are_read_and_listed() {
    let lab = Lab::new();
    let repo = lab.repo();
    let tree = repo.resolve("HEAD").unwrap().tree;
    assert_eq!(
        repo.read(&tree, "src/sub/deep.rs").unwrap().unwrap(),
        b"fn deep() {}\n"
    );
    assert_eq!(repo.read(&tree, "src").unwrap(), None);
    assert_eq!(repo.read(&tree, "none").unwrap(), None);
    let replaced = repo.replace_file(&tree, "src/k.rs", b"x").unwrap();
    assert_eq!(replaced, lab.tree(&[("src/k.rs", Some("x"))]));
    assert!(repo.replace_file(&tree, "../k.rs", b"x").is_err());
    let list = |glob: &str| repo.list(&tree, &[glob.to_owned()]).unwrap();
    assert_eq!(list("src/*.rs"), ["src/k.rs"]);
    assert_eq!(list("src/**"), ["src/k.rs", "src/sub/deep.rs"]);
    assert_eq!(list("SRC/**"), Vec::<String>::new());
    assert_eq!(list("**").len(), 4);
    assert!(
        repo.list(&tree, &["[".into()])
            .unwrap_err()
            .to_string()
            .contains("bad glob `[`")
    );
    assert!(
        repo.read("0000", "x")
            .unwrap_err()
            .to_string()
            .contains("no tree `0000`")
    );
}
