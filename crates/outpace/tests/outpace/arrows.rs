//! The arrows between the crates, and the one home of each heavy dependency.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand};

/// Who may depend on which of our own crates. An arrow that is not used is taken away.
const ARROWS: [(&str, &[&str]); 18] = [
    ("outpace-features", &[]),
    ("outpace-text", &[]),
    ("outpace-stats", &[]),
    ("outpace-step", &[]),
    ("outpace-process", &["outpace-text"]),
    ("outpace-record", &["outpace-stats", "outpace-text"]),
    ("outpace-import", &["outpace-record", "outpace-text"]),
    ("outpace-github", &["outpace-record", "outpace-text"]),
    (
        "outpace-repo",
        &["outpace-record", "outpace-stats", "outpace-text"],
    ),
    (
        "outpace-track",
        &["outpace-record", "outpace-stats", "outpace-text"],
    ),
    (
        "outpace-report",
        &[
            "outpace-record",
            "outpace-stats",
            "outpace-text",
            "outpace-track",
        ],
    ),
    (
        "outpace-trial",
        &[
            "outpace-process",
            "outpace-record",
            "outpace-stats",
            "outpace-step",
            "outpace-text",
        ],
    ),
    (
        "outpace-gate",
        &[
            "outpace-process",
            "outpace-record",
            "outpace-repo",
            "outpace-stats",
            "outpace-text",
            "outpace-trial",
        ],
    ),
    (
        "outpace-research",
        &[
            "outpace-gate",
            "outpace-process",
            "outpace-record",
            "outpace-repo",
            "outpace-stats",
            "outpace-text",
            "outpace-trial",
        ],
    ),
    (
        "outpace",
        &[
            "outpace-features",
            "outpace-gate",
            "outpace-github",
            "outpace-import",
            "outpace-process",
            "outpace-record",
            "outpace-repo",
            "outpace-report",
            "outpace-research",
            "outpace-stats",
            "outpace-text",
            "outpace-track",
            "outpace-trial",
        ],
    ),
    ("outpace-kernels", &[]),
    (
        "outpace-gpt",
        &["outpace-features", "outpace-kernels", "outpace-step"],
    ),
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
const HOMES: [(&str, &[&str]); 12] = [
    ("git2", &["outpace-repo"]),
    ("plotters", &["outpace-report"]),
    ("resvg", &["outpace-report"]),
    ("parquet", &["outpace"]),
    ("candle-core", &["outpace-gpt", "outpace-kernels"]),
    ("candle-nn", &["outpace-gpt", "outpace-kernels"]),
    ("cudarc", &["outpace-kernels"]),
    ("nvml-wrapper", &["outpace-trial"]),
    ("ureq", &["outpace-github"]),
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

/// The packages of this platform alone: a build has fetched no others, and the tests use no
/// network.
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
    let packages = metadata.workspace_packages();
    let members: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        let name = package.name.as_str();
        let ours = found.entry(name).or_default();
        let normal = |d: &&Dependency| d.kind == DependencyKind::Normal;
        for dependency in package.dependencies.iter().filter(normal) {
            let to = dependency.name.as_str();
            if members.contains(to) {
                ours.insert(to);
            }
            if let Some((_, homes)) = HOMES.iter().find(|(heavy, _)| *heavy == to) {
                assert!(
                    homes.contains(&name),
                    "{to} belongs in {homes:?}, not in {name}"
                );
            }
        }
    }
    let allowed = ARROWS.map(|(name, to)| (name, to.iter().copied().collect()));
    assert_eq!(
        found,
        BTreeMap::from(allowed),
        "arrows that are used, and allowed ones"
    );
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
