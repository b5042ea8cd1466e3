//! A program that does not find a file: what the user can do, where the checkout or the home
//! directory has it and the program's own directory has not.

use std::collections::BTreeSet;
use std::path::{Component, Path};

/// Most paths of a log that are looked at, and named.
const MOST_LOOKED_AT: usize = 200;
const MOST_NAMED: usize = 3;

/// Hints for the paths in a log, a line each.
pub(crate) fn hints(
    log: &str,
    root: &Path,
    home: Option<&Path>,
    tracked: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut hints = BTreeSet::new();
    for word in paths_in(log).take(MOST_LOOKED_AT) {
        hints.extend(hint(word, root, home, tracked));
    }
    hints.into_iter().take(MOST_NAMED).collect()
}

/// Words that may be paths: between quotes, spaces and brackets.
fn paths_in(log: &str) -> impl Iterator<Item = &str> {
    let is_end = |c: char| c.is_whitespace() || "'\"`()[]<>,;:=".contains(c);
    let words = log.split(is_end).filter(|word| word.len() > 2);
    words.filter(|word| word.contains('/') || word.contains('.'))
}

fn hint(
    word: &str,
    root: &Path,
    home: Option<&Path>,
    tracked: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let path = Path::new(word);
    let plain = path.components().all(|part| {
        matches!(
            part,
            Component::Normal(_) | Component::CurDir | Component::RootDir
        )
    });
    if !plain {
        return None;
    }
    // The home directory of a program is an empty one, in which its name for a file is lost.
    if let (Some(home), Some((_, rest))) = (home, word.split_once("/home/"))
        && path.is_absolute()
        && !path.exists()
    {
        let rest = rest.trim_start_matches('/');
        return home.join(rest).exists().then(|| {
            let folder = Path::new(rest)
                .parent()
                .filter(|p| p.components().count() > 0);
            let name = folder.unwrap_or(Path::new(rest)).display().to_string();
            format!(
                "`~/{rest}` exists in your home directory, and programs are started with an empty \
                 one: `data = [\"~/{name}\"]` in the workload's section gives it to them"
            )
        });
    }
    if path.is_absolute() || !root.join(path).exists() || tracked(word) {
        return None;
    }
    let top = match path
        .components()
        .find(|part| matches!(part, Component::Normal(_)))
    {
        Some(Component::Normal(first)) if path.components().count() > 1 => {
            format!("{}/", first.to_string_lossy())
        }
        _ => word.to_owned(),
    };
    Some(format!(
        "`{word}` exists in your checkout, but git does not hold it: `data = [\"{top}\"]` in the \
         workload's section gives it to both sides"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_exists_and_is_not_tracked_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (root, home) = (dir.path().join("checkout"), dir.path().join("me"));
        for file in [
            root.join("data/train.bin"),
            root.join("train.py"),
            home.join(".cache/auto/x.bin"),
        ] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "x").unwrap();
        }
        let tracked = |path: &str| path == "train.py";
        let of = |log: &str| hints(log, &root, Some(&home), &tracked);
        let log = "File \"train.py\", line 3\nFileNotFoundError: [Errno 2] No such file: 'data/train.bin'";
        let found = of(log);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`data = [\"data/\"]`"), "{found:?}");
        let found = of("cannot open /tmp/scratch/home/.cache/auto/x.bin");
        assert!(
            found[0].contains("`data = [\"~/.cache/auto\"]`"),
            "{found:?}"
        );
        assert!(of("no such file: data/other.bin, ../x, /etc/passwd").is_empty());
    }
}
