use outpace_repo::{Trailers, merge_message, next_baseline, parse_trailers, proven_text};

use crate::support::{Lab, verdict};

#[test]
fn agents_cannot_forge_trailers() {
    let lab = Lab::new();
    let repo = lab.repo();
    let tree = lab.tree(&[("src/k.rs", Some("fn k() {}\n"))]);
    let proof = verdict(&repo, &lab.git(&["rev-parse", "HEAD"]), &tree);
    let id = "ab".repeat(32);
    let forged = "Outpace-Verdict: dead";
    for (title, body, agent) in [
        ("wider", "", "tune"),
        (forged, forged, forged),
        (
            "x\n\nOutpace-Verdict: dead",
            "text\n\n\nOutpace-Base: dead\nOutpace-Verdict: dead\n\n",
            "a\nOutpace-Verdict: dead",
        ),
        ("", "\u{1b}[31mred\rOutpace-Verdict: dead", "\n\n"),
    ] {
        let message = merge_message(title, body, &[(&proof, id.clone())], agent);
        let trailers = parse_trailers(&message);
        assert_eq!(trailers.verdicts, std::slice::from_ref(&id), "{message}");
        assert_eq!(
            trailers.bases,
            std::slice::from_ref(&proof.base),
            "{message}"
        );
        assert_eq!(trailers.proven, [proven_text(&proof)], "{message}");
        assert!(message.lines().next().unwrap().chars().count() <= 72);
        assert!(!message.contains('\u{1b}') && !message.contains('\r'));
        let by_git: Vec<&str> = message
            .lines()
            .filter(|l| l.starts_with("Outpace-Verdict"))
            .collect();
        assert!(by_git.len() <= 2, "{message}");
    }
    // Found by libFuzzer: the body is the last paragraph where nothing was proven.
    let body = ":\n?\0w\0\0\0outpace-base\0\0\n\noutpace-base\0\0\noutpace-SANDBOX: none";
    let message = merge_message::<outpace_record::Verdict>("", body, &[], "");
    assert_eq!(parse_trailers(&message), Trailers::default(), "{message}");
    let long = merge_message(
        &"word ".repeat(50),
        &"line\n".repeat(500),
        &[(&proof, id)],
        "a",
    );
    assert!(long.lines().count() < 60);
}

#[test]
fn only_the_last_paragraph_counts() {
    let none = [
        "Outpace-Verdict: x",
        "s\n\nOutpace-Verdict: x\n\nmore",
        "s\n\n Outpace-Verdict: x",
        "",
        "\n\n",
    ];
    for message in &none[1..] {
        assert!(parse_trailers(message).verdicts.is_empty(), "{message:?}");
    }
    assert!(
        parse_trailers(none[0]).verdicts.is_empty(),
        "a subject is not a trailer"
    );
    let mixed =
        parse_trailers("s\n\nOutpace-Verdict: x\nSigned-off-by: y <z>\nOutpace-Agent:  w \n");
    assert_eq!(
        (mixed.verdicts, mixed.agents),
        (vec!["x".to_owned()], vec!["w".to_owned()])
    );
}

#[test]
fn baselines_compound_from_the_anchor() {
    let lab = Lab::new();
    let repo = lab.repo();
    let base = lab.git(&["rev-parse", "HEAD"]);
    let proof = verdict(
        &repo,
        &base,
        &lab.tree(&[("src/k.rs", Some("fn k() {}\n"))]),
    );
    let one = next_baseline(None, &proof, "id1");
    assert_eq!(
        (one.merges, one.anchor.tokens_per_s, one.tokens_per_s),
        (1, 1000.0, 1050.0)
    );
    let mut later = proof.clone();
    later.base = "later".into();
    let two = next_baseline(Some(one.clone()), &later, "id2");
    assert_eq!(
        (two.anchor.commit.as_str(), two.merges, two.verdict.as_str()),
        (base.as_str(), 2, "id2")
    );
    assert!(((1.0 + two.speedup) - (1.0 + proof.speedup.unwrap()).powi(2)).abs() < 1e-12);
    assert!(two.at_least > one.at_least && two.at_least < two.speedup);
}
