//! The arrows between the crates, and the one home of each heavy dependency.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Who may depend on which of our own crates.
const ARROWS: [(&str, &[&str]); 12] = [
    ("outpace-stats", &[]),
    ("outpace-step", &[]),
    ("outpace-text", &[]),
    (
        "outpace-record",
        &["outpace-stats", "outpace-step", "outpace-text"],
    ),
    ("outpace-trial", &["outpace-record", "outpace-stats"]),
    ("outpace-repo", &["outpace-record", "outpace-stats"]),
    ("outpace-report", &["outpace-record", "outpace-stats"]),
    (
        "outpace-research",
        &[
            "outpace-record",
            "outpace-repo",
            "outpace-report",
            "outpace-stats",
            "outpace-trial",
        ],
    ),
    (
        "outpace",
        &[
            "outpace-record",
            "outpace-repo",
            "outpace-report",
            "outpace-research",
            "outpace-stats",
            "outpace-trial",
        ],
    ),
    ("outpace-kernels", &[]),
    ("outpace-gpt", &["outpace-kernels", "outpace-step"]),
    (
        "outpace-benches",
        &[
            "outpace-gpt",
            "outpace-record",
            "outpace-report",
            "outpace-stats",
        ],
    ),
];

/// Where a heavy dependency may live.
const HOMES: [(&str, &[&str]); 10] = [
    ("git2", &["outpace-repo"]),
    ("plotters", &["outpace-report"]),
    ("resvg", &["outpace-report"]),
    ("candle-core", &["outpace-gpt", "outpace-kernels"]),
    ("candle-nn", &["outpace-gpt", "outpace-kernels"]),
    ("cudarc", &["outpace-kernels"]),
    ("nvml-wrapper", &["outpace-trial"]),
    ("clap", &["outpace", "outpace-gpt"]),
    ("toml_edit", &["outpace-research"]),
    ("proptest", &[]),
];

/// What the judge must never pull in, directly or not: it builds with nothing but a C compiler.
const NEVER: [&str; 6] = [
    "candle-core",
    "openssl-sys",
    "fontconfig",
    "yeslogic-fontconfig-sys",
    "freetype-sys",
    "cudarc",
];

/// The packages of this platform alone: a build has fetched no others, and the tests use no network.
fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--offline", "--locked", "--filter-platform", &platform];
    MetadataCommand::new()
        .other_options(options.map(str::to_owned))
        .exec()
        .unwrap()
}

#[test]
fn arrows_point_one_way_and_heavy_dependencies_have_one_home() {
    let metadata = metadata();
    let members: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let normal = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal);
        for dependency in normal {
            if members.contains(&dependency.name) {
                let allowed = arrows
                    .get(name)
                    .unwrap_or_else(|| panic!("{name} has no place in the design"));
                assert!(
                    allowed.contains(&dependency.name.as_str()),
                    "{name} must not depend on {}",
                    dependency.name
                );
            }
            if let Some((_, homes)) = HOMES.iter().find(|(heavy, _)| *heavy == dependency.name) {
                assert!(
                    homes.contains(&name),
                    "{} belongs in {homes:?}, not in {name}",
                    dependency.name
                );
            }
        }
    }
}

#[test]
fn the_command_needs_no_system_library() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<_, _> = metadata
        .packages
        .iter()
        .map(|p| (&p.id, p.name.as_str()))
        .collect();
    let root = metadata
        .workspace_packages()
        .into_iter()
        .find(|p| p.name.as_str() == "outpace")
        .unwrap();
    let (mut open, mut seen) = (vec![&root.id], BTreeSet::new());
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let wanted = |d: &&cargo_metadata::NodeDep| {
            d.dep_kinds
                .iter()
                .any(|k| k.kind != DependencyKind::Development)
        };
        open.extend(nodes[id].deps.iter().filter(wanted).map(|d| &d.pkg));
    }
    for id in seen {
        assert!(
            !NEVER.contains(&names[id]),
            "outpace pulls in {}",
            names[id]
        );
    }
}
