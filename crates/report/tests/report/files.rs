//! Whole reports: empty ones, very long ones, and as files.

use outpace_report::{Formats, campaign_svg, history_svg, html, json, markdown, write};

use crate::common;
use crate::hostile::assert_picture;

#[test]
fn nothing_is_an_answer_too() {
    let mut empty = common::campaign(0);
    empty.runs.clear();
    let page = html(&empty).unwrap();
    for words in ["No attempt has ended yet", "No run is in the history yet"] {
        assert!(page.contains(words), "{words}");
    }
    assert_picture(&campaign_svg(empty.campaign.as_ref().unwrap(), &[]).unwrap());
    assert_picture(&history_svg(&[], "gpt-nano").unwrap());
    let page = html(&common::nothing()).unwrap();
    for words in [
        "No verdict has been recorded yet",
        "outpace bench",
        "No record names a machine yet",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let unmerged = common::campaign(1);
    assert!(
        html(&unmerged)
            .unwrap()
            .contains("Nothing was merged: no patch was proven faster.")
    );
    insta::assert_snapshot!(markdown(&common::nothing()), @r#"
    ## Nothing yet

    No verdict has been recorded yet.

    <sub>outpace · 2026-05-19 08:30 UTC</sub>
    "#);
}

#[test]
fn seven_hundred_attempts_fit() {
    let mut data = common::campaign(700);
    data.attempts
        .iter_mut()
        .for_each(|a| a.diff = a.diff.repeat(12));
    let page = html(&data).unwrap();
    assert!(page.len() < 10_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<details class=").count(), 700);
    let text = markdown(&data);
    assert!(text.len() < 1 << 20, "{} bytes", text.len());
    assert_eq!(
        text.matches("\n| ").count(),
        text.lines().filter(|l| l.starts_with("| ")).count()
    );
    assert!(
        campaign_svg(data.campaign.as_ref().unwrap(), &data.attempts)
            .unwrap()
            .len()
            < 400_000
    );
}

#[test]
fn json_holds_every_record() {
    let data = common::campaign(9);
    let value: serde_json::Value = serde_json::from_str(&json(&data)).unwrap();
    assert_eq!(value["schema"], "outpace.report/1");
    assert_eq!(value["attempts"].as_array().unwrap().len(), 9);
    assert_eq!(
        value["attempts"][1]["verdicts"][0]["blocks"][0]["pairs"][0]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(value["summary"]["tried"], 9);
    let settings = value["settings"].as_array().unwrap();
    assert_eq!(settings.last().unwrap()["name"], "turns");
    assert_eq!(value["campaign"]["id"], "20260519-083000");
}

#[test]
fn each_setting_is_printed_once() {
    let mut data = common::campaign(3);
    let asked = [
        "campaign",
        "agent",
        "workloads",
        "merged into",
        "seed",
        "share of false merges",
        "smallest gain that counts",
        "machine class",
        "sandbox",
        "outpace",
    ];
    data.settings = asked.map(|name| (name.into(), "again".into())).into();
    let (page, text) = (html(&data).unwrap(), markdown(&data));
    let value: serde_json::Value = serde_json::from_str(&json(&data)).unwrap();
    let in_json = value["settings"].as_array().unwrap();
    for name in asked {
        let settings = page.split_once("h-settings").unwrap().1;
        assert_eq!(settings.matches(&format!("<dt>{name}</dt>")).count(), 1);
        assert_eq!(text.matches(&format!("| {name} |")).count(), 1, "{name}");
        assert_eq!(in_json.iter().filter(|s| s["name"] == name).count(), 1);
    }
}

#[test]
fn files_replace_the_old_report_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let reports = dir.path().join("reports/2026-05-19");
    let everything = Formats {
        png: true,
        ..Formats::default()
    };
    let mut data = common::campaign(4);
    data.runs
        .iter_mut()
        .for_each(|r| r.workload = "../../evil".into());
    let names = |paths: Vec<std::path::PathBuf>| {
        let name = |p: std::path::PathBuf| p.strip_prefix(&reports).unwrap().display().to_string();
        paths.into_iter().map(name).collect::<Vec<_>>().join(" ")
    };
    let first = write(&reports, &data, &everything).unwrap();
    insta::assert_snapshot!(names(first), @"index.html report.md report.json campaign.png campaign.svg history-1-evil.png history-1-evil.svg");
    std::fs::write(reports.join("notes.txt"), "mine").unwrap();
    let only_html = Formats {
        markdown: false,
        json: false,
        ..Formats::default()
    };
    write(&reports, &common::nothing(), &only_html).unwrap();
    assert!(
        std::fs::read_to_string(reports.join("index.html"))
            .unwrap()
            .contains("Nothing yet")
    );
    assert_eq!(
        std::fs::read_to_string(reports.join("notes.txt")).unwrap(),
        "mine"
    );
    assert!(
        std::fs::read_dir(&reports).unwrap().all(|f| !f
            .unwrap()
            .file_name()
            .to_string_lossy()
            .ends_with(".part"))
    );
    let blocked = reports.join("notes.txt");
    let error = write(&blocked, &data, &only_html).unwrap_err().to_string();
    assert!(error.contains("notes.txt"), "{error}");
}
