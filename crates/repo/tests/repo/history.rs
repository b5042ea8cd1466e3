use std::collections::BTreeSet;

use outpace_record::record_id;
use outpace_repo::{HistoryError, Repo};

use crate::support::{Lab, git};

const DAY: &str = "2026-05-19";

#[test]
fn a_day_is_read_in_the_order_in_which_its_records_ended() {
    let lab = Lab::new();
    let repo = lab.repo();
    let json = |moment: &str| format!("{{\"finished\":\"{DAY}T{moment}Z\"}}\n");
    let (late, early, between) = (json("23:00:00"), json("01:00:00"), json("12:30:00"));
    for record in [&late, &early, &between] {
        repo.history().append(&[("run", DAY, record)]).unwrap();
    }
    let days = repo.history().days(Some("run")).unwrap();
    let records = repo.history().read(&days[0]).unwrap();
    let texts: Vec<&String> = records.iter().map(|(_, json)| json).collect();
    assert_eq!(texts, [&early, &between, &late]);
}

#[test]
fn records_are_filed_listed_and_found() {
    let lab = Lab::new();
    let (repo, status) = (lab.repo(), lab.git(&["status", "--porcelain"]));
    let history = repo.history();
    assert!(history.list().unwrap().is_empty());
    assert!(matches!(
        history.get("ab"),
        Err(HistoryError::Unknown { .. })
    ));
    let ids = history
        .append(&[
            ("run", DAY, "{\"a\":1}\n"),
            ("verdict", "2026-05-18", "{\"b\":2}\n"),
        ])
        .unwrap();
    assert_eq!(ids[0], record_id(b"{\"a\":1}\n"));
    let tip = history.tip().unwrap();
    assert_eq!(
        history.append(&[("run", DAY, "{\"a\":1}\n")]).unwrap(),
        ids[..1]
    );
    assert_eq!(
        history.tip().unwrap(),
        tip,
        "what is there is not written again"
    );
    let entries = history.list().unwrap();
    assert_eq!(
        entries.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(),
        ["verdict", "run"]
    );
    assert_eq!(history.get(&ids[1][..10]).unwrap(), "{\"b\":2}\n");
    assert_eq!(history.days(None).unwrap().len(), 2);
    let runs = history.days(Some("run")).unwrap();
    assert_eq!(
        history.read(&runs[0]).unwrap(),
        [(entries[1].clone(), "{\"a\":1}\n".to_owned())]
    );
    assert!(matches!(
        history.get(""),
        Err(HistoryError::Ambiguous { .. })
    ));
    for (kind, date) in [
        ("Run", DAY),
        ("a/b", DAY),
        ("", DAY),
        ("run", "2026-5-1"),
        ("run", "2026/05/01"),
        ("run", "../../.."),
    ] {
        assert!(
            matches!(
                history.append(&[(kind, date, "{}")]),
                Err(HistoryError::BadRecord { .. })
            ),
            "{kind} {date}"
        );
    }
    assert_eq!(lab.git(&["status", "--porcelain"]), status);
    assert_eq!(lab.git(&["fsck", "--strict", "--no-dangling"]), "");
}

#[test]
fn concurrent_writers_lose_nothing() {
    const WRITERS: usize = 8;
    const APPENDS: usize = 20;
    let lab = Lab::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let path = lab.path();
            scope.spawn(move || {
                let repo = Repo::discover(path).unwrap();
                for n in 0..APPENDS {
                    let json = format!("{{\"writer\":{writer},\"n\":{n}}}");
                    repo.history().append(&[("run", DAY, &json)]).unwrap();
                }
            });
        }
    });
    let repo = lab.repo();
    let found: BTreeSet<String> = repo
        .history()
        .list()
        .unwrap()
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(found.len(), WRITERS * APPENDS);
    let commits = lab.git(&["rev-list", "--count", "refs/outpace/history"]);
    assert_eq!(commits, (WRITERS * APPENDS).to_string());
}

#[test]
fn two_histories_become_one() {
    let (lab, other) = (Lab::new(), Lab::new());
    let both = ("run", DAY, "{\"same\":1}");
    let (repo, theirs) = (lab.repo(), other.repo());
    let fetch = || {
        lab.git(&[
            "fetch",
            "-q",
            other.path().to_str().unwrap(),
            "refs/outpace/history:refs/outpace/theirs",
        ]);
        lab.git(&["rev-parse", "refs/outpace/theirs"])
    };
    theirs
        .history()
        .append(&[both, ("run", DAY, "{\"theirs\":1}")])
        .unwrap();
    let first = fetch();
    repo.history().merge_union(&first).unwrap();
    assert_eq!(repo.history().list().unwrap().len(), 2);
    repo.history()
        .append(&[("verdict", DAY, "{\"ours\":1}"), both])
        .unwrap();
    theirs
        .history()
        .append(&[("run", "2026-05-20", "{\"theirs\":2}")])
        .unwrap();
    let second = fetch();
    repo.history().merge_union(&second).unwrap();
    assert_eq!(repo.history().list().unwrap().len(), 4);
    let tip = repo.history().tip().unwrap();
    assert!(repo.is_ancestor(&second, tip.as_ref().unwrap()).unwrap());
    repo.history().merge_union(&second).unwrap();
    assert_eq!(repo.history().tip().unwrap(), tip);
}

#[test]
fn a_forged_history_is_not_taken_over() {
    for path in [
        format!("run/2026/05/19/{}.json", "a".repeat(64)),
        "evil.sh".to_owned(),
    ] {
        let (lab, other) = (Lab::new(), tempfile::tempdir().unwrap());
        git(other.path(), &["init", "-q"]);
        crate::support::write(other.path(), &path, "{}");
        git(other.path(), &["add", "-A"]);
        git(
            other.path(),
            &[
                "-c",
                "user.name=x",
                "-c",
                "user.email=x",
                "commit",
                "-qm",
                "x",
            ],
        );
        lab.git(&[
            "fetch",
            "-q",
            other.path().to_str().unwrap(),
            "HEAD:refs/outpace/theirs",
        ]);
        let repo = lab.repo();
        repo.history().append(&[("run", DAY, "{}")]).unwrap();
        let tip = repo.history().tip().unwrap();
        let error = repo
            .history()
            .merge_union("refs/outpace/theirs")
            .unwrap_err();
        assert!(
            matches!(&error, HistoryError::Damaged { path: named, .. } if *named == path),
            "{error}"
        );
        assert_eq!(repo.history().tip().unwrap(), tip);
    }
}

#[test]
fn what_cannot_be_written_is_known_before() {
    let lab = Lab::new();
    let repo = lab.repo();
    repo.history().check().unwrap();
    let lock = lab.at(".git/refs/outpace/history.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    let message = repo.history().check().unwrap_err().to_string();
    assert!(message.contains("history.lock"), "{message}");
    std::fs::remove_file(lock).unwrap();
    std::fs::write(lab.at(".git/refs/outpace/history"), "garbage").unwrap();
    assert!(repo.history().check().is_err());
}
