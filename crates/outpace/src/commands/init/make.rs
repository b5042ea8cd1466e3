//! C, C++ and CUDA: CMake and Make.

use super::look::Checkout;
use super::project::{Project, words};

/// Sources of such a project.
pub(super) const ENDS: [&str; 8] = ["c", "cc", "cpp", "cu", "cuh", "h", "hpp", "cxx"];

pub(super) fn cmake(checkout: &Checkout) -> Option<Project> {
    if !checkout.has("CMakeLists.txt") {
        return None;
    }
    let lists = checkout
        .files()
        .filter(|path| path.ends_with("CMakeLists.txt"));
    let names: Vec<String> = lists
        .flat_map(|path| executables(&checkout.text(path)))
        .collect();
    let (found, missing, name) = chosen("CMake", &names);
    let script = "cmake -S . -B \"$OUTPACE_TARGET\" -DCMAKE_BUILD_TYPE=Release \
                  -DCMAKE_RUNTIME_OUTPUT_DIRECTORY=\"$OUTPACE_TARGET/bin\" && \
                  cmake --build \"$OUTPACE_TARGET\"";
    Some(Project {
        found,
        missing,
        build: words(&["sh", "-c", script]),
        run: vec![format!("{{target}}/bin/{name}")],
        speaks: checkout.speaks(""),
        editable: editable(checkout),
        ..Project::default()
    })
}

pub(super) fn make(checkout: &Checkout) -> Option<Project> {
    let makefile = ["Makefile", "makefile", "GNUmakefile"]
        .into_iter()
        .find(|name| checkout.has(name))?;
    let names = targets(&checkout.text(makefile));
    let (found, missing, name) = chosen(makefile, &names);
    // The program's own name: it may be built in a folder.
    let program = name.rsplit('/').next().unwrap_or(&name).to_owned();
    let script = format!("make {name} && cp {name} \"$OUTPACE_TARGET\"");
    let needs_edit = names.is_empty();
    Some(Project {
        found,
        missing,
        needs_edit,
        build: match needs_edit {
            true => Vec::new(),
            false => words(&["sh", "-c", &script]),
        },
        run: vec![format!("{{target}}/{program}")],
        speaks: checkout.speaks(""),
        editable: editable(checkout),
        ..Project::default()
    })
}

/// The program that trains by its name, or the only one.
fn chosen(tool: &str, names: &[String]) -> (Vec<String>, Vec<String>, String) {
    let trains = names.iter().find(|name| name.contains("train"));
    match (trains, names) {
        (Some(name), _) => (
            vec![format!("{tool} with the program {name}")],
            Vec::new(),
            name.clone(),
        ),
        (None, [only]) => (
            vec![format!("{tool} with the program {only}")],
            Vec::new(),
            only.clone(),
        ),
        (None, []) => (
            vec![format!("{tool} that names no program")],
            vec!["no program was recognised: set `build` and `run`".into()],
            "train".into(),
        ),
        (None, [first, ..]) => {
            let all = names.join(", ");
            (
                vec![format!("{tool} with the programs {all}")],
                vec![format!(
                    "none of them trains by its name: `build` and `run` have {first}; set the right one"
                )],
                first.clone(),
            )
        }
    }
}

/// Names in `add_executable(NAME ...)`.
fn executables(text: &str) -> Vec<String> {
    let calls = text.split("add_executable").skip(1);
    let name = |call: &str| {
        let inside = call.trim_start().strip_prefix('(')?.trim_start();
        let name = inside
            .split(|c: char| c.is_whitespace() || c == ')')
            .next()?;
        is_name(name).then(|| name.to_owned())
    };
    calls.filter_map(name).collect()
}

/// Targets that may be programs: no pattern, no file type, no chore.
fn targets(text: &str) -> Vec<String> {
    const CHORES: [&str; 8] = [
        "all", "clean", "test", "tests", "install", "help", "format", "lint",
    ];
    let variables = variables(text);
    let target = |line: &str| {
        let (names, rest) = line.split_once(':')?;
        if line.starts_with(['\t', ' ', '#', '.']) || rest.starts_with('=') {
            return None;
        }
        let name = expanded(names.trim(), &variables);
        let name = name.as_str();
        (is_name(name) && !name.contains('.') && !CHORES.contains(&name)).then(|| name.to_owned())
    };
    let phony: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(".PHONY:"))
        .flat_map(str::split_whitespace)
        .collect();
    let targets = text.lines().filter_map(target);
    targets
        .filter(|name| !phony.contains(&name.as_str()))
        .collect()
}

/// Assignments of a Makefile: name and value.
fn variables(text: &str) -> Vec<(&str, &str)> {
    let assignment = |line| {
        let (name, value) = str::split_once(line, '=')?;
        let name = name.trim_end_matches([':', '?', '+', ' ', '\t']);
        is_name(name).then(|| (name, value.trim()))
    };
    text.lines().filter_map(assignment).collect()
}

/// A name with `$(X)` and `${X}` filled in, once: a Makefile that nests them is left alone.
fn expanded(name: &str, variables: &[(&str, &str)]) -> String {
    variables
        .iter()
        .fold(name.to_owned(), |name, (key, value)| {
            name.replace(&format!("$({key})"), value)
                .replace(&format!("${{{key}}}"), value)
        })
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
}

/// The sources where they are: whole folders below the top, single files at the top.
fn editable(checkout: &Checkout) -> Vec<String> {
    let is_source = |path: &&str| {
        path.rsplit_once('.')
            .is_some_and(|(_, end)| ENDS.contains(&end))
    };
    let globs = checkout.files().filter(is_source).map(|path| {
        let end = path.rsplit('.').next().unwrap_or_default();
        match path.split_once('/') {
            Some((top, _)) => format!("{top}/**/*.{end}"),
            None => format!("*.{end}"),
        }
    });
    let mut globs: Vec<String> = globs.filter(|glob| !glob.starts_with("test")).collect();
    globs.sort();
    globs.dedup();
    if globs.is_empty() {
        globs.push("src/**".into());
    }
    globs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_cmake_and_make() {
        let cmake =
            "project(x)\nadd_executable( train_gpt src/main.cpp)\nadd_executable(${NAME} a.c)\n";
        assert_eq!(executables(cmake), ["train_gpt"]);
        let make = ".PHONY: all run\nCC ?= cc\nFLAGS := -O3\nall: train\ntrain: train.o\n\tcc -o $@\n%.o: %.c\nrun: train\ntest_x.o: a\nclean:\n";
        assert_eq!(targets(make), ["train"]);
        let make = "DIR := build\nPROG=trainer\nall: $(PROG)\n$(PROG): a.o\n${DIR}/x: b.o\n";
        assert_eq!(targets(make), ["trainer", "build/x"]);
    }
}
