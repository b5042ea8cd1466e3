//! Figures of files that the tools wrote, against what the tools printed for people at the same
//! time. How each file was made: `tests/data/README.md`.

use outpace_import::{
    Commit, Format, Import, Statistic, Value, detect, read_criterion_dir, read_text,
};

use crate::{FILES, data, only, read, text_of};

/// A number in a unit, as tools print it.
fn printed(seconds: f64, per_second: f64, decimals: usize) -> String {
    format!("{:.decimals$}", seconds * per_second)
}

fn mean(value: &Value) -> f64 {
    value.samples.iter().sum::<f64>() / value.samples.len() as f64
}

/// The standard deviation of the samples.
fn deviation(value: &Value) -> f64 {
    let mean = mean(value);
    let squares: f64 = value.samples.iter().map(|s| (s - mean).powi(2)).sum();
    (squares / (value.samples.len() as f64 - 1.0)).sqrt()
}

fn median(value: &Value) -> f64 {
    let mut sorted = value.samples.clone();
    sorted.sort_by(f64::total_cmp);
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

fn assert_close(got: f64, want: f64) {
    assert!((got / want - 1.0).abs() < 1e-9, "{got} is not {want}");
}

/// The parts of a file that has samples agree with each other.
fn check_samples(import: &Import) {
    for result in &import.results {
        let value = &result.value;
        if value.samples.len() < 2 {
            continue;
        }
        assert_eq!(value.statistic, Statistic::Median, "{}", result.series);
        assert_close(value.estimate, median(value));
        assert_close(value.sd.unwrap(), deviation(value));
    }
}

#[test]
fn every_file_is_detected_and_its_parts_agree() {
    for (name, format) in FILES {
        let text = text_of(name);
        assert_eq!(detect(&text), Some(format), "{name}");
        let import = read_text(&text, Some(format)).unwrap();
        assert_eq!(import, read_text(&text, None).unwrap(), "{name}");
        assert_eq!(import.format, format);
        check_samples(&import);
    }
}

#[test]
fn names_of_formats_are_read_back() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
    }
}

#[test]
fn hyperfine() {
    let import = read("hyperfine/parameters.json");
    assert!(import.skipped.is_empty());
    // Time (mean ± σ): 12.3 ms ± 1.0 ms, 12 runs; 22.2 ms ± 0.2 ms, 12 runs.
    for (series, mean_ms, sd_ms, estimate) in [
        ("sleep 0.01", "12.3", "1.0", 0.0120326225),
        ("sleep 0.02", "22.2", "0.2", 0.022135703),
    ] {
        let result = only(&import, series);
        let value = &result.value;
        assert_eq!(value.samples.len(), 12);
        assert_eq!(printed(mean(value), 1e3, 1), mean_ms);
        assert_eq!(printed(value.sd.unwrap(), 1e3, 1), sd_ms);
        assert_eq!(value.estimate, estimate);
        assert_eq!((value.unit.as_str(), value.smaller_is_better), ("s", true));
        assert_eq!(
            (&result.commit, result.when, &result.machine),
            (&None, None, &None)
        );
    }
}

#[test]
fn hyperfine_with_one_run_one_name_and_a_command_too_fast_to_time() {
    let once = read("hyperfine/one-run.json");
    let value = &only(&once, "sleep 0.01").value;
    assert_eq!(
        (value.samples.as_slice(), value.sd),
        (&[0.011972971][..], None)
    );

    let named = read("hyperfine/one-name.json");
    assert_eq!(only(&named, "both (n=1)").value.estimate, 0.0039498765);
    assert_eq!(
        only(&named, "both (n=2)").value.estimate,
        0.0025080330000000002
    );

    // 120.9 ms ± 19.4 ms; and 0.0 µs ± 0.0 µs, which no ratio can be taken of.
    let shell = read("hyperfine/shell.json");
    let value = &only(&shell, "seq 1 20000 | sort -R | tail -n 1").value;
    assert_eq!(printed(mean(value), 1e3, 1), "120.9");
    assert_eq!(printed(value.sd.unwrap(), 1e3, 1), "19.4");
    assert_eq!((shell.results.len(), shell.skipped.len()), (1, 1));
    assert_eq!(shell.skipped[0].series, "false");
    assert_eq!(
        shell.skipped[0].reason,
        "the time is 0: not measured, or too short for the tool"
    );
}

