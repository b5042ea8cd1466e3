//! A Python project: the script that trains, and the interpreter that has its packages.

use super::look::{Checkout, DATA_ENDS, may_be_data, speaks};
use super::project::Project;

/// Files that make a folder a Python project.
const MARKS: [&str; 5] = [
    "uv.lock",
    "pyproject.toml",
    "requirements.txt",
    "setup.py",
    "environment.yml",
];
/// Most files that `editable` lists one by one.
const MOST_EDITABLE: usize = 12;
/// Most absent files that are named.
const MOST_ABSENT: usize = 3;
/// What is in the names of data sets.
const DATA_WORDS: [&str; 6] = ["data", "train", "val", "input", "corpus", "token"];
/// Files that judge or build, and are not a patch's to change.
const NOT_EDITABLE: [&str; 4] = ["setup.py", "conftest.py", "noxfile.py", "tasks.py"];

pub(super) fn look(checkout: &Checkout) -> Option<Project> {
    let mark = MARKS.iter().find(|name| checkout.has(name));
    let script = script(checkout);
    let has_cmake_or_make = ["CMakeLists.txt", "Makefile"]
        .iter()
        .any(|name| checkout.has(name));
    // A script in a C project is a tool of it, unless it trains by its name.
    let trains = script.as_deref().is_some_and(|path| path.contains("train"));
    if mark.is_none() && (script.is_none() || has_cmake_or_make && !trains) {
        return None;
    }
    let mut project = Project::default();
    let python = interpreter(checkout, &mut project);
    match (mark, &script) {
        (Some(mark), Some(script)) => project
            .found
            .push(format!("Python project ({mark}) with the script {script}")),
        (None, Some(script)) => project.found.push(format!("Python script {script}")),
        (_, None) => project
            .missing
            .push("no script here trains by its name or its text: set `run`".into()),
    }
    project.needs_edit = script.is_none();
    let script = script.unwrap_or_else(|| "train.py".into());
    project.speaks = speaks(&checkout.text(&script));
    project.editable = editable(checkout, &script);
    project.missing.extend(absent_data(checkout, &script));
    project.run = match module(checkout, &script) {
        Some(module) => vec![python, "-m".into(), module],
        None => vec![python, script],
    };
    Some(project)
}

/// The name of a script that is part of a package and says so: it runs with `-m` alone.
fn module(checkout: &Checkout, script: &str) -> Option<String> {
    let (package, file) = script.rsplit_once('/')?;
    let text = checkout.text(script);
    let imports_beside = text
        .lines()
        .any(|line| line.trim_start().starts_with("from ."));
    if file != "__main__.py" && !imports_beside {
        return None;
    }
    let top = package.split('/').next()?;
    // A package below `src` is found by its name only once it is installed.
    let is_found = !package.contains('/') && file == "__main__.py";
    (is_found || checkout.has(&format!("{top}/__init__.py"))).then(|| {
        let path = if file == "__main__.py" {
            package
        } else {
            script
        };
        path.trim_end_matches(".py").replace('/', ".")
    })
}

/// Data that the script names and that is nowhere in the checkout: a line each.
fn absent_data(checkout: &Checkout, script: &str) -> Vec<String> {
    let text = checkout.text(script);
    let folder = script.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |path: &str| !folder.is_empty() && checkout.exists(&format!("{folder}/{path}"));
    let is_here = |path: &str| checkout.exists(path) || beside(path);
    let quoted = text.split(['"', '\'', '\n']);
    let mut absent: Vec<&str> = quoted
        .filter(|path| is_data_path(path) && may_be_data(path) && !is_here(path))
        .collect();
    absent.sort_unstable();
    absent.dedup();
    let line = |path: &&str| {
        let entry = path
            .rsplit_once('/')
            .map_or((*path).to_owned(), |(folder, _)| format!("{folder}/"));
        format!(
            "{script} names {path}, which is not here: make it; `data = [\"{entry}\"]` then gives it to \
             both sides, if git ignores it"
        )
    };
    absent.iter().take(MOST_ABSENT).map(line).collect()
}

/// A relative path of a file that is read rather than written, as far as its name tells. A bare
/// name may be joined to a folder that is named elsewhere.
fn is_data_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let end = path.rsplit_once('.').map_or("", |(_, end)| end);
    !path.starts_with('/')
        && path.contains('/')
        && path.chars().all(plain)
        && DATA_ENDS.contains(&end)
        && DATA_WORDS.iter().any(|word| path.contains(word))
}

/// The user's own environment, seen by both sides; else the machine's.
fn interpreter(checkout: &Checkout, project: &mut Project) -> String {
    for folder in [".venv", "venv"] {
        if checkout.exists(&format!("{folder}/bin/python")) {
            project.data.push(format!("{folder}/"));
            return format!("{folder}/bin/python");
        }
    }
    if checkout.has("uv.lock") {
        project
            .missing
            .push(".venv is not here yet: `uv sync` makes it".into());
        project.data.push(".venv/".into());
        return ".venv/bin/python".into();
    }
    "python3".into()
}

/// By name, then by what it does; outer folders first.
fn script(checkout: &Checkout) -> Option<String> {
    let scripts = || {
        checkout
            .files()
            .filter(|path| path.ends_with(".py") && path.matches('/').count() < 3)
    };
    let rank = |path: &&str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let by_name = match name {
            "train.py" => Some(0),
            _ if name.starts_with("test") || name.contains("_test") => None,
            _ if name.starts_with("train") || name.ends_with("train.py") => Some(1),
            "main.py" | "run.py" | "__main__.py" => Some(3),
            _ => None,
        };
        let of_text = || checkout.text(path).contains(".backward()").then_some(2);
        by_name
            .or_else(of_text)
            .map(|rank| (rank, path.matches('/').count()))
    };
    let ranked = scripts().filter_map(|path| Some((rank(&path)?, path)));
    ranked.min().map(|(_, path)| path.to_owned())
}

/// The script, its neighbours and the packages beside it. Not `**/*.py`: that holds the tests.
fn editable(checkout: &Checkout, script: &str) -> Vec<String> {
    let folder = script
        .rsplit_once('/')
        .map_or(String::new(), |(folder, _)| format!("{folder}/"));
    if !folder.is_empty() {
        return vec![format!("{folder}**/*.py")];
    }
    let is_module = |path: &&str| {
        path.ends_with(".py")
            && !path.contains('/')
            && !NOT_EDITABLE.contains(path)
            && !path.starts_with("test")
    };
    let modules = checkout.files().filter(is_module).take(MOST_EDITABLE);
    let mut editable: Vec<String> = modules.map(str::to_owned).collect();
    let packages = checkout
        .files()
        .filter_map(|path| path.strip_suffix("/__init__.py"));
    let packages = packages.filter(|path| !path.contains('/') && !path.starts_with("test"));
    editable.extend(packages.map(|package| format!("{package}/**/*.py")));
    if editable.is_empty() {
        editable.push(script.to_owned());
    }
    editable
}
