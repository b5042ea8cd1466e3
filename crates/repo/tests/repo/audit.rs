use outpace_record::{Baseline, Document, Verdict, record_id};
use outpace_repo::{ExportOptions, MergeRequest, audit, merge_message, proof_path};

use crate::support::{CONFIG, Lab, request, verdict};

pub(crate) const SOURCE: &str = "fn k() {\n    let n = 8;\n}\n";

/// A repository with two patches merged into its branch `main`.
fn merged() -> Lab {
    let lab = Lab::new();
    for text in [SOURCE, "fn k() {\n    let n = 16;\n}\n"] {
        merge(&lab, text, |_| {}, |_| {});
    }
    lab
}

/// Merges a source text and fast-forwards `main` to it. The verdict and then the merge may be
/// tampered with first.
pub(crate) fn merge(
    lab: &Lab,
    text: &str,
    verdict_is: impl Fn(&mut Verdict),
    merge_is: impl Fn(&mut MergeRequest),
) {
    let repo = lab.repo();
    let base = lab.git(&["rev-parse", "HEAD"]);
    let tree = lab.tree(&[("src/k.rs", Some(text))]);
    let mut proof = verdict(&repo, &base, &tree);
    verdict_is(&mut proof);
    let mut request = request(&repo, "proven", None, &tree, &proof);
    request.base = base;
    merge_is(&mut request);
    repo.merge(&request).unwrap();
    lab.git(&["merge", "-q", "--ff-only", "proven"]);
    lab.git(&["branch", "-q", "-d", "proven"]);
}

pub(crate) fn findings(lab: &Lab) -> Vec<String> {
    let audited = audit(&lab.repo(), None).unwrap();
    audited
        .into_iter()
        .flat_map(|commit| commit.findings)
        .collect()
}

pub(crate) fn assert_found(what: &str, lab: &Lab, expect: &str) {
    let found = findings(lab);
    assert!(
        found.iter().any(|finding| finding.contains(expect)),
        "{what}: {found:#?}"
    );
    assert!(
        found.iter().all(|finding| finding.starts_with("commit ")),
        "{what}: {found:#?}"
    );
}

#[test]
fn honest_merges_pass_also_from_a_clone() {
    let lab = merged();
    let audited = audit(&lab.repo(), None).unwrap();
    assert_eq!(audited.len(), 2);
    assert!(
        audited
            .iter()
            .all(|commit| commit.findings.is_empty() && commit.verdict_ids.len() == 1),
        "{audited:#?}"
    );
    assert_eq!(audit(&lab.repo(), Some("HEAD~1..HEAD")).unwrap().len(), 1);
    let clone = tempfile::tempdir().unwrap();
    let at = clone.path().join("clone");
    lab.git(&[
        "clone",
        "-q",
        "--no-local",
        lab.path().to_str().unwrap(),
        at.to_str().unwrap(),
    ]);
    let audited = audit(&outpace_repo::Repo::discover(&at).unwrap(), None).unwrap();
    assert!(
        audited.len() == 2 && audited.iter().all(|commit| commit.findings.is_empty()),
        "{audited:#?}"
    );
}

#[test]
fn merges_that_came_in_by_a_merge_commit_pass() {
    let lab = Lab::new();
    lab.git(&["checkout", "-q", "-b", "work"]);
    merge(&lab, SOURCE, |_| {}, |_| {});
    lab.git(&["checkout", "-q", "main"]);
    lab.write("other.md", "x");
    lab.commit("meanwhile");
    lab.git(&["merge", "-q", "--no-ff", "-m", "take over", "work"]);
    assert_eq!(findings(&lab), Vec::<String>::new());
    assert_eq!(audit(&lab.repo(), None).unwrap().len(), 1);
}

