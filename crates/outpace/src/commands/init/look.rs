//! What a checkout shows without running anything of it.

use std::path::Path;

use outpace_repo::WorkTree;

/// Largest source that is read, and how many are.
const MOST_BYTES: u64 = 512 << 10;
const MOST_SOURCES: usize = 400;
/// Files that may name data.
const SOURCES: [&str; 14] = [
    "py", "c", "cc", "cpp", "cu", "cuh", "h", "hpp", "rs", "toml", "yaml", "yml", "sh", "json",
];
/// Ignored files and folders that no training reads.
const NO_DATA: [&str; 25] = [
    "target",
    "build",
    "dist",
    "out",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    "env",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".idea",
    ".vscode",
    ".DS_Store",
    ".env",
    "wandb",
    "runs",
    "logs",
    "log",
    "checkpoints",
    ".cache",
    ".git",
    ".tox",
    ".ipynb_checkpoints",
];
/// How the names of data sets end.
pub(super) const DATA_ENDS: [&str; 10] = [
    "bin", "npy", "npz", "pt", "txt", "csv", "parquet", "jsonl", "h5", "gz",
];
const NO_DATA_ENDS: [&str; 8] = [".pyc", ".o", ".so", ".a", ".d", ".log", ".egg-info", ".swp"];

/// A checkout, and the text of its sources.
pub(super) struct Checkout {
    pub(super) tree: WorkTree,
    /// Path and text.
    sources: Vec<(String, String)>,
}

impl Checkout {
    pub(super) fn new(tree: WorkTree) -> Self {
        let sources = tree.files.iter().filter(|path| is_source(path));
        let read = |path: &String| Some((path.clone(), text_of(&tree.root.join(path))?));
        let sources = sources.take(MOST_SOURCES).filter_map(read).collect();
        Self { tree, sources }
    }

    /// Whether a file is tracked or could be.
    pub(super) fn has(&self, path: &str) -> bool {
        self.tree
            .files
            .binary_search_by(|have| have.as_str().cmp(path))
            .is_ok()
    }

    /// Whether something is on disk, whatever git thinks of it.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.tree.root.join(path).exists()
    }

    /// The text of a file; empty where it cannot be read.
    pub(super) fn text(&self, path: &str) -> String {
        text_of(&self.tree.root.join(path)).unwrap_or_default()
    }

    /// Files in path order.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.tree.files.iter().map(String::as_str)
    }

    /// Whether a source below a folder speaks the step protocol.
    pub(super) fn speaks(&self, below: &str) -> bool {
        let own = self
            .sources
            .iter()
            .filter(|(path, _)| path.starts_with(below));
        own.into_iter().any(|(_, text)| speaks(text))
    }

    fn is_mentioned(&self, words: &[&str]) -> bool {
        let mut texts = self.sources.iter().map(|(_, text)| text);
        texts.any(|text| words.iter().any(|word| text.contains(word)))
    }

    /// Ignored folders and files that the sources name: entries of `data`.
    pub(super) fn data(&self) -> Vec<String> {
        let mut data: Vec<String> = Vec::new();
        for path in self.tree.ignored.iter().filter(|path| may_be_data(path)) {
            let plain = path.trim_end_matches('/');
            let name = plain.rsplit('/').next().unwrap_or(plain);
            let quoted = [
                format!("\"{name}\""),
                format!("'{name}'"),
                format!("{name}/"),
            ];
            let words = [plain, &quoted[0], &quoted[1], &quoted[2]];
            let is_file = !path.ends_with('/') && name.contains('.');
            let by_glob = || self.is_globbed(name);
            if self.is_mentioned(&words) || is_file && (self.is_mentioned(&[name]) || by_glob()) {
                data.push(entry_of(path));
            }
        }
        data.extend(self.data_below_home());
        data.sort();
        data.dedup();
        let all = data.clone();
        data.retain(|path| {
            let is_covered = |other: &String| {
                other.ends_with('/') && other != path && path.starts_with(&**other)
            };
            !all.iter().any(is_covered)
        });
        data
    }

    /// Whether a program finds data by a pattern: `glob("shard-*.bin")` names no file.
    fn is_globbed(&self, name: &str) -> bool {
        let Some((_, end)) = name.rsplit_once('.').filter(|(_, e)| DATA_ENDS.contains(e)) else {
            return false;
        };
        let pattern = format!("*.{end}");
        let ends = |text: &str, at: usize| {
            let after = text[at + pattern.len()..].chars().next();
            !after.is_some_and(|c| c.is_ascii_alphanumeric())
        };
        let holds = |text: &str| text.match_indices(&pattern).any(|(at, _)| ends(text, at));
        let is_code = |path: &str| {
            let end = path.rsplit_once('.').map_or("", |(_, end)| end);
            !["toml", "yaml", "yml", "json"].contains(&end)
        };
        let mut code = self.sources.iter().filter(|(path, _)| is_code(path));
        code.any(|(_, text)| holds(text))
    }

    /// Folders below `~/.cache` that the sources name and that exist.
    fn data_below_home(&self) -> Vec<String> {
        let Some(home) = std::env::var_os("HOME") else {
            return Vec::new();
        };
        let caches = std::fs::read_dir(Path::new(&home).join(".cache"));
        let names = caches.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let is_named = |name: &String| {
            let ways = [
                format!(".cache/{name}"),
                format!("\".cache\", \"{name}\""),
                format!("'.cache', '{name}'"),
            ];
            self.is_mentioned(&ways.each_ref().map(String::as_str))
        };
        names
            .filter(is_named)
            .map(|name| format!("~/.cache/{name}"))
            .collect()
    }
}

/// Whether a text speaks the step protocol.
pub(super) fn speaks(text: &str) -> bool {
    ["outpace_step", "outpace-step", "OUTPACE_SOCKET"]
        .iter()
        .any(|word| text.contains(word))
}

fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    SOURCES.contains(&end) || name == "Makefile"
}

fn text_of(path: &Path) -> Option<String> {
    let meta = std::fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn may_be_data(path: &str) -> bool {
    let mut names = path.trim_end_matches('/').split('/');
    !names.any(|name| NO_DATA.contains(&name) || NO_DATA_ENDS.iter().any(|end| name.ends_with(end)))
}

/// A file goes with its folder: others of its kind will follow.
fn entry_of(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((_, "")) | None => path.to_owned(),
        Some((folder, _)) => format!("{folder}/"),
    }
}
