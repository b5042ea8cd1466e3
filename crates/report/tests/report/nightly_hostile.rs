//! No text and no figure of a record can become anything but text on the nightly pages.

use outpace_report::{CampaignLink, Night, nightly_markdown};
use outpace_track::{Finding, Standing};

use crate::hostile::{HOSTILE, assert_balanced};
use crate::night::{self, failure, night, series};
use crate::nightly::files;

fn hostile() -> Night {
    let mut night = Night {
        title: HOSTILE[0].into(),
        ..night()
    };
    night.series.truncate(1);
    night.series.extend(HOSTILE.iter().map(|text| {
        let mut item = series(
            (text, text),
            30,
            &[
                ((10, -0.05), Standing::Regression),
                ((20, -0.02), Standing::Unmeasurable),
            ],
        );
        item.findings[1].before = 15;
        (item.series.first, item.series.anchor) = ((*text).into(), (*text).into());
        for (i, point) in item.series.points.iter_mut().enumerate() {
            let text = if i == 3 {
                "x<\"'".repeat(1 << 16)
            } else {
                HOSTILE[i % 8].to_owned()
            };
            (point.commit, point.summary, point.anchor) =
                (text.clone(), text.clone(), text.clone());
            (point.environment, point.same_as) = (text.clone(), (i % 3 == 0).then_some(text));
        }
        for finding in &mut item.findings {
            let proof = finding.proof.as_mut().expect("both standings have a trial");
            (proof.reason, proof.summary, proof.before) =
                ((*text).into(), (*text).into(), (*text).into());
        }
        item
    }));
    night.campaigns = HOSTILE
        .iter()
        .map(|text| CampaignLink {
            title: (*text).into(),
            href: (*text).into(),
            line: (*text).into(),
        })
        .collect();
    let addresses = [
        "javascript:alert(1)",
        "https://evil.example/",
        "//evil.example",
        "data:text/html,x",
    ];
    night.campaigns.extend(addresses.map(|href| CampaignLink {
        title: "x".into(),
        href: href.into(),
        line: String::new(),
    }));
    night.failures = HOSTILE
        .iter()
        .map(|text| {
            let mut failure = failure(text, text, 1, night::NOW);
            (failure.commit, failure.summary, failure.reason) =
                ((*text).into(), (*text).into(), (*text).into());
            failure
        })
        .collect();
    night
}

/// A page without its scripts, and the scripts.
fn parts(page: &str) -> (String, Vec<String>) {
    let mut parts = page.split("<script");
    let mut rest = parts.next().expect("a split has a first part").to_owned();
    let mut scripts = Vec::new();
    for part in parts {
        let (script, after) = part.split_once("</script>").expect("scripts end");
        scripts.push(script.split_once('>').expect("its tag ends").1.to_owned());
        rest.push_str(after);
    }
    (rest, scripts)
}

#[test]
fn pages_hold_no_element_attribute_or_address_from_outside() {
    for night in [hostile(), night(), night::empty()] {
        let base = night.commit_base.clone().unwrap_or_default();
        for (name, page) in files(&night)
            .iter()
            .filter(|(name, _)| name.ends_with(".html"))
        {
            let (rest, scripts) = parts(page);
            let elements = assert_balanced(&rest);
            for bad in ["img", "iframe", "object", "base", "script", "embed"] {
                assert!(!elements.iter().any(|e| e == bad), "<{bad}> in {name}");
            }
            let last = scripts.last().unwrap();
            assert!(
                scripts.len() <= 2 && last.starts_with("\"use strict\""),
                "{name}"
            );
            assert!(
                !rest.contains(" style=\"") && !rest.contains("@import") && !rest.contains("url(")
            );
            assert!(
                !rest.contains(" onload=\"")
                    && !rest.contains(" onerror=\"")
                    && !rest.contains("src=\"")
            );
            assert!(
                !page.contains(['\u{202e}', '\u{2066}', '\u{1b}', '\u{0}']),
                "{name}"
            );
            for href in rest
                .split(" href=\"")
                .skip(1)
                .map(|rest| rest.split_once('"').unwrap().0)
            {
                let is_commit = !base.is_empty() && href.starts_with(&format!("{base}/commit/"));
                let is_local = !href.contains(':') && !href.starts_with('/');
                assert!(is_commit || is_local || href == "data:,", "{href}");
            }
            for loads in [
                "srcset",
                "action",
                "formaction",
                "poster",
                "data",
                "background",
                "ping",
                "xlink:href",
            ] {
                assert!(!rest.contains(&format!(" {loads}=\"")), "{loads} in {name}");
            }
        }
    }
}

#[test]
fn what_the_script_reads_is_json_that_cannot_end_its_element() {
    for (name, page) in files(&hostile())
        .iter()
        .filter(|(name, _)| name.starts_with("series/") && name.ends_with(".html"))
    {
        let (_, scripts) = parts(page);
        assert_eq!(scripts.len(), 2, "{name}");
        assert!(!scripts[0].contains('<'));
        let json: serde_json::Value = serde_json::from_str(&scripts[0]).unwrap();
        for text in json["wide"]["texts"].as_array().unwrap() {
            let id = text[6].as_str().unwrap();
            assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        }
    }
}

