//! What training needs and git does not hold (key `data`): data sets, environments, caches. Both
//! sides see the user's own files, through links, and the record says by hash which ones they were.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use outpace_process::write_whole;
use outpace_record::{Check, WorkloadConfig, sha256_of};
use outpace_text::counted;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Name of the line among a verdict's checks.
const CHECK: &str = "data";
/// The file of known hashes, in the state directory.
const KNOWN: &str = "data-hashes.json";

/// The user's home directory.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}

/// Why a workload's data cannot be given to its programs, if so.
pub fn data_fault(config: &WorkloadConfig, root: &Path) -> Option<String> {
    Data::of(config, root, home().as_deref()).err()
}

/// The entries of one workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Data {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// As `outpace.toml` has it.
    name: String,
    /// Where it is.
    source: PathBuf,
    place: Place,
}

/// Where a program finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// At this path of the tree.
    Tree(PathBuf),
    /// At this path of its home directory.
    Home(PathBuf),
    /// Where it is: an absolute path.
    Itself,
}

/// What changes when a file is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: i128,
    inode: u64,
}

/// How the files were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Stamp>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Known(BTreeMap<PathBuf, (Stamp, String)>);

impl Data {
    /// The entries of a workload, found in the checkout `root` and below `home`.
    ///
    /// # Errors
    /// One is not there; the message names it.
    pub(crate) fn of(
        config: &WorkloadConfig,
        root: &Path,
        home: Option<&Path>,
    ) -> Result<Self, String> {
        let entries = config.data.iter().map(|name| entry(name, root, home));
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// Makes links at their places in a tree of sources. What is tracked there stays.
    ///
    /// # Errors
    /// A link cannot be made.
    pub(crate) fn lay(&self, tree: &Path) -> io::Result<()> {
        for entry in &self.entries {
            if let Place::Tree(path) = &entry.place {
                lay(&entry.source, &tree.join(path))?;
            }
        }
        Ok(())
    }

    /// The user's own files.
    pub(crate) fn sources(&self) -> impl Iterator<Item = PathBuf> + '_ {
        self.entries.iter().map(|entry| entry.source.clone())
    }

    /// Links that a program's home directory gets: path in it, and target.
    pub(crate) fn home_links(&self) -> Vec<(PathBuf, PathBuf)> {
        let of = |entry: &Entry| match &entry.place {
            Place::Home(path) => Some((path.clone(), entry.source.clone())),
            _ => None,
        };
        self.entries.iter().filter_map(of).collect()
    }

    /// How its files are now.
    ///
    /// # Errors
    /// One cannot be read.
    pub(crate) fn stamps(&self) -> Result<Stamps, String> {
        let mut stamps = BTreeMap::new();
        for entry in &self.entries {
            walk(&entry.source, &mut stamps)
                .map_err(|error| format!("data `{}`: {error}", entry.name))?;
        }
        Ok(Stamps(stamps))
    }

    /// The line of the record: a hash an entry, over paths and contents. What was hashed before and
    /// has not changed since is not read again. Nothing where there is no data.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn check(&self, stamps: &Stamps, state_dir: &Path) -> Result<Option<Check>, String> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        let path = state_dir.join(KNOWN);
        let mut known = read_known(&path);
        let mut details = Vec::new();
        for entry in &self.entries {
            let detail = hashed(entry, stamps, &mut known)
                .map_err(|error| format!("data `{}`: {error}", entry.name))?;
            details.push(detail);
        }
        // A cache: without it the next gate hashes again.
        if let Ok(text) = serde_json::to_string(&known) {
            let _ = write_whole(&path, text.as_bytes());
        }
        Ok(Some(Check {
            name: CHECK.into(),
            passed: true,
            value: None,
            allowed: None,
            detail: details.join("; "),
        }))
    }
}

/// What the line among a verdict's checks says.
pub(crate) fn data_of(checks: &[Check]) -> Option<&str> {
    let line = checks.iter().find(|check| check.name == CHECK)?;
    Some(&line.detail)
}

impl Stamps {
    /// A file that is not what it was.
    pub(crate) fn changed<'a>(&'a self, now: &'a Self) -> Option<&'a Path> {
        let mut paths = self.0.keys().chain(now.0.keys());
        let path = paths.find(|path| self.0.get(*path) != now.0.get(*path))?;
        Some(path)
    }
}

fn entry(name: &str, root: &Path, home: Option<&Path>) -> Result<Entry, String> {
    let (at, place) = match name.strip_prefix("~/") {
        Some(path) => {
            let home = home.ok_or_else(|| format!("data `{name}`: HOME is not set"))?;
            (home.join(path), Place::Home(trimmed(path)))
        }
        None if name.starts_with('/') => (PathBuf::from(name), Place::Itself),
        None => (root.join(name), Place::Tree(trimmed(name))),
    };
    let source = fs::canonicalize(&at).map_err(|error| {
        format!(
            "data `{name}`: {}: {error}. Hint: `data` in the workload's section of outpace.toml \
             names what git does not hold; get it, or correct the entry",
            at.display()
        )
    })?;
    Ok(Entry {
        name: name.to_owned(),
        source,
        place,
    })
}

