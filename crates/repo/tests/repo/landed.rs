//! Proven merges that came in by one of GitHub's merge styles.

use outpace_repo::{Audited, Repo, audit};

use crate::audit::{SOURCE, merge};
use crate::support::Lab;
use crate::tampering::indexed;

const FASTER: &str = "fn k() {\n    let n = 16;\n}\n";

/// `main` with an unrelated commit, and `work` with these merges, made beside it.
fn beside(texts: &[&str]) -> Lab {
    let lab = Lab::new();
    lab.git(&["checkout", "-q", "-b", "work"]);
    for text in texts {
        merge(&lab, text, |_| {}, |_| {});
    }
    lab.git(&["checkout", "-q", "main"]);
    lab.write("other.md", "others work here\n");
    lab.commit("unrelated");
    lab
}

fn squash(lab: &Lab) {
    lab.git(&["merge", "-q", "--squash", "work"]);
    lab.commit("make it fast (#12)");
}

/// The commit at HEAD.
fn last(repo: &Repo) -> Audited {
    let mut audited = audit(repo, Some("HEAD~1..HEAD")).unwrap();
    assert_eq!(audited.len(), 1, "{audited:#?}");
    audited.remove(0)
}

fn assert_holds(lab: &Lab, note: &str) {
    let audited = last(&lab.repo());
    assert_eq!(audited.findings, Vec::<String>::new());
    assert!(audited.note.unwrap().contains(note));
}

fn assert_found(lab: &Lab, expect: &str) {
    let found = last(&lab.repo()).findings;
    assert!(
        found.iter().any(|f| f.contains(expect)),
        "{expect}: {found:#?}"
    );
}

#[test]
fn one_proof_survives_a_squash_and_a_rebase() {
    let lab = beside(&[SOURCE]);
    squash(&lab);
    assert_holds(&lab, "others moved");
    lab.git(&["checkout", "-q", "-b", "rebased", "main~1"]);
    lab.git(&["cherry-pick", "work"]);
    assert_holds(&lab, "others moved");
    // On the very base, with another message.
    lab.git(&["checkout", "-q", "-b", "direct", "work~1"]);
    squash(&lab);
    assert_holds(&lab, "as measured");
}

#[test]
fn an_index_is_spent_once_in_whatever_form_it_lands() {
    let of = |texts: [(&str, u64); 2]| {
        let lab = Lab::new();
        lab.git(&["checkout", "-q", "-b", "work"]);
        for (text, index) in texts {
            merge(&lab, text, |v| indexed(v, index, 0), |_| {});
        }
        lab.git(&["checkout", "-q", "main"]);
        squash(&lab);
        lab
    };
    assert_holds(&of([(SOURCE, 2), (FASTER, 3)]), "as measured");
    assert_found(&of([(SOURCE, 3), (FASTER, 3)]), "spent for another tree");
}

#[test]
fn several_proofs_survive_where_the_measured_trees_are_here() {
    let lab = beside(&[SOURCE, FASTER]);
    squash(&lab);
    let audited = last(&lab.repo());
    assert_eq!(audited.verdict_ids.len(), 2);
    assert_holds(&lab, "others moved");
    // In a clone of `main` alone they are not, and the way to them is named.
    let clone = tempfile::tempdir().unwrap();
    let at = clone.path().join("c");
    let (from, to) = (lab.path().to_str().unwrap(), at.to_str().unwrap());
    lab.git(&["clone", "-q", "--no-local", "--single-branch", from, to]);
    let found = last(&Repo::discover(&at).unwrap()).findings;
    assert!(
        found[0].contains("git fetch origin refs/pull/N/head"),
        "{found:#?}"
    );
    // Rebased one by one, each holds.
    lab.git(&["checkout", "-q", "-b", "rebased", "main~1"]);
    lab.git(&["cherry-pick", "work~1", "work"]);
    assert_holds(&lab, "others moved");
}

#[test]
fn what_was_changed_on_the_way_is_found() {
    let edited = |path: &str, text: &str| {
        let lab = beside(&[SOURCE]);
        lab.git(&["merge", "-q", "--squash", "work"]);
        lab.write(path, text);
        lab.commit("make it fast (#12)");
        lab
    };
    assert_found(&edited("src/k.rs", "fn k() {}\n"), "the commit has patch");
    assert_found(
        &edited("src/new.rs", "fn n() {}\n"),
        "none of its proofs is about",
    );
    assert_found(&edited("build.rs", "fn main() {}\n"), "breaks the policy");
    let proofs = |lab: &Lab| lab.git(&["ls-files", "baselines/proofs"]);
    let lab = beside(&[SOURCE]);
    lab.git(&["merge", "-q", "--squash", "work"]);
    let path = proofs(&lab);
    let text = std::fs::read_to_string(lab.at(&path)).unwrap();
    lab.write(&path, text.replace("1.05", "1.06"));
    lab.commit("make it fast (#12)");
    assert_found(&lab, "there is no proof");
}

#[test]
fn a_touched_file_that_moved_in_between_was_not_measured() {
    let lab = Lab::new();
    lab.git(&["checkout", "-q", "-b", "work"]);
    merge(&lab, SOURCE, |_| {}, |_| {});
    lab.git(&["checkout", "-q", "main"]);
    lab.write(
        "src/k.rs",
        "// theirs\n\n\n\n\nfn k() {\n    let n = 4;\n}\n",
    );
    lab.commit("the same file");
    lab.git(&["cherry-pick", "work"]);
    assert_found(&lab, "src/k.rs is not what it was");
}
