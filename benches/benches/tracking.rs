//! What a long history costs: each case at 1,000 and at 10,000 commits, so that the growth shows.

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use outpace_record::Timestamp;
use outpace_repo::Repo;
use outpace_report::{Night, SeriesOfNight, write_nightly};
use outpace_stats::{Reading, segment};
use outpace_track::{MIN_CHANGE, Point, Series, findings, series_of};
use tempfile::TempDir;

const SIZES: [usize; 2] = [1_000, 10_000];
const WORKLOADS: usize = 20;

/// A wobble of about 1 % that needs no random numbers.
fn wobble(n: usize) -> f64 {
    ((n * 7919 % 1009) as f64 / 1009.0 - 0.5) * 0.02
}

fn point(workload: usize, n: usize) -> Point {
    let at = Timestamp::from_unix_seconds(1_700_000_000 + 3600 * n as i64);
    Point {
        workload: format!("w{workload}"),
        machine_class: "m".into(),
        series: "0".repeat(40),
        anchor: "0".repeat(40),
        commit: format!("{n:040x}"),
        summary: format!("commit {n}"),
        committed: Some(at),
        measured: at,
        value: wobble(n + workload) - if n > 700 { 0.05 } else { 0.0 },
        sd: 0.003,
        tokens_per_s: Some(40_000.0),
        step_time_s: 0.1,
        id: format!("{n:064x}"),
        ..Point::default()
    }
}

fn series(commits: usize) -> Vec<Series> {
    let points = (0..WORKLOADS).flat_map(|w| (0..commits).map(move |n| point(w, n)));
    let order: HashMap<String, usize> = (0..commits).map(|n| (format!("{n:040x}"), n)).collect();
    series_of(points.collect(), Some(&order))
}

fn page(c: &mut Criterion) {
    let mut group = c.benchmark_group("nightly page, 20 workloads");
    group.sample_size(10);
    for commits in SIZES {
        let all = series(commits);
        let dir = TempDir::new().expect("a scratch folder");
        group.bench_function(BenchmarkId::from_parameter(commits), |b| {
            b.iter(|| {
                let of_series = |series: &Series| SeriesOfNight {
                    findings: findings(series, MIN_CHANGE, &[], &[]),
                    series: series.clone(),
                };
                let night = Night {
                    title: "bench".into(),
                    generated: Timestamp::from_unix_seconds(1_800_000_000),
                    commit_base: None,
                    series: all.iter().map(of_series).collect(),
                    campaigns: Vec::new(),
                    failures: Vec::new(),
                };
                black_box(write_nightly(dir.path(), &night).expect("the disk has room"))
            });
        });
    }
    group.finish();
}

fn segmentation(c: &mut Criterion) {
    let mut group = c.benchmark_group("segmentation of a series");
    for n in SIZES {
        let readings: Vec<Reading> = (0..n)
            .map(|n| Reading {
                value: wobble(n),
                sd: 0.003,
            })
            .collect();
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| black_box(segment(&readings)));
        });
    }
    group.finish();
}

/// A repository whose history has so many nights of 20 runs.
fn history(nights: usize) -> TempDir {
    let dir = TempDir::new().expect("a scratch folder");
    git(&dir, &["init", "-q"]);
    git(&dir, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    let repo = Repo::discover(dir.path()).expect("a repository");
    for night in 0..nights {
        append(&repo, night, "stored");
    }
    dir
}

fn append(repo: &Repo, night: usize, what: &str) {
    let date = Timestamp::from_unix_seconds(1_000_000_000 + 86_400 * night as i64).date();
    let runs = (0..WORKLOADS).map(|w| format!("{{\"workload\":{w},\"what\":\"{what} {night}\"}}"));
    let runs: Vec<String> = runs.collect();
    let records: Vec<(&str, &str, &str)> =
        runs.iter().map(|json| ("run", &*date, &**json)).collect();
    repo.history().append(&records).expect("nobody else writes");
}

fn git(dir: &TempDir, args: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=b", "-c", "user.email=b@example.org"])
        .args(args)
        .current_dir(dir.path())
        .status();
    assert!(status.expect("git is there").success(), "git {args:?}");
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("history, nights of 20 runs");
    group.sample_size(10);
    // Nights, not commits: each has a folder of its own.
    for nights in [100, 1_000] {
        let dir = history(nights);
        let repo = Repo::discover(dir.path()).expect("a repository");
        let mut n = 0;
        group.bench_function(BenchmarkId::new("append one night", nights), |b| {
            b.iter(|| {
                n += 1;
                append(&repo, nights, &format!("fresh {n}"));
            });
        });
        let remote = dir.path().to_string_lossy().into_owned();
        let clone = TempDir::new().expect("a scratch folder");
        git(&clone, &["init", "-q"]);
        git(&clone, &["commit", "-q", "--allow-empty", "-m", "begin"]);
        let team = Repo::discover(clone.path()).expect("a repository");
        team.history().pull(&remote).expect("it is a folder");
        group.bench_function(BenchmarkId::new("append and pull one night", nights), |b| {
            b.iter(|| {
                n += 1;
                append(&repo, nights, &format!("fresh {n}"));
                black_box(team.history().pull(&remote).expect("it is a folder"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, segmentation, page, records);
criterion_main!(benches);
