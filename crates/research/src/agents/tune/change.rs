//! One tunable moved from the value that stands to another, and how that is written into a tree.

use std::collections::BTreeMap;

use outpace_record::Tunable;
use outpace_repo::Repo;

use outpace_gate::GateError;

use crate::agents::edit::{set_constant, set_toml_key};

/// A tunable and two of its values, by their places in the declaration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) tunable: &'a Tunable,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Change<'_> {
    /// `TILE 32 -> 64 in kernels/src/x.rs`
    pub(super) fn title(&self) -> String {
        format!("{}{}", self.short(), self.suffix())
    }

    /// `TILE 32 -> 64`
    pub(super) fn short(&self) -> String {
        let values = self.tunable.literals();
        format!(
            "{}{} -> {}",
            self.prefix(),
            values[self.from],
            values[self.to]
        )
    }

    pub(super) fn distance(&self) -> usize {
        self.to.abs_diff(self.from)
    }

    pub(super) fn same_tunable(&self, other: &Self) -> bool {
        self.tunable.file == other.tunable.file && self.tunable.name() == other.tunable.name()
    }

    /// If `title` names a change of the same tunable from the same value: the place of the value
    /// that it went to.
    pub(super) fn sibling(&self, title: &str) -> Option<usize> {
        let middle = title
            .strip_prefix(&self.prefix())?
            .strip_suffix(&self.suffix())?;
        let (from, to) = middle.split_once(" -> ")?;
        let values = self.tunable.literals();
        let place = |text: &str| values.iter().position(|value| value == text);
        (place(from)? == self.from).then(|| place(to))?
    }

    /// Whether `title`, of one change or of several together, leaves the value that this change
    /// goes to.
    pub(super) fn undoes(&self, title: &str) -> bool {
        let away = format!("{}{} -> ", self.prefix(), self.tunable.literals()[self.to]);
        match title.strip_prefix("together: ") {
            // The comma in front: the end of a longer name is another name.
            Some(many) => format!(", {many}").contains(&format!(", {away}")),
            None => title.starts_with(&away) && title.ends_with(&self.suffix()),
        }
    }

    fn prefix(&self) -> String {
        format!("{} ", self.tunable.name())
    }

    fn suffix(&self) -> String {
        format!(" in {}", self.tunable.file)
    }
}

/// A tunable with the values that may be tried from the one that stands in a tree.
///
/// # Errors
/// The value is not there, or is outside of its range.
pub(super) fn around(
    repo: &Repo,
    tree: &str,
    tunable: &Tunable,
    fineness: u32,
) -> Result<Tunable, GateError> {
    if !tunable.is_range() {
        return Ok(tunable.clone());
    }
    let text = read(repo, tree, tunable)?;
    let (_, stands) = set(&text, tunable, "0").ok_or_else(|| missing(tunable))?;
    tunable.around(&stands, fineness).ok_or_else(|| {
        GateError::Usage(format!(
            "{}: {} is {stands}, which is not in the declared range. Hint: change `from` or `to` \
             in outpace.toml",
            tunable.file,
            tunable.name()
        ))
    })
}

/// All changes of one tunable away from the value that stands in a tree.
///
/// # Errors
/// The value is not there, or is none of the declared ones.
pub(super) fn changes<'a>(
    repo: &Repo,
    tree: &str,
    tunable: &'a Tunable,
) -> Result<Vec<Change<'a>>, GateError> {
    let text = read(repo, tree, tunable)?;
    let values = tunable.literals();
    let (_, stands) = set(&text, tunable, &values[0]).ok_or_else(|| missing(tunable))?;
    // `1e-3` and `0.001` are one value.
    let number = |text: &str| text.parse::<f64>().ok();
    let is_it = |value: &String| {
        *value == stands || (tunable.is_range() && number(value) == number(&stands))
    };
    let Some(from) = values.iter().position(is_it) else {
        return Err(GateError::Usage(format!(
            "{}: {} is {stands}, which is not among the declared values {}. Hint: add it in outpace.toml",
            tunable.file,
            tunable.name(),
            values.join(", ")
        )));
    };
    Ok((0..values.len())
        .filter(|to| *to != from)
        .map(|to| Change { tunable, from, to })
        .collect())
}

/// The tree with all of these changes.
///
/// # Errors
/// A value is not there, or git fails.
pub(super) fn apply(repo: &Repo, tree: &str, chosen: &[&Change<'_>]) -> Result<String, GateError> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for change in chosen {
        let tunable = change.tunable;
        let text = match files.get(tunable.file.as_str()) {
            Some(text) => text.clone(),
            None => read(repo, tree, tunable)?,
        };
        let (text, _) =
            set(&text, tunable, &tunable.literals()[change.to]).ok_or_else(|| missing(tunable))?;
        files.insert(&tunable.file, text);
    }
    let mut tree = tree.to_owned();
    for (file, text) in files {
        tree = repo.replace_file(&tree, file, text.as_bytes())?;
    }
    Ok(tree)
}

fn read(repo: &Repo, tree: &str, tunable: &Tunable) -> Result<String, GateError> {
    let bytes = repo
        .read(tree, &tunable.file)?
        .ok_or_else(|| no_file(tunable))?;
    String::from_utf8(bytes).map_err(|_| missing(tunable))
}

fn missing(tunable: &Tunable) -> GateError {
    let (name, file) = (tunable.name(), &tunable.file);
    let form = match (&tunable.key, file.ends_with(".py")) {
        (Some(_), _) => "a `key` is the dotted name of a value in a TOML file",
        (None, true) => "a constant is `NAME = value`, on one line, once",
        (None, false) => {
            "a constant is `const NAME: T = value;`, `constexpr T NAME = value;` or `#define NAME \
             value`, on one line, once"
        }
    };
    GateError::Usage(format!(
        "outpace.toml declares {name} in {file}, but the base holds no such value there. Hint: {form}"
    ))
}

fn no_file(tunable: &Tunable) -> GateError {
    GateError::Usage(format!(
        "outpace.toml declares {} in {}, but the base holds no such file. Hint: commit it, or \
         correct `file`",
        tunable.name(),
        tunable.file
    ))
}

fn set(text: &str, tunable: &Tunable, literal: &str) -> Option<(String, String)> {
    match (&tunable.key, &tunable.constant) {
        (Some(key), _) => set_toml_key(text, key, &literal.parse().ok()?),
        (_, Some(name)) => set_constant(&tunable.file, text, name, literal),
        _ => None,
    }
}