fn trimmed(path: &str) -> PathBuf {
    path.trim_end_matches('/').into()
}

/// One link where nothing is tracked; where something is, links beside it.
fn lay(source: &Path, at: &Path) -> io::Result<()> {
    match fs::symlink_metadata(at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(at.parent().unwrap_or(at))?;
            symlink(source, at)
        }
        Err(error) => Err(error),
        Ok(meta) if meta.is_dir() && source.is_dir() => {
            for entry in fs::read_dir(source)? {
                let entry = entry?;
                lay(&entry.path(), &at.join(entry.file_name()))?;
            }
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Files and links below a path; links are not followed. Sockets and pipes hold nothing, and
/// reading one may never end. Python writes its bytecode when it first imports a module, and from
/// the source whose hash is known.
fn walk(path: &Path, stamps: &mut BTreeMap<PathBuf, Stamp>) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_file() || meta.is_symlink() {
        stamps.insert(path.to_owned(), Stamp::of(&meta));
    }
    if !meta.is_dir() || path.ends_with("__pycache__") {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        walk(&entry?.path(), stamps)?;
    }
    Ok(())
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            bytes: meta.len(),
            modified_ns: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
            inode: meta.ino(),
        }
    }
}

fn read_known(path: &Path) -> Known {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn hashed(entry: &Entry, stamps: &Stamps, known: &mut Known) -> io::Result<String> {
    let (mut all, mut files, mut bytes) = (Sha256::new(), 0, 0);
    let below = stamps
        .0
        .iter()
        .filter(|(p, _)| p.starts_with(&entry.source));
    for (path, stamp) in below {
        let name = path.strip_prefix(&entry.source).unwrap_or(path);
        let hash = match known.0.get(path) {
            Some((then, hash)) if then == stamp => hash.clone(),
            _ => hash_of(path)?,
        };
        all.update(format!("{}\n{hash}\n", name.display()));
        known.0.insert(path.clone(), (stamp.clone(), hash));
        files += 1;
        bytes += stamp.bytes;
    }
    Ok(format!(
        "{}: {}, {bytes} bytes, sha256 {}",
        entry.name,
        counted(files, "file"),
        hex::encode(all.finalize())
    ))
}

fn hash_of(path: &Path) -> io::Result<String> {
    match fs::symlink_metadata(path)?.is_symlink() {
        true => sha256_of(format!("link {}", fs::read_link(path)?.display()).as_bytes()),
        false => sha256_of(fs::File::open(path)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(data: &[&str]) -> WorkloadConfig {
        let text = format!(
            "version = 1\n[workload.t]\nrun = [\"x\"]\ndata = {data:?}\n[policy]\neditable = [\"x\"]\n"
        );
        let config = outpace_record::parse_config(&text, "outpace.toml").unwrap();
        config.workload["t"].clone()
    }

    #[test]
    fn what_is_tracked_stays_and_the_rest_is_linked() {
        let dir = tempfile::tempdir().unwrap();
        let (root, tree) = (dir.path().join("checkout"), dir.path().join("tree"));
        for (base, file) in [
            (&root, "data/a.bin"),
            (&root, "data/prepare.py"),
            (&tree, "data/prepare.py"),
        ] {
            let path = base.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        fs::write(root.join("data/prepare.py"), "changed").unwrap();
        fs::create_dir_all(root.join("venv/bin/__pycache__")).unwrap();
        fs::write(root.join("venv/bin/__pycache__/m.pyc"), "bytecode").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("venv/socket")).unwrap();
        let data = Data::of(&workload(&["data/", "venv"]), &root, None).unwrap();
        data.lay(&tree).unwrap();
        assert_eq!(
            fs::read_to_string(tree.join("data/a.bin")).unwrap(),
            "data/a.bin"
        );
        assert_eq!(
            fs::read_to_string(tree.join("data/prepare.py")).unwrap(),
            "data/prepare.py"
        );
        assert!(tree.join("venv").is_symlink());
        let before = data.stamps().unwrap();
        let line = data.check(&before, dir.path()).unwrap().unwrap().detail;
        assert!(line.contains("data/: 2 files, 17 bytes, sha256 "), "{line}");
        let again = data.check(&before, dir.path()).unwrap().unwrap().detail;
        assert_eq!(line, again, "from the known hashes");
        fs::write(root.join("data/a.bin"), "other").unwrap();
        let after = data.stamps().unwrap();
        assert!(before.changed(&after).unwrap().ends_with("data/a.bin"));
        let changed = data.check(&after, dir.path()).unwrap().unwrap().detail;
        assert_ne!(line, changed);
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        fs::create_dir_all(home.join(".cache/x")).unwrap();
        let data = Data::of(&workload(&["~/.cache/x"]), dir.path(), Some(&home)).unwrap();
        assert_eq!(data.home_links()[0].0, Path::new(".cache/x"));
        let error = Data::of(&workload(&["nothing/"]), dir.path(), None).unwrap_err();
        assert!(
            error.contains("data `nothing/`") && error.contains("Hint"),
            "{error}"
        );
    }
}
