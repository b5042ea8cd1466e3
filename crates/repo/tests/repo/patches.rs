use outpace_repo::FileStatus;

use crate::support::Lab;

#[test]
fn a_patch_tells_what_it_does_and_applies_again() {
    let lab = Lab::new();
    let repo = lab.repo();
    let base = lab.tree(&[]);
    let long: String = (0..30).map(|n| format!("line {n}\n")).collect();
    lab.write("src/old.rs", &long);
    let with_long = lab.commit("long");
    for (from, changes) in [
        (
            &base,
            vec![("src/k.rs", Some("fn k() {\n    let n = 8;\n}\n"))],
        ),
        (
            &base,
            vec![("src/new file ü.rs", Some("x")), ("src/sub/deep.rs", None)],
        ),
        (&base, vec![("src/empty.rs", Some(""))]),
        (
            &with_long,
            vec![("src/old.rs", None), ("src/moved.rs", Some(long.as_str()))],
        ),
    ] {
        lab.git(&[
            "checkout",
            "-q",
            if from == &base { "HEAD~1" } else { "main" },
        ]);
        let candidate = lab.tree(&changes);
        lab.git(&["checkout", "-q", "main"]);
        let patch = repo.patch_between(from, &candidate).unwrap();
        assert_eq!(
            repo.apply(from, &patch.text).unwrap(),
            candidate,
            "{}",
            patch.text
        );
        assert!(!patch.is_empty(), "{}", patch.text);
        assert!(!patch.only_comments(), "{}", patch.text);
    }
    let candidate = lab.tree(&[("src/old.rs", None), ("src/moved.rs", Some(&long))]);
    let patch = repo.patch_between(&with_long, &candidate).unwrap();
    assert_eq!(patch.files.len(), 1);
    let file = &patch.files[0];
    assert_eq!(
        (file.status, file.old_path.as_deref()),
        (FileStatus::Renamed, Some("src/old.rs"))
    );
    assert!(repo.patch_between(&base, &base).unwrap().is_empty());
}

#[test]
fn comment_patches_are_recognised_and_moved_copies_have_one_hash() {
    let lab = Lab::new();
    let repo = lab.repo();
    let base = lab.tree(&[]);
    let patch = |text: &str| {
        repo.patch_between(&base, &lab.tree(&[("src/k.rs", Some(text))]))
            .unwrap()
    };
    let comment = patch("fn k() {\n    // four\n    let n = 4;\n\n}\n");
    assert!(comment.only_comments() && (comment.added, comment.removed) == (2, 0));
    let real = patch("fn k() {\n    let n = 8;\n}\n");
    assert!(!real.only_comments());
    assert_eq!(
        real.sha256,
        patch("// eight\nfn k() {\n    let  n = 8; // wide\n}\n").sha256
    );
}

#[test]
fn a_patch_against_an_earlier_commit_is_merged_with_what_came_since() {
    let lab = Lab::new();
    let repo = lab.repo();
    let long = |first: &str, last: &str| {
        let lines: String = (0..30).map(|n| format!("line {n}\n")).collect();
        format!("{first}\n{lines}{last}\n")
    };
    lab.write("src/long.rs", long("a", "b"));
    let start = repo.resolve(&lab.commit("long")).unwrap();
    let changed = lab.tree(&[("src/long.rs", Some(&long("a", "B")))]);
    let patch = repo.patch_between(&start.tree, &changed).unwrap();
    lab.write("src/long.rs", long("one\ntwo\nA", "b"));
    let moved = repo.resolve(&lab.commit("two lines more above")).unwrap();
    assert!(repo.apply(&moved.tree, &patch.text).is_err());
    let merged = repo.apply_onto(&moved, &patch.text).unwrap();
    assert_eq!(
        merged,
        lab.tree(&[("src/long.rs", Some(&long("one\ntwo\nA", "B")))])
    );
    lab.write("src/long.rs", long("one\ntwo\nA", "c"));
    let other = repo.resolve(&lab.commit("the same line")).unwrap();
    let refused = repo.apply_onto(&other, &patch.text).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("does not apply to `src/long.rs`")
    );
    lab.write("src/long.rs", long("one\ntwo\nA", "B"));
    let there = repo.resolve(&lab.commit("the patch itself")).unwrap();
    assert_eq!(repo.apply_onto(&there, &patch.text).unwrap(), there.tree);
}

