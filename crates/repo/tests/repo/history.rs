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
    // That of a writer that was killed: none holds it for seconds.
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    file.set_modified(before).unwrap();
    repo.history().check().unwrap();
    assert!(!lock.exists());
    std::fs::write(lab.at(".git/refs/outpace/history"), "garbage").unwrap();
    let message = repo.history().check().unwrap_err().to_string();
    assert!(
        message.contains("corrupted") && message.contains("Hint: "),
        "{message}"
    );
    std::fs::remove_file(lab.at(".git/refs/outpace/history")).unwrap();
    lab.git(&["update-ref", "refs/outpace/history", "HEAD"]);
    for error in [
        repo.history().check().unwrap_err(),
        repo.history().list().unwrap_err(),
    ] {
        assert!(error.to_string().contains("something else"), "{error}");
    }
}

/// A bare repository that several clones share.
fn remote() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q", "--bare"]);
    let path = dir.path().to_string_lossy().into_owned();
    (dir, path)
}

fn ids(repo: &Repo) -> BTreeSet<String> {
    let entries = repo.history().list().unwrap();
    entries.into_iter().map(|entry| entry.id).collect()
}

#[test]
fn a_push_and_a_pull_are_unions() {
    let (_dir, remote) = remote();
    let (one, two) = (Lab::new(), Lab::new());
    let (ours, theirs) = (one.repo(), two.repo());
    assert!(!ours.history().pull(&remote).unwrap().remote_has);
    assert!(
        !ours.history().push(&remote).unwrap().remote_has,
        "nothing to push"
    );
    ours.history()
        .append(&[("run", DAY, "{\"ours\":1}")])
        .unwrap();
    assert!(ours.history().push(&remote).unwrap().remote_has);
    theirs
        .history()
        .append(&[("run", DAY, "{\"theirs\":1}")])
        .unwrap();
    assert_eq!(theirs.history().push(&remote).unwrap().pulled, 1);
    assert_eq!(ours.history().pull(&remote).unwrap().pulled, 1);
    assert_eq!(ids(&ours), ids(&theirs));
    assert_eq!(ids(&ours).len(), 2);
    let tip = ours.history().tip().unwrap();
    assert_eq!(ours.history().pull(&remote).unwrap().pulled, 0);
    assert_eq!(ours.history().tip().unwrap(), tip);
}

#[test]
fn a_remote_that_is_not_there_is_named_without_its_password() {
    let lab = Lab::new();
    let repo = lab.repo();
    let error = repo
        .history()
        .pull("/nowhere/at/all")
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
    let error = repo
        .history()
        .pull("file://me:secret@host/none")
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("file://host/none"), "{error}");
}

#[test]
fn sixteen_clones_push_at_once_and_lose_nothing() {
    const WRITERS: usize = 16;
    let (_dir, remote) = remote();
    let labs: Vec<Lab> = (0..WRITERS).map(|_| Lab::new()).collect();
    let retries: Vec<u32> = std::thread::scope(|scope| {
        let writers = labs.iter().enumerate().map(|(writer, lab)| {
            let (path, remote) = (lab.path().to_owned(), remote.clone());
            scope.spawn(move || {
                let repo = Repo::discover(&path).unwrap();
                let mut retries = 0;
                for n in 0..2 {
                    let json = format!("{{\"writer\":{writer},\"n\":{n}}}");
                    repo.history().append(&[("run", DAY, &json)]).unwrap();
                    retries = retries.max(repo.history().push(&remote).unwrap().retries);
                }
                retries
            })
        });
        let writers: Vec<_> = writers.collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    });
    println!("most retries: {:?}", retries.iter().max());
    let last = Lab::new();
    let repo = last.repo();
    repo.history().pull(&remote).unwrap();
    assert_eq!(ids(&repo).len(), WRITERS * 2);
    assert_eq!(last.git(&["fsck", "--strict", "--no-dangling"]), "");
}

/// Takes `samples` out of records that have them.
fn without_samples(
    _: &outpace_repo::Entry,
    value: &serde_json::Value,
) -> Option<serde_json::Value> {
    let mut value = value.clone();
    value.as_object_mut()?.remove("samples")?;
    Some(value)
}

#[test]
fn pruned_samples_go_everywhere_and_records_stay() {
    let (_dir, remote) = remote();
    let (one, two) = (Lab::new(), Lab::new());
    let (ours, theirs) = (one.repo(), two.repo());
    let samples = "1.5,".repeat(400);
    let big = |n: usize| format!("{{\"n\":{n},\"samples\":[{samples}0]}}");
    let all: Vec<String> = (0..20).map(big).collect();
    let records: Vec<(&str, &str, &str)> = all.iter().map(|json| ("run", DAY, &**json)).collect();
    ours.history().append(&records).unwrap();
    ours.history()
        .append(&[("run", "2026-06-02", "{\"late\":1,\"samples\":[1]}")])
        .unwrap();
    ours.history().push(&remote).unwrap();
    theirs.history().pull(&remote).unwrap();
    theirs
        .history()
        .append(&[("run", DAY, "{\"theirs\":1}")])
        .unwrap();
    let before = ids(&ours);

    let dry = ours
        .history()
        .prune("2026-06-01", &without_samples, true)
        .unwrap();
    assert_eq!((dry.records, ids(&ours)), (20, before.clone()));
    let pruned = ours
        .history()
        .prune("2026-06-01", &without_samples, false)
        .unwrap();
    assert_eq!(pruned, dry);
    assert!(pruned.after * 10 < pruned.before, "{pruned:?}");
    assert_eq!(ids(&ours), before, "every record is still there by its id");
    let id = before.iter().next().unwrap();
    assert!(!ours.history().get(id).unwrap().contains("1.5,1.5"));
    let late: Vec<String> = ours
        .history()
        .days(Some("run"))
        .unwrap()
        .iter()
        .flat_map(|day| ours.history().read(day).unwrap())
        .map(|(_, json)| json)
        .filter(|json| json.contains("late"))
        .collect();
    assert!(late[0].contains("samples"), "it is younger");
    assert_eq!(
        one.git(&["rev-list", "--count", "refs/outpace/history"]),
        "1",
        "it begins anew"
    );

    // The others keep what they have added, and their samples go with the next pull.
    ours.history().push(&remote).unwrap();
    theirs.history().push(&remote).unwrap();
    assert_eq!(ids(&theirs).len(), before.len() + 1);
    ours.history().pull(&remote).unwrap();
    assert_eq!(ids(&ours), ids(&theirs));
    let text = theirs.history().get(id).unwrap();
    assert!(!text.contains("1.5,1.5"), "{text}");
    assert_eq!(
        ours.history()
            .prune("2026-06-01", &without_samples, false)
            .unwrap()
            .records,
        0
    );
}
