//! `{target}` and `{tree}` in the commands of a workload.

use std::path::Path;

/// A command with the directories filled in. In the script of a shell (`sh -c SCRIPT`) they are
/// quoted, because a repository's path may hold spaces.
pub(crate) fn filled(command: &[String], target: &Path, tree: &Path) -> Vec<String> {
    let script = script_of(command);
    let dirs = [
        ("{target}", target.to_string_lossy()),
        ("{tree}", tree.to_string_lossy()),
    ];
    let fill = |(n, arg): (usize, &String)| {
        dirs.iter()
            .fold(arg.clone(), |arg, (name, dir)| match script {
                Some(at) if at == n => fill_script(&arg, name, dir),
                _ => arg.replace(name, dir),
            })
    };
    command.iter().enumerate().map(fill).collect()
}

/// Paths below `{target}` in a command: an argument of its own, what follows the `=` of one, and
/// words in the script of a shell.
pub(crate) fn named(command: &[String]) -> impl Iterator<Item = &str> {
    let script = script_of(command);
    command.iter().enumerate().flat_map(move |(n, arg)| {
        let paths: Vec<&str> = match script {
            Some(at) if at == n => in_script(arg).collect(),
            _ => of_argument(arg).into_iter().collect(),
        };
        paths
    })
}

fn of_argument(arg: &str) -> Option<&str> {
    let (before, path) = arg.split_once("{target}/")?;
    (before.is_empty() || before.ends_with('=')).then_some(path)
}

/// A path ends where a word of a script may end; a variable in it makes it no path.
fn in_script(script: &str) -> impl Iterator<Item = &str> {
    let is_end = |c: char| c.is_whitespace() || "\"';&|<>()`".contains(c);
    let words = script.split("{target}/").skip(1);
    let paths = words.map(move |rest| rest.split(is_end).next().unwrap_or_default());
    paths.filter(|path| !path.is_empty() && !path.contains(['$', '*', '?', '{']))
}

/// The argument that a shell runs as a script.
fn script_of(command: &[String]) -> Option<usize> {
    let program = command.first()?.rsplit('/').next()?;
    if !["sh", "bash", "dash", "zsh", "ksh"].contains(&program) {
        return None;
    }
    let is_c = |arg: &String| arg.starts_with('-') && !arg.starts_with("--") && arg.ends_with('c');
    let at = command.iter().position(is_c)? + 1;
    (at < command.len()).then_some(at)
}

/// Where in a script a placeholder stands decides how its value is quoted.
#[derive(Clone, Copy, PartialEq)]
enum Quotes {
    None,
    Single,
    Double,
}

fn fill_script(script: &str, name: &str, dir: &str) -> String {
    let (mut out, mut rest, mut quotes) = (String::new(), script, Quotes::None);
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(name) {
            out.push_str(&quoted(dir, quotes));
            rest = after;
            continue;
        }
        let escaped = c == '\\' && quotes != Quotes::Single;
        quotes = match (c, quotes) {
            ('\'', Quotes::None) => Quotes::Single,
            ('"', Quotes::None) => Quotes::Double,
            ('\'', Quotes::Single) | ('"', Quotes::Double) => Quotes::None,
            _ => quotes,
        };
        let length = c.len_utf8()
            + rest[c.len_utf8()..]
                .chars()
                .next()
                .filter(|_| escaped)
                .map_or(0, char::len_utf8);
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

fn quoted(dir: &str, quotes: Quotes) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%=:,".contains(c);
    let in_single = dir.replace('\'', r"'\''");
    match quotes {
        Quotes::None if dir.chars().all(plain) => dir.to_owned(),
        Quotes::None => format!("'{in_single}'"),
        Quotes::Single => in_single,
        Quotes::Double => {
            let special = |c: char| "\\\"$`".contains(c);
            dir.chars()
                .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn a_path_with_spaces_stays_one_word() {
        let check = |args: &[&str], expect: &[&str]| {
            let (target, tree) = (Path::new("/a b/t"), Path::new("/a b/s"));
            assert_eq!(filled(&command(args), target, tree), command(expect));
        };
        check(&["{target}/x", "--in={tree}"], &["/a b/t/x", "--in=/a b/s"]);
        check(
            &[
                "sh",
                "-c",
                "make O={target} && cp \"{tree}/a\" '{target}/b'",
            ],
            &["sh", "-c", "make O='/a b/t' && cp \"/a b/s/a\" '/a b/t/b'"],
        );
        check(
            &["bash", "-ec", r#"echo \"{target}\" "\"{target}""#],
            &["bash", "-ec", r#"echo \"'/a b/t'\" "\"/a b/t""#],
        );
        check(&["python3", "-c", "{tree}"], &["python3", "-c", "/a b/s"]);
    }

    #[test]
    fn what_a_shell_takes_for_more_than_text_is_quoted() {
        let script = command(&["sh", "-c", "x {target} \"{target}\" '{target}'"]);
        let filled = filled(&script, Path::new("/it's $x"), Path::new("/s"));
        assert_eq!(filled[2], r#"x '/it'\''s $x' "/it's \$x" '/it'\''s $x'"#);
    }

    #[test]
    fn artefacts_are_arguments_or_what_follows_an_equals_sign() {
        let command = command(&["{target}/a", "--lib={target}/b", "x{target}/c", "d"]);
        assert_eq!(named(&command).collect::<Vec<_>>(), ["a", "b"]);
    }
}