#[test]
fn a_patch_of_a_file_that_was_renamed_since_follows_it() {
    let lab = Lab::new();
    let repo = lab.repo();
    let lines = |last: &str| (0..30).map(|n| format!("line {n}\n")).collect::<String>() + last;
    lab.write("src/old.rs", lines("a\n"));
    let start = repo.resolve(&lab.commit("old name")).unwrap();
    let changed = lab.tree(&[("src/old.rs", Some(&lines("b\n")))]);
    let patch = repo.patch_between(&start.tree, &changed).unwrap();
    lab.git(&["mv", "src/old.rs", "src/moved.rs"]);
    let moved = repo.resolve(&lab.commit("new name")).unwrap();
    let merged = lab.tree(&[("src/moved.rs", Some(&lines("b\n")))]);
    assert_eq!(repo.apply_onto(&moved, &patch.text).unwrap(), merged);
    let other = patch.text.replace("src/old.rs", "old.rs");
    for error in [
        repo.apply(&start.tree, &other).unwrap_err(),
        repo.apply_onto(&start, &other).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("Hint: if it is `src/old.rs`"), "{error}");
    }
}

#[test]
fn what_does_not_apply_is_said_with_file_and_hunk() {
    let lab = Lab::new();
    let repo = lab.repo();
    let base = lab.tree(&[]);
    let hunk = |path: &str, line: &str| {
        format!(
            "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,3 +1,3 @@\n fn k() {{\n-    {line}\n+    let n = 9;\n }}\n"
        )
    };
    assert!(
        repo.apply(&base, hunk("src/k.rs", "let n = 4;").trim_end())
            .is_ok()
    );
    assert_eq!(repo.apply(&base, " \n").unwrap(), base);
    let add = "diff --git a/outpace.toml b/outpace.toml\nnew file mode 100644\n--- /dev/null\n+++ b/outpace.toml\n@@ -0,0 +1 @@\n+x\n";
    let delete = "diff --git a/src/k.rs b/src/k.rs\ndeleted file mode 100644\n--- a/src/k.rs\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    let new = "diff --git a/src/n.rs b/src/n.rs\nnew file mode 100644\n--- /dev/null\n+++ b/src/n.rs\n@@ -0,0 +1 @@\n+x\n";
    for (text, expect) in [
        (
            delete.to_owned(),
            "the file has other content than the patch deletes",
        ),
        (format!("{new}{new}"), "the patch adds this file twice"),
        (
            hunk("src/k.rs", "let n = 5;"),
            "does not apply to `src/k.rs`, hunk @@ -1,3 +1,3 @@",
        ),
        (
            hunk("src/none.rs", "let n = 4;"),
            "does not apply to `src/none.rs`",
        ),
        (
            hunk("../k.rs", "x"),
            "`../k.rs` is refused: it has a `.` or `..`",
        ),
        (hunk("src/.GIT/config", "x"), "leads into a .git folder"),
        (
            hunk("/etc/passwd", "x"),
            "`/etc/passwd` is refused: it is absolute",
        ),
        (hunk("src\\k.rs", "x"), "has a backslash"),
        (
            hunk("src/\u{202e}k\u{ad}.rs", "x"),
            "does not apply to `src/\\u{202e}k\\u{ad}.rs`",
        ),
        (add.to_owned(), "already there"),
        ("hello\n".to_owned(), "not a patch"),
        // Found by libFuzzer: the message quoted it as it was.
        (
            "diff --git a/x b/x\nnew file mode 1\u{1}\u{1b}[31m00755\n--- /dev/null\n+++ b/x\n"
                .to_owned(),
            "is not a file mode of git",
        ),
        (
            "diff --git a/x b/x\n@@ nonsense\n".to_owned(),
            "not a patch",
        ),
    ] {
        let error = repo
            .apply(&base, &text)
            .map(|tree| panic!("{expect}: {tree}"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expect), "{expect}: {error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}

#[test]
fn a_users_diff_settings_change_nothing() {
    let lab = Lab::new();
    let (base, candidate) = (
        lab.tree(&[]),
        lab.tree(&[("src/k.rs", Some("fn k() {}\n"))]),
    );
    let before = lab.repo().patch_between(&base, &candidate).unwrap();
    for (key, value) in [
        ("diff.noprefix", "true"),
        ("diff.context", "0"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.renames", "false"),
    ] {
        lab.git(&["config", key, value]);
    }
    lab.write(".git/info/attributes", "*.rs -diff\n");
    assert_eq!(lab.repo().patch_between(&base, &candidate).unwrap(), before);
}