#[test]
fn pytest_benchmark() {
    let import = read("pytest-benchmark/rounds.json");
    assert_eq!((import.results.len(), import.skipped.len()), (3, 0));
    // The columns Mean, StdDev and Median of the printed table, in microseconds.
    for (name, mean_us, sd_us, median_us) in [
        ("test_fibonacci[5]", "1.4197", "0.4937", "1.2785"),
        ("test_fibonacci[10]", "13.9128", "1.2058", "13.5631"),
        ("test_sorted", "16.7547", "1.0785", "16.9132"),
    ] {
        let result = only(&import, &format!("test_sample.py::{name}"));
        let value = &result.value;
        assert_eq!(value.samples.len(), 12);
        assert_eq!(printed(mean(value), 1e6, 4), mean_us);
        assert_eq!(printed(value.sd.unwrap(), 1e6, 4), sd_us);
        assert_eq!(printed(value.estimate, 1e6, 4), median_us);
        let commit = result.commit.as_ref().unwrap();
        assert_eq!(commit.id, "7b383150392e77ba565841609c54ec5d60fee703");
        assert_eq!(commit.when.unwrap().to_string(), "2026-11-27T21:15:03Z");
        assert!(!commit.dirty);
        assert_eq!(result.when.unwrap().to_string(), "2026-11-27T21:15:04Z");
        assert_eq!(result.machine.as_deref(), Some("AMD EPYC, 2 CPUs"));
    }
}

#[test]
fn google_benchmark() {
    // (file, repetitions, what of them, figures of the printed rows: ns for the first, then us)
    for (name, repetitions, statistic, sum, small, large) in [
        ("single", 1, Statistic::Mean, "10905", "2.57", "18.0"),
        ("repetitions", 3, Statistic::Median, "10255", "2.57", "18.3"),
        ("aggregates", 0, Statistic::Median, "6027", "1.26", "13.6"),
    ] {
        let import = read(&format!("google-benchmark/{name}.json"));
        assert_eq!(import.results.len(), 3, "{name}");
        for (series, per_second, decimals, expect) in [
            ("sum/list", 1e9, 0, sum),
            ("sort/strings/64", 1e6, 2, small),
            ("sort/strings/512", 1e6, 1, large),
        ] {
            let result = only(&import, series);
            let value = &result.value;
            assert_eq!(value.samples.len(), repetitions, "{name} {series}");
            assert_eq!(value.statistic, statistic);
            assert_eq!(printed(value.estimate, per_second, decimals), expect);
            assert_eq!(value.sd.is_some(), repetitions != 1);
            assert_eq!(result.machine.as_deref(), Some("2 CPUs"));
            assert_eq!(result.when.unwrap().date(), "2026-11-27");
        }
        let skipped: Vec<_> = import
            .skipped
            .iter()
            .map(|s| (&*s.series, &*s.reason))
            .collect();
        assert_eq!(skipped, [("refused", "no such device")]);
    }
    let aggregates = read("google-benchmark/aggregates.json");
    let sd = only(&aggregates, "sum/list").value.sd.unwrap();
    assert_eq!(printed(sd, 1e9, 0), "359");
}

