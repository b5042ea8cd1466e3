//! A Python project: the script that trains, and the interpreter that has its packages.

use super::look::{Checkout, speaks};
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
    project.run = vec![python, script];
    Some(project)
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
            "main.py" | "run.py" => Some(3),
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
