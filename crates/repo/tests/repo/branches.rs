use std::fs;

use outpace_record::record_id;
use outpace_repo::{MergeError, Repo, parse_trailers};

use crate::support::{Lab, request, verdict};

const FASTER: &[(&str, Option<&str>)] = &[("src/k.rs", Some("fn k() {\n    let n = 8;\n}\n"))];

fn all_files(lab: &Lab) -> Vec<(String, String)> {
    let list = lab.git(&["ls-files", "-co"]);
    list.lines()
        .map(|path| (path.to_owned(), record_id(&fs::read(lab.at(path)).unwrap())))
        .collect()
}

#[test]
fn a_merge_moves_the_branch_and_nothing_of_the_users() {
    let lab = Lab::new();
    lab.write("src/sub/deep.rs", "staged\n");
    lab.git(&["add", "src/sub/deep.rs"]);
    lab.write("src/sub/deep.rs", "and changed again\n");
    lab.write("untracked", "x");
    let repo = lab.repo();
    let base = lab.git(&["rev-parse", "HEAD"]);
    let tree = lab.tree(FASTER);
    let proof = verdict(&repo, &base, &tree);
    let status = lab.git(&["status", "--porcelain"]);
    let (index, files) = (fs::read(lab.at(".git/index")).unwrap(), all_files(&lab));

    repo.check_mergeable("outpace/main").unwrap();
    let commit = repo
        .merge(&request(&repo, "outpace/main", None, &tree, &proof))
        .unwrap();

    assert_eq!(fs::read(lab.at(".git/index")).unwrap(), index);
    assert_eq!(all_files(&lab), files);
    assert_eq!(lab.git(&["status", "--porcelain"]), status);
    assert_eq!(
        repo.branch_tip("outpace/main").unwrap().as_deref(),
        Some(commit.as_str())
    );
    assert_eq!(
        repo.branch_tip("main").unwrap().as_deref(),
        Some(base.as_str())
    );
    assert_eq!(
        repo.resolve(&commit).unwrap().parents,
        std::slice::from_ref(&base)
    );
    let trailers = parse_trailers(&lab.git(&["log", "-1", "--format=%B", &commit]));
    assert_eq!(
        (trailers.bases, trailers.agents),
        (vec![base.clone()], vec!["tune".into()])
    );
    let changed = lab.git(&["diff", "--name-only", &base, &commit]);
    assert_eq!(changed.lines().count(), 3, "{changed}");
    assert!(
        lab.git(&["reflog", "outpace/main"])
            .contains("outpace: merge: wider")
    );
    assert_eq!(lab.git(&["log", "-1", "--format=%an", &commit]), "Tester");
}

#[test]
fn a_branch_beside_which_there_can_be_no_other_is_noticed_at_once() {
    let lab = Lab::new();
    lab.git(&["branch", "outpace"]);
    lab.git(&["branch", "night/one"]);
    let repo = lab.repo();
    for (into, other) in [("outpace/main", "outpace"), ("night", "night/one")] {
        let error = repo.check_mergeable(into).unwrap_err();
        let expected =
            matches!(&error, MergeError::InTheWay { other: found, .. } if found == other);
        assert!(expected, "{into}: {error}");
    }
    repo.check_mergeable("night/two").unwrap();
}

#[test]
fn a_branch_that_moved_or_is_in_use_is_left_alone() {
    let lab = Lab::new();
    let repo = lab.repo();
    let base = lab.git(&["rev-parse", "HEAD"]);
    let tree = lab.tree(FASTER);
    let proof = verdict(&repo, &base, &tree);
    let merge = |into: &str, tip: Option<&str>| {
        repo.merge(&request(&repo, into, tip, &tree, &proof))
            .unwrap_err()
    };

    assert!(matches!(
        merge("main", Some(&base)),
        MergeError::CheckedOut { .. }
    ));
    assert!(
        merge("main", Some(&base))
            .to_string()
            .contains("git merge --ff-only outpace/main")
    );
    let side = tempfile::tempdir().unwrap();
    lab.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        side.path().join("w").to_str().unwrap(),
    ]);
    assert!(merge("side", Some(&base)).to_string().contains("side"));
    let from_side = Repo::discover(&side.path().join("w")).unwrap();
    assert!(matches!(
        from_side.check_mergeable("main"),
        Err(MergeError::CheckedOut { .. })
    ));
    for name in ["", "a..b", "-x", "a b", "x.lock"] {
        assert!(
            matches!(
                repo.check_mergeable(name),
                Err(MergeError::BadBranch { .. })
            ),
            "{name}"
        );
    }

    lab.git(&["branch", "b", &base]);
    assert!(matches!(merge("b", None), MergeError::Moved { now: Some(now), .. } if now == base));
    assert!(matches!(
        merge("c", Some(&base)),
        MergeError::Moved { now: None, .. }
    ));
    let moved = lab.commit("moved");
    lab.git(&["branch", "-f", "b", &moved]);
    assert!(
        matches!(merge("b", Some(&base)), MergeError::Moved { now: Some(now), .. } if now == moved)
    );
    assert!(matches!(
        merge("b", Some(&moved)),
        MergeError::NotTheBase { .. }
    ));
    assert_eq!(repo.branch_tip("b").unwrap(), Some(moved));
}

#[test]
fn of_many_merges_at_once_exactly_one_wins() {
    let lab = Lab::new();
    let base = lab.git(&["rev-parse", "HEAD"]);
    let tree = lab.tree(FASTER);
    let proof = verdict(&lab.repo(), &base, &tree);
    for (into, tip) in [("fresh", None), ("old", Some(base.as_str()))] {
        if tip.is_some() {
            lab.git(&["branch", into, &base]);
        }
        let won = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let (lab, tree, proof) = (&lab, &tree, &proof);
                    scope.spawn(move || {
                        let repo = lab.repo();
                        let mut request = request(&repo, into, tip, tree, proof);
                        request.message.insert_str(0, &n.to_string());
                        repo.merge(&request).is_ok()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(won, 1, "{into}");
    }
}

#[test]
fn branches_are_moved_forward_only() {
    let lab = Lab::new();
    let repo = lab.repo();
    let first = lab.git(&["rev-parse", "HEAD"]);
    let second = lab.commit("second");
    repo.fast_forward("b", None, &first).unwrap();
    repo.fast_forward("b", Some(&first), &second).unwrap();
    assert!(matches!(
        repo.fast_forward("b", Some(&first), &second),
        Err(MergeError::Moved { .. })
    ));
    assert!(matches!(
        repo.fast_forward("b", Some(&second), &first),
        Err(MergeError::NotFastForward { .. })
    ));
    assert!(matches!(
        repo.fast_forward("main", Some(&second), &second),
        Err(MergeError::CheckedOut { .. })
    ));
}

#[test]
fn a_proof_cannot_be_put_outside_of_the_tree() {
    let lab = Lab::new();
    let repo = lab.repo();
    let base = lab.git(&["rev-parse", "HEAD"]);
    let tree = lab.tree(FASTER);
    let mut request = request(&repo, "b", None, &tree, &verdict(&repo, &base, &tree));
    request.files.push(("../x".into(), Vec::new()));
    assert!(
        repo.merge(&request)
            .unwrap_err()
            .to_string()
            .contains("`../x` is refused")
    );
    assert_eq!(repo.branch_tip("b").unwrap(), None);
}
