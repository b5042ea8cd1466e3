//! No text in a record can become anything but text, and no figure can stop a report.

use outpace_report::{
    ReportData, campaign_svg, history_svg, html, json, markdown, png, verdict_svg,
};
use resvg::usvg::roxmltree::{self, Document};

use crate::common;

/// Text that breaks out of a page, a picture, a table or a line where it is not stopped.
pub(crate) const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>",
    "]]></style></svg><img src=x onerror=alert(1)>",
    "\" onload=\"alert(1)\" x='",
    "a | b `c` [d](https://evil.example) @everyone #1",
    "\u{202e}txet desrever\u{2066} \u{200b}",
    "\u{0}\u{1b}[31mred\u{7}\u{ffff}\u{fffe}\r\n\n```\n</details>",
    "--> <!-- &lt;b&gt; &#60;",
    "{{7*7}} ${7*7} %s fill=\"#1A7F37\"",
];

/// Elements that have no end tag.
const VOID: [&str; 5] = ["meta", "input", "br", "hr", "link"];

fn hostile() -> ReportData {
    let mut data = common::campaign(16);
    for (i, attempt) in data.attempts.iter_mut().enumerate() {
        let text = HOSTILE[i % HOSTILE.len()];
        (attempt.title, attempt.reason, attempt.agent) = (text.into(), text.into(), text.into());
        attempt.diff = format!("+{text}\n-{text}\n@@ {text}\n");
        attempt.merged = attempt.merged.as_ref().map(|_| text.into());
        for verdict in &mut attempt.verdicts {
            (verdict.workload, verdict.reason, verdict.title) =
                (text.into(), text.into(), text.into());
            for check in &mut verdict.checks {
                (check.name, check.detail) = (text.into(), text.into());
            }
        }
    }
    for (i, run) in data.runs.iter_mut().enumerate() {
        let text = HOSTILE[i % HOSTILE.len()];
        (run.summary, run.commit, run.machine_class) = (text.into(), text.into(), text.into());
        run.workload = HOSTILE[i % 3].into();
    }
    data.verdicts = data
        .attempts
        .iter()
        .flat_map(|a| a.verdicts.clone())
        .collect();
    data.settings = HOSTILE.iter().map(|t| ((*t).into(), (*t).into())).collect();
    data.title = HOSTILE[0].into();
    data
}

/// Start and end tags of the page match; returns the names of all elements.
pub(crate) fn assert_balanced(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut seen = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("unclosed tag: {part:.60}"));
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name.as_str()) {
            seen.push(name);
        } else if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "near {part:.60}");
        } else {
            seen.push(name.clone());
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    seen
}

/// A picture is well-formed XML of harmless elements, and can be drawn.
pub(crate) fn assert_picture(svg: &str) {
    let document = Document::parse(svg).unwrap_or_else(|e| panic!("{e}\n{svg:.400}"));
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        let known = [
            "svg", "title", "desc", "rect", "text", "line", "polyline", "polygon", "circle", "path",
        ];
        assert!(known.contains(&name), "<{name}>");
        assert!(
            node.attributes()
                .all(|a| !a.name().starts_with("on") && !a.value().contains("url(")),
            "{node:?}"
        );
    }
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let is_title = |node: roxmltree::Node<'_, '_>| node.tag_name().name() == "title";
    assert!(root.children().any(is_title), "{svg:.400}");
    assert_eq!(&png(svg, 300).expect("it can be drawn")[..4], b"\x89PNG");
}

fn all_pictures(data: &ReportData) -> Vec<String> {
    let campaign = data
        .campaign
        .iter()
        .map(|c| campaign_svg(c, &data.attempts).expect("it can be drawn"));
    let verdicts = data
        .attempts
        .iter()
        .filter_map(|a| a.main_verdict())
        .map(|v| verdict_svg(v).expect("it can be drawn"));
    let histories = data
        .runs
        .iter()
        .map(|r| history_svg(&data.runs, &r.workload).expect("it can be drawn"));
    campaign
        .chain(verdicts.take(9))
        .chain(histories.take(3))
        .collect()
}

#[test]
fn pictures_are_well_formed_whatever_the_text() {
    for data in [common::campaign(14), hostile()] {
        all_pictures(&data)
            .iter()
            .for_each(|svg| assert_picture(svg));
    }
}