#[test]
fn code_that_was_not_measured_is_found() {
    let lab = Lab::new();
    let sneaked = lab.tree(&[
        ("src/k.rs", Some(SOURCE)),
        ("src/x.rs", Some("fn x() {}\n")),
    ]);
    merge(&lab, SOURCE, |_| {}, |m| m.tree.clone_from(&sneaked));
    assert_found("another file", &lab, "it is about patch");
    let lab = Lab::new();
    let comment = lab.tree(&[("src/k.rs", Some(&format!("// x\n{SOURCE}")))]);
    merge(&lab, SOURCE, |_| {}, |m| m.tree.clone_from(&comment));
    assert_found("another comment", &lab, "it measured tree");
    let lab = Lab::new();
    lab.write("outpace.toml", CONFIG.replace("src/**", "lib/**"));
    lab.commit("policy");
    merge(&lab, SOURCE, |_| {}, |_| {});
    assert_found("policy of the base", &lab, "breaks the policy of its base");
}

#[test]
fn what_is_done_to_proofs_and_baselines_later_is_found() {
    let proof = |lab: &Lab| proof_path(&audit(&lab.repo(), None).unwrap()[0].verdict_ids[0]);
    let baseline = Baseline::path("box-x2-00000000", "tiny");
    let lab = merged();
    lab.write(&proof(&lab), "{}");
    lab.commit("edit a proof");
    assert_found("edited proof", &lab, "rewrites the committed proof");
    let lab = merged();
    std::fs::remove_file(lab.at(&proof(&lab))).unwrap();
    lab.commit("remove a proof");
    assert_found("removed proof", &lab, "removes the committed proof");
    let lab = merged();
    let text = std::fs::read_to_string(lab.at(&baseline)).unwrap();
    lab.write(&baseline, text.replace("\"merges\": 2", "\"merges\": 3"));
    lab.commit("edit a baseline");
    assert_found(
        "edited baseline",
        &lab,
        "changes baselines/box-x2-00000000/tiny.json without a verdict",
    );
    let lab = merged();
    lab.write("baselines/proofs/0000000000000000.json", "{}");
    lab.commit("add a proof");
    assert_found("added proof", &lab, "without an Outpace-Verdict trailer");
    let lab = merged();
    lab.write("baselines/README.md", "text is fine");
    lab.commit("document");
    assert_eq!(findings(&lab), Vec::<String>::new());
}

#[test]
fn a_copied_trailer_proves_nothing() {
    let lab = merged();
    let repo = lab.repo();
    let proof = repo.read(
        &lab.git(&["rev-parse", "HEAD"]),
        &proof_path(&audit(&repo, None).unwrap()[1].verdict_ids[0]),
    );
    let proof = Verdict::from_json(std::str::from_utf8(&proof.unwrap().unwrap()).unwrap()).unwrap();
    let id = record_id(proof.to_json().as_bytes());
    lab.write("src/k.rs", "fn k() { slow() }\n");
    lab.commit(&merge_message("free ride", "", &[(&proof, id)], "me"));
    assert_found("free ride", &lab, "it was measured against");
}

/// The message with those of its causes, as the command prints it.
fn printed(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[test]
fn errors_say_what_is_wrong_once() {
    let lab = Lab::new();
    let repo = lab.repo();
    let nope = "unknown revision `nope`. Hint: see `git log --oneline` and `git branch -a`";
    for range in ["main..nope", "nope..main", "nope"] {
        assert_eq!(printed(&audit(&repo, Some(range)).unwrap_err()), nope);
    }
    let file = lab.at("src/k.rs");
    let error = repo
        .export("HEAD", &file, &ExportOptions::default())
        .map_err(|error| printed(&error));
    assert_eq!(error, Err("no tree `HEAD` in this repository".to_owned()));
    let head = lab.git(&["rev-parse", "HEAD"]);
    let error = repo
        .export(&head, &file, &ExportOptions::default())
        .map_err(|error| printed(&error));
    let expect = format!("I/O error at {}: File exists (os error 17)", file.display());
    assert_eq!(error, Err(expect));
}