#[test]
fn github_action_benchmark() {
    let import = read("github-action-benchmark/data.js");
    let of = |series: &str| -> Vec<_> {
        import
            .results
            .iter()
            .filter(|r| r.series == series)
            .collect()
    };
    // The lines `bench: 2,951 ns/iter`, and so on, of the three uploads.
    for (series, unit, smaller_is_better, estimates) in [
        ("Rust: fibonacci 15", "s", true, [2951e-9, 2315e-9, 3065e-9]),
        (
            "sort/strings/512",
            "s",
            true,
            [
                9.554292542232442e-6,
                9.241196958369773e-6,
                22.693058413922635e-6,
            ],
        ),
        (
            "Python: test_sample.py::test_sorted",
            "iter/sec",
            false,
            [92533.90224828395, 56363.39167764389, 55944.668835291006],
        ),
        (
            "Memory: sort -R: peak memory",
            "KiB",
            true,
            [15660.0, 17184.0, 19000.0],
        ),
    ] {
        let results = of(series);
        assert_eq!(results.len(), 3, "{series}");
        for (result, estimate) in results.iter().zip(estimates) {
            let value = &result.value;
            assert_close(value.estimate, estimate);
            assert_eq!(value.unit, unit);
            assert_eq!(value.smaller_is_better, smaller_is_better);
            assert_eq!(value.statistic, Statistic::Reported);
            assert_eq!((value.samples.len(), value.sd), (0, None));
        }
    }
    let second = of("Rust: fibonacci 15")[1];
    assert_eq!(second.when.unwrap().to_string(), "2026-11-27T21:19:31Z");
    let Some(Commit {
        id,
        summary,
        when,
        dirty,
    }) = &second.commit
    else {
        panic!("{second:?}");
    };
    assert_eq!(&id[..9], "1d1057d2b");
    assert_eq!(id.len(), 40);
    assert_eq!(summary.as_deref(), Some("Second upload"));
    assert_eq!(when.unwrap().to_string(), "2026-11-27T21:19:25Z");
    assert!(!dirty);
    // Three uploads of 4, 3, 3 and 1 benchmarks, and one that Google Benchmark refused each time.
    assert_eq!((import.results.len(), import.skipped.len()), (33, 3));
    assert!(
        import
            .skipped
            .iter()
            .all(|s| s.series == "refused" && s.commit.is_some())
    );
}

#[test]
fn the_external_json_of_github_action_benchmark_is_the_same_without_the_assignment() {
    let script = text_of("github-action-benchmark/data.js");
    let json = script.strip_prefix("window.BENCHMARK_DATA = ").unwrap();
    let expect = read_text(&script, None).unwrap();
    assert_eq!(read_text(json, None).unwrap(), expect);
    let edited = format!("\u{feff}{script};\n");
    assert_eq!(read_text(&edited, None).unwrap(), expect);
}

#[test]
fn criterion() {
    let import = read_criterion_dir(&data("criterion")).unwrap();
    assert_eq!((import.results.len(), import.skipped.len()), (4, 0));
    check_medians_of_criterion(&import);
    // time: [90.743 µs 94.954 µs 100.08 µs], the mean, as its iterations are the same in all
    // samples. The times printed for the others are slopes.
    let flat = &only(&import, "sort: strings/ascending/flat").value;
    assert_eq!(printed(mean(flat), 1e6, 3), "94.954");
    for (series, median_ns) in [
        ("fibonacci 15", 2788.591172391287),
        ("sort: strings/ascending/flat", 92292.0439330544),
        ("sort: strings/ascending/stable/100", 9560.295638945234),
        ("sort: strings/ascending/stable/1000", 91318.1171875),
    ] {
        assert_close(only(&import, series).value.estimate, median_ns * 1e-9);
    }
}

fn check_medians_of_criterion(import: &Import) {
    for result in &import.results {
        assert_eq!(result.value.samples.len(), 10);
        assert_close(result.value.estimate, median(&result.value));
        assert_close(result.value.sd.unwrap(), deviation(&result.value));
    }
}

#[test]
fn criterion_is_read_from_the_target_directory_and_from_a_part_of_it() {
    let target = tempfile::tempdir().unwrap();
    let from = data("criterion/sort_ strings_ascending/flat/new");
    let run = target.path().join("criterion/criterion/flat/new");
    std::fs::create_dir_all(&run).unwrap();
    for file in ["benchmark.json", "estimates.json", "sample.json"] {
        std::fs::copy(from.join(file), run.join(file)).unwrap();
    }
    std::fs::write(target.path().join("CACHEDIR.TAG"), "").unwrap();
    let expect = read_criterion_dir(&from).unwrap();
    assert_eq!(expect.results.len(), 1);
    for part in [
        "",
        "criterion",
        "criterion/criterion",
        "criterion/criterion/flat/new",
    ] {
        let found = read_criterion_dir(&target.path().join(part)).unwrap();
        assert_eq!(found, expect, "{part}");
    }
}
