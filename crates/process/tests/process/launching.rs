//! The launcher and its supervisor with real processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use outpace_process::{LaunchError, LaunchSpec, Launcher, Limits};
use tempfile::TempDir;

fn launcher() -> (Launcher, Arc<AtomicBool>) {
    let cancel = Arc::new(AtomicBool::new(false));
    (
        Launcher::new(
            vec![env!("CARGO_BIN_EXE_outpace-supervise").into()],
            Arc::clone(&cancel),
        ),
        cancel,
    )
}

fn spec(dir: &Path, script: &str) -> LaunchSpec {
    LaunchSpec {
        command: vec!["sh".into(), "-c".into(), script.into()],
        cwd: dir.to_owned(),
        scratch: dir.join("scratch"),
        env: BTreeMap::new(),
        inherit_env: false,
        limits: Limits::default(),
        home_links: Vec::new(),
        reach: None,
    }
}

/// Whether a process lives whose working folder is `dir`.
fn alive(dir: &Path) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let zombie =
            std::fs::read_to_string(entry.path().join("stat")).is_ok_and(|s| s.contains(") Z "));
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == dir) && !zombie
    })
}

#[track_caller]
fn gone(dir: &Path) {
    let begin = Instant::now();
    while alive(dir) {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "a process lives on"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_environment_is_clean_and_home_is_scratch() {
    let dir = TempDir::new().unwrap();
    let finished = launcher()
        .0
        .run(
            &spec(dir.path(), "env; echo $HOME; touch $TMPDIR/x"),
            Duration::from_secs(10),
        )
        .unwrap();
    let text = finished.stdout_text();
    assert_eq!(finished.code, 0);
    assert!(
        text.contains(&format!(
            "HOME={}",
            dir.path().join("scratch/home").display()
        )),
        "{text}"
    );
    assert!(
        !text.contains("CARGO_PKG_NAME"),
        "nothing of the caller's environment: {text}"
    );
    assert!(dir.path().join("scratch/tmp/x").exists());
}

#[test]
fn codes_signals_and_missing_programs() {
    let dir = TempDir::new().unwrap();
    let (launcher, _) = launcher();
    let code = |script: &str| {
        launcher
            .run(&spec(dir.path(), script), Duration::from_secs(10))
            .unwrap()
            .code
    };
    assert_eq!(code("exit 7"), 7);
    assert_eq!(code("kill -9 $$"), 137);
    let mut missing = spec(dir.path(), "");
    missing.command = vec!["/no/such/program".into()];
    let error = launcher.run(&missing, Duration::from_secs(10)).unwrap_err();
    assert!(
        matches!(&error, LaunchError::Start { program, .. } if program == "/no/such/program"),
        "{error}"
    );
}

#[test]
fn a_timeout_ends_the_whole_tree_and_shows_the_log() {
    let dir = TempDir::new().unwrap();
    let script = "echo working on it; setsid sleep 500 & (setsid sh -c 'sleep 501 & sleep 502' &); sleep 503";
    let error = launcher()
        .0
        .run(&spec(dir.path(), script), Duration::from_millis(300))
        .unwrap_err();
    assert!(
        matches!(&error, LaunchError::Timeout { log, .. } if log.contains("working on it")),
        "{error}"
    );
    gone(dir.path());
}

#[test]
fn what_a_program_leaves_behind_is_ended_with_it() {
    let dir = TempDir::new().unwrap();
    let begin = Instant::now();
    let finished = launcher()
        .0
        .run(
            &spec(dir.path(), "setsid sleep 500 & exit 0"),
            Duration::from_secs(20),
        )
        .unwrap();
    assert_eq!(finished.code, 0);
    assert!(begin.elapsed() < Duration::from_secs(10));
    gone(dir.path());
}

#[test]
fn cancelling_ends_it() {
    let dir = TempDir::new().unwrap();
    let (launcher, cancel) = launcher();
    cancel.store(true, Ordering::Relaxed);
    let error = launcher
        .run(&spec(dir.path(), "sleep 500"), Duration::from_secs(20))
        .unwrap_err();
    assert!(matches!(error, LaunchError::Cancelled));
    gone(dir.path());
}

#[test]
fn limits_hold() {
    let dir = TempDir::new().unwrap();
    let (launcher, _) = launcher();
    let mut capped = spec(dir.path(), "head -c 5000000 /dev/zero > big; echo code $?");
    capped.limits = Limits {
        memory_mib: Some(256),
        file_mib: Some(1),
        cores: Some(1),
        ..Limits::default()
    };
    launcher.run(&capped, Duration::from_secs(20)).unwrap();
    assert!(std::fs::metadata(dir.path().join("big")).unwrap().len() <= 1 << 20);
    capped.command[2] = "nproc".into();
    let finished = launcher.run(&capped, Duration::from_secs(20)).unwrap();
    assert_eq!(finished.stdout_text().trim(), "1");
    capped.command[2] = "x=$(head -c 600000000 /dev/zero | tr '\\0' 'x'); echo ${#x}".into();
    let finished = launcher.run(&capped, Duration::from_secs(60)).unwrap();
    assert!(
        !finished.stdout_text().contains("600000000"),
        "memory beyond the limit was given"
    );
}

#[test]
fn a_killed_owner_takes_its_tree_along() {
    let dir = TempDir::new().unwrap();
    let mut supervisor = std::process::Command::new(env!("CARGO_BIN_EXE_outpace-supervise"))
        .args(["--", "sh", "-c", "setsid sleep 504 & sleep 505"])
        .current_dir(dir.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !alive(dir.path()) && begin.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // However outpace ends, the system closes its end of the pipe.
    drop(supervisor.stdin.take());
    assert_eq!(supervisor.wait().unwrap().code(), Some(137));
    gone(dir.path());
}

#[test]
fn a_stopped_supervisor_holds_nothing_up() {
    for script in [
        "kill -STOP $PPID; sleep 506",
        "kill -STOP $PPID; exit 0",
        "while :; do kill -STOP $PPID; done",
    ] {
        let dir = TempDir::new().unwrap();
        let begin = Instant::now();
        let error = launcher()
            .0
            .run(&spec(dir.path(), script), Duration::from_millis(300))
            .unwrap_err();
        assert!(matches!(error, LaunchError::Timeout { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{script}");
        gone(dir.path());
    }
}