/// The cells of each line of a table (RFC 4180); quotes have to match.
fn cells(table: &str) -> Vec<Vec<String>> {
    let line = |line: &str| {
        let (mut cells, mut is_quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => cells.push(String::new()),
                c => cells.last_mut().expect("there is a first cell").push(c),
            }
        }
        assert!(!is_quoted, "{line}");
        cells
    };
    table
        .split("\r\n")
        .filter(|l| !l.is_empty())
        .map(line)
        .collect()
}

#[test]
fn tables_hold_no_formula() {
    let mut night = hostile();
    let formulas = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        "\t=1",
        " =1",
        "\r=1",
        "\u{200b}=1",
        "|cmd",
        "a\"b,c\r\nd",
    ];
    for (i, text) in formulas.iter().enumerate() {
        let point = &mut night.series[0].series.points[i];
        (point.summary, point.commit, point.environment) =
            ((*text).into(), (*text).into(), (*text).into());
    }
    for (name, table) in files(&night)
        .iter()
        .filter(|(name, _)| name.ends_with(".csv"))
    {
        let rows = cells(table);
        assert!(rows.len() > 30, "{name}");
        for row in &rows {
            assert_eq!(row.len(), 13, "{name}: {row:?}");
            for text in [0, 9, 10, 11, 12].map(|i| &row[i]) {
                assert!(
                    !text.starts_with(['=', '+', '-', '@', '\t', '\r', '|']),
                    "{text:?}"
                );
            }
            for figure in row[3..9]
                .iter()
                .filter(|f| rows[0] != *row && !f.is_empty())
            {
                assert!(figure.parse::<f64>().is_ok(), "{figure}");
            }
        }
    }
}

#[test]
fn commits_are_linked_below_a_good_address_only() {
    let mut night = night();
    let links = |night: &Night| {
        files(night)
            .iter()
            .map(|(_, text)| text.matches("/commit/").count())
            .sum::<usize>()
    };
    // One is in the script of each of the seven pages.
    assert!(links(&night) > 500);
    for base in [
        "javascript:alert(1)",
        "https://x\"onclick=\"y",
        "ftp://x/y",
        "",
    ] {
        night.commit_base = Some(base.into());
        assert_eq!(links(&night), 7, "{base}");
    }
    night.commit_base = Some("https://git.example/a/b/".into());
    let index = &files(&night)[0].1;
    assert!(
        index.contains("href=\"https://git.example/a/b/commit/"),
        "no double slash"
    );
}

#[test]
fn markdown_holds_no_mention_link_or_tag_from_outside() {
    let text = nightly_markdown(&hostile());
    assert!(text.contains("### Open regressions"));
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let free = line.replace("\\\\", "").replace("\\|", "");
        assert_eq!(free.matches('|').count(), 9, "{line}");
    }
    // What is in backticks is shown as it is.
    let prose: String = text
        .lines()
        .flat_map(|line| line.split('`').step_by(2))
        .collect();
    for bad in [
        "<script",
        "<img",
        "@everyone",
        "https://",
        " #1",
        "[d]",
        "\u{202e}",
        "\u{1b}",
    ] {
        assert!(!prose.contains(bad), "{bad:?} in {prose}");
    }
}

#[test]
fn names_of_a_megabyte_are_cut() {
    let mut night = night();
    night.series.truncate(1);
    night.series[0].series.workload = "<&\"'x".repeat(1 << 18);
    night.series[0].series.machine_class = "ä".repeat(1 << 19);
    night.series[0].series.points[3].environment = "y".repeat(1 << 20);
    night.title = "x".repeat(1 << 20);
    for (name, text) in files(&night) {
        assert!(text.len() < 300_000, "{name}: {} bytes", text.len());
    }
    assert!(nightly_markdown(&night).len() < 10_000);
}

#[test]
fn figures_that_cannot_be_do_not_stop_a_page() {
    for bad in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e300,
        -1e300,
        0.0,
    ] {
        let mut night = night();
        night.series.truncate(1);
        let item = &mut night.series[0];
        for (i, point) in item.series.points.iter_mut().enumerate() {
            if i % 2 == 0 {
                (point.value, point.sd, point.bounds) = (bad, bad, [Some(bad); 2]);
            }
            (point.tokens_per_s, point.step_time_s) = (Some(bad), bad);
        }
        item.findings[0].change = -bad.abs();
        let wild = |before, after| Finding {
            before,
            after,
            ..item.findings[1].clone()
        };
        let wild = [
            wild(5, 5),
            wild(9, 4),
            wild(139, 140),
            wild(usize::MAX - 1, usize::MAX),
        ];
        item.findings.extend(wild);
        for (name, text) in files(&night) {
            assert!(
                !text.contains("NaN") && !text.contains("inf "),
                "{bad} in {name}"
            );
            if name.ends_with(".html") {
                assert_balanced(&parts(&text).0);
            }
        }
        nightly_markdown(&night);
        night.series[0]
            .series
            .points
            .iter_mut()
            .for_each(|p| p.value = bad);
        files(&night);
    }
}
