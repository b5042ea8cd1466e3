//! A Cargo package or workspace: the binary that trains.

use super::look::Checkout;
use super::project::{Project, words};

/// A package with a binary.
struct Binary {
    package: String,
    name: String,
    /// Its folder, empty or ending with `/`.
    folder: String,
    /// Whether its manifest names something that trains.
    trains: bool,
}

/// Crates of programs that train.
const TRAINS: [&str; 6] = [
    "outpace-step",
    "candle-core",
    "burn",
    "tch",
    "dfdx",
    "cudarc",
];

pub(super) fn look(checkout: &Checkout) -> Option<Project> {
    if !checkout.has("Cargo.toml") {
        return None;
    }
    let binaries: Vec<Binary> = checkout
        .files()
        .filter_map(|path| binary(checkout, path))
        .collect();
    let chosen = binaries
        .iter()
        .find(|binary| binary.trains)
        .or(binaries.first());
    let mut project = match chosen {
        Some(binary) => of_binary(checkout, binary),
        None => Project {
            needs_edit: true,
            found: vec!["Cargo.toml without a binary".into()],
            missing: vec![
                "no package here has a binary: set `build` and `run` to the program that trains"
                    .into(),
            ],
            build: words(&["cargo", "build", "--release"]),
            run: words(&["{target}/release/train"]),
            editable: words(&["src/**/*.rs"]),
            ..Project::default()
        },
    };
    if binaries.len() > 1 {
        let names: Vec<&str> = binaries.iter().map(|binary| &*binary.name).collect();
        project.found.push(format!(
            "binaries here: {}; `run` has the first that may train",
            names.join(", ")
        ));
    }
    project.cache_from = Some("target".into());
    Some(project)
}

fn of_binary(checkout: &Checkout, binary: &Binary) -> Project {
    let locked = checkout.has("Cargo.lock");
    let lock = locked.then_some("--locked");
    let command = |head: &[&str], tail: &[&str]| {
        let all = head.iter().copied().chain(lock).chain(tail.iter().copied());
        all.map(str::to_owned).collect()
    };
    let missing = match locked {
        true => Vec::new(),
        false => vec!["Cargo.lock is not committed: without it two builds may differ in their dependencies. `cargo generate-lockfile && git add -f Cargo.lock`, and add \"--locked\" to `fetch` and `build`".into()],
    };
    Project {
        found: vec![format!(
            "Cargo package {} with the binary {}",
            binary.package, binary.name
        )],
        missing,
        fetch: command(&["cargo", "fetch"], &[]),
        build: command(
            &["cargo", "build", "--release"],
            &["-p", &binary.package, "--bin", &binary.name],
        ),
        run: vec![format!("{{target}}/release/{}", binary.name)],
        speaks: checkout.speaks(&binary.folder),
        editable: vec![format!("{}src/**/*.rs", binary.folder)],
        ..Project::default()
    }
}

fn binary(checkout: &Checkout, path: &str) -> Option<Binary> {
    let folder = path.strip_suffix("Cargo.toml")?;
    if !folder.is_empty() && !folder.ends_with('/') {
        return None;
    }
    let text = checkout.text(path);
    let manifest: toml::Table = text.parse().ok()?;
    let package = manifest.get("package")?.get("name")?.as_str()?.to_owned();
    let named = manifest
        .get("bin")
        .and_then(|bins| bins.get(0)?.get("name")?.as_str());
    let name = match named {
        Some(name) => name.to_owned(),
        None if checkout.has(&format!("{folder}src/main.rs")) => package.clone(),
        None => return None,
    };
    Some(Binary {
        package,
        name,
        folder: folder.to_owned(),
        trains: TRAINS.iter().any(|name| text.contains(name)),
    })
}