#[test]
fn the_page_holds_no_element_attribute_or_address_from_outside() {
    for data in [common::campaign(14), hostile(), common::nothing()] {
        let page = html(&data).unwrap();
        let elements = assert_balanced(&page);
        for bad in [
            "script", "img", "iframe", "object", "link", "base", "form", "a",
        ] {
            assert!(!elements.iter().any(|e| e == bad), "<{bad}> in the page");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(
            !page.contains("src=\"")
                && !page.contains("href=")
                && !page.contains(" style=\"")
                && !page.contains("@import")
        );
        assert!(!page.contains(" onload=\"") && !page.contains(" onerror=\""));
        assert!(!page.contains(['\u{202e}', '\u{2066}', '\u{1b}', '\u{0}']));
        for id in page
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"'))
        {
            assert_eq!(
                page.matches(&format!(" id=\"{}\"", id.0)).count(),
                1,
                "id {} stands twice",
                id.0
            );
        }
    }
}

#[test]
fn inline_pictures_have_classes_instead_of_colours() {
    let page = html(&common::campaign(14)).unwrap();
    let body = page.split_once("<main>").unwrap().1;
    assert!(body.contains("class=\"f-good\"") && body.contains("class=\"s-grid\""));
    assert!(!body.contains("fill=\"#") && !body.contains("stroke=\"#"));
}

/// The lines that Markdown reads as such: a fence ends at the first line of as many backticks.
fn outside_fences(text: &str) -> String {
    let mut fence: Option<String> = None;
    let mut prose = String::new();
    for line in text.lines() {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if line.len() == ticks.len() && ticks.len() >= open.len() => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => prose.extend([line, "\n"]),
        }
    }
    assert_eq!(fence, None, "a fence was never closed");
    prose
}

#[test]
fn markdown_holds_no_mention_link_or_tag_from_outside() {
    let text = markdown(&hostile());
    let prose = outside_fences(&text);
    for bad in [
        "<script",
        "<img",
        "@everyone",
        "https://",
        " #1",
        "[d]",
        "| b `c`",
        "\u{202e}",
        "\u{1b}",
    ] {
        assert!(!prose.contains(bad), "{bad:?} in the prose");
    }
    assert_eq!(
        text.matches("<details>").count(),
        prose.matches("</details>").count()
    );
}

#[test]
fn titles_of_a_megabyte_are_cut() {
    let mut data = common::campaign(3);
    for attempt in &mut data.attempts {
        attempt.title = "<&\"'x".repeat(1 << 18);
        attempt.reason = "ä".repeat(1 << 19);
        attempt.diff = "+".repeat(1 << 20);
    }
    data.title = "x".repeat(1 << 20);
    assert!(html(&data).unwrap().len() < 200_000);
    assert!(markdown(&data).len() < 60_000);
    all_pictures(&data)
        .iter()
        .for_each(|svg| assert!(svg.len() < 60_000));
}

#[test]
fn figures_that_cannot_be_do_not_stop_a_report() {
    for bad in [f64::NAN, f64::INFINITY, -1.0, -5.0, 1e300, 1e-300] {
        let mut data = common::campaign(9);
        for attempt in &mut data.attempts {
            for v in &mut attempt.verdicts {
                (v.speedup, v.at_least, v.at_most, v.log_e) =
                    (Some(bad), Some(bad), Some(bad), Some(bad));
                (v.threshold, v.min_speedup, v.alpha) = (bad, bad, bad);
                v.blocks.iter_mut().for_each(|b| b.pairs[0] = [bad, 1.0]);
            }
            (attempt.total_s, attempt.number) = (bad, usize::MAX);
        }
        for run in &mut data.runs {
            (run.tokens_per_s, run.process_sd, run.step_time_s) = (Some(bad), bad, bad);
        }
        data.campaign.as_mut().unwrap().start_tokens_per_s = Some(bad);
        all_pictures(&data)
            .iter()
            .for_each(|svg| assert_picture(svg));
        assert_balanced(&html(&data).unwrap());
        markdown(&data);
        serde_json::from_str::<serde_json::Value>(&json(&data)).unwrap();
    }
}
