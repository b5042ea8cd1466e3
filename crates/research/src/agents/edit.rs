//! Setting one value in a source file, everything else left as it is.

/// From and to in a text or a line, if it is there.
type Place = Option<(usize, usize)>;

/// Replaces the value of a constant: `const NAME: T = value;` (Rust), `constexpr T NAME = value;`
/// (C++, CUDA), `#define NAME value`, or, in a `.py` file, `NAME = value`. Returns the new text and
/// the old value, or nothing if there is no such line or more than one.
pub(super) fn set_constant(
    file: &str,
    text: &str,
    name: &str,
    value: &str,
) -> Option<(String, String)> {
    let (from, to) = match file.ends_with(".py") {
        // What a module assigns at its left margin comes before a local variable of that name.
        true => only(text, of_code(|line| assigned_in_line(line, name, false)))
            .or_else(|| only(text, of_code(|line| assigned_in_line(line, name, true)))),
        false => only(text, |line| value_in_line(line, name)),
    }?;
    Some((
        format!("{}{value}{}", &text[..from], &text[to..]),
        text[from..to].to_owned(),
    ))
}

/// Where in `text` the one line is that `find` knows; nothing for none and for several.
fn only(text: &str, mut find: impl FnMut(&str) -> Place) -> Place {
    let mut offset = 0;
    let mut found = text.split_inclusive('\n').filter_map(|line| {
        let start = offset;
        offset += line.len();
        find(line).map(|(from, to)| (start + from, start + to))
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Python: the same but for lines that begin within a string of three quotes.
fn of_code(find: impl Fn(&str) -> Place) -> impl FnMut(&str) -> Place {
    let mut within: Option<&str> = None;
    move |line: &str| {
        let begins_within = within.is_some();
        let mut rest = if begins_within {
            line
        } else {
            &line[..before_comment(line)]
        };
        loop {
            let next = match within {
                Some(open) => rest.find(open).map(|at| (at, open)),
                None => ["\"\"\"", "'''"]
                    .into_iter()
                    .filter_map(|q| Some((rest.find(q)?, q)))
                    .min(),
            };
            let Some((at, quotes)) = next else { break };
            within = if within.is_some() { None } else { Some(quotes) };
            rest = &rest[at + quotes.len()..];
        }
        find(line).filter(|_| !begins_within)
    }
}

/// Python: `NAME = value` or `NAME: type = value`, up to its comment.
fn assigned_in_line(line: &str, name: &str, indented: bool) -> Place {
    let code = &line[..before_comment(line)];
    let lead = code.len() - code.trim_start_matches([' ', '\t']).len();
    if lead > 0 && !indented {
        return None;
    }
    let after = code[lead..].strip_prefix(name)?;
    if !after.trim_start().starts_with(['=', ':']) {
        return None;
    }
    let start = lead + name.len() + after.find('=')? + 1;
    // `==` compares.
    if code[start..].starts_with('=') {
        return None;
    }
    let value = &code[start..];
    let from = start + value.len() - value.trim_start().len();
    let to = start + value.trim_end().len();
    // An argument of a call, and a value that goes on in the next line, are not this line's.
    let whole = from < to && !code[from..to].ends_with([',', '(', '[', '{', '\\']);
    whole.then_some((from, to))
}

/// Length of Python code up to a `#` outside of quotes.
fn before_comment(code: &str) -> usize {
    let mut quote = None;
    for (at, c) in code.char_indices() {
        match (quote, c) {
            (None, '#') => return at,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    code.len()
}

fn value_in_line(line: &str, name: &str) -> Place {
    let code = line.trim_start();
    if code.starts_with("//") || code.starts_with("/*") || code.starts_with('*') {
        return None;
    }
    let at = word_position(line, name)?;
    let (before, after) = (&line[..at], &line[at + name.len()..]);
    if before.trim() == "#define" {
        let start = at + name.len() + (after.len() - after.trim_start().len());
        let end = start + line[start..].find("//").unwrap_or(line.len() - start);
        return Some((start, start + line[start..end].trim_end().len()));
    }
    let declares = before
        .split_whitespace()
        .any(|word| matches!(word, "const" | "constexpr" | "static"));
    // Behind an equals sign it is used and not declared.
    if !declares || before.contains('=') {
        return None;
    }
    let start = at + name.len() + after.find('=')? + 1;
    let end = start + line[start..].find(';')?;
    let value = &line[start..end];
    let lead = value.len() - value.trim_start().len();
    Some((start + lead, start + value.trim_end().len()))
}

fn word_position(line: &str, name: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).map(|(at, _)| at).find(|&at| {
        let before = line[..at].chars().next_back().is_some_and(is_word);
        let after = line[at + name.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

/// Replaces the value of a dotted key in a TOML document, comments and order kept. Returns the new
/// text and the old value.
pub(super) fn set_toml_key(
    text: &str,
    key: &str,
    value: &toml_edit::Value,
) -> Option<(String, String)> {
    let mut document: toml_edit::DocumentMut = text.parse().ok()?;
    let (tables, last) = key
        .rsplit_once('.')
        .map_or((Vec::new(), key), |(t, k)| (t.split('.').collect(), k));
    let mut table: &mut dyn toml_edit::TableLike = document.as_table_mut();
    for name in tables {
        table = table.get_mut(name)?.as_table_like_mut()?;
    }
    let old = table.get_mut(last)?.as_value_mut()?;
    let mut new = value.clone();
    *new.decor_mut() = old.decor().clone();
    let was = old.clone().decorated("", "").to_string();
    *old = new;
    Some((document.to_string(), was))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_in_their_languages() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let got = set_constant("kernel.rs", text, "TILE", "64");
            assert_eq!(
                got,
                expect.map(|(a, b)| (a.to_owned(), b.to_owned())),
                "{text:?}"
            );
        };
        check(
            "pub const TILE: usize = 32; // rows\n",
            Some(("pub const TILE: usize = 64; // rows\n", "32")),
        );
        check(
            "const TILE: usize = 1 << 4;\nlet x = TILE;\n",
            Some(("const TILE: usize = 64;\nlet x = TILE;\n", "1 << 4")),
        );
        check(
            "static constexpr int TILE = 8;\n",
            Some(("static constexpr int TILE = 64;\n", "8")),
        );
        check(
            "#define TILE 16 // wide\n",
            Some(("#define TILE 64 // wide\n", "16")),
        );
        check(
            "// const TILE: usize = 3;\nconst TILE: u8 = 4;\n",
            Some(("// const TILE: usize = 3;\nconst TILE: u8 = 64;\n", "4")),
        );
        check(
            "constexpr int TILE = 8;\nconstexpr int HALF = TILE / 2, ROWS = 4;\n",
            Some((
                "constexpr int TILE = 64;\nconstexpr int HALF = TILE / 2, ROWS = 4;\n",
                "8",
            )),
        );
        check("const TILES: usize = 32;\n", None);
        check("const TILE: u8 = 1;\nconst TILE: u8 = 2;\n", None);
        check("let y = TILE + 1;\n", None);
    }

    #[test]
    fn assignments_of_python() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let got = set_constant("train.py", text, "n_head", "8");
            let expect = expect.map(|(a, b)| (a.to_owned(), b.to_owned()));
            assert_eq!(got, expect, "{text:?}");
        };
        check("n_head = 6 # heads\n", Some(("n_head = 8 # heads\n", "6")));
        check("n_head=6", Some(("n_head=8", "6")));
        check("n_head: int = 6\n", Some(("n_head: int = 8\n", "6")));
        check("n_head = '#6' # a\n", Some(("n_head = 8 # a\n", "'#6'")));
        // The module's own comes before a local one.
        check(
            "def f():\n    n_head = 2\nn_head = 6\n",
            Some(("def f():\n    n_head = 2\nn_head = 8\n", "6")),
        );
        check(
            "@dataclass\nclass Config:\n    n_head: int = 6\n",
            Some(("@dataclass\nclass Config:\n    n_head: int = 8\n", "6")),
        );
        check("n_head = 6\nn_head = 7\n", None);
        check("n_heads = 6\n", None);
        check("# n_head = 6\n", None);
        check("if n_head == 6:\n    pass\n", None);
        check("f(\n    n_head=6,\n)\n", None);
        check("n_head = (\n    6)\n", None);
        check("n_head += 6\n", None);
        check(
            "\"\"\"\nn_head = 4\n\"\"\"\nn_head = 6\n",
            Some(("\"\"\"\nn_head = 4\n\"\"\"\nn_head = 8\n", "6")),
        );
        check("n_head: int  # default = 6\n", None);
    }

    #[test]
    fn every_tunable_of_this_repository_is_found() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let document: toml_edit::DocumentMut = read("outpace.toml").parse().unwrap();
        let tunables = document["tunable"].as_array_of_tables().unwrap();
        for tunable in tunables {
            let text_of = |key: &str| tunable.get(key).and_then(|value| value.as_str());
            let text = read(text_of("file").unwrap());
            let old = match (text_of("const"), text_of("key")) {
                (Some(name), None) => set_constant(text_of("file").unwrap(), &text, name, "1"),
                (None, Some(key)) => set_toml_key(&text, key, &1.into()),
                both => panic!("{both:?}"),
            };
            let (_, old) = old.unwrap_or_else(|| panic!("{tunable}"));
            let number = |item: &toml_edit::Item| item.to_string().trim().parse::<f64>().unwrap();
            let known = match tunable.get("values") {
                Some(values) => {
                    let mut values = values.as_array().unwrap().iter();
                    values.any(|value| value.to_string().trim() == old)
                }
                None => (number(&tunable["from"])..=number(&tunable["to"]))
                    .contains(&old.parse::<f64>().unwrap()),
            };
            assert!(known, "{old} is none of the values of {tunable}");
        }
    }

    #[test]
    fn toml_keys_keep_their_surroundings() {
        let text = "# sizes\n[run]\nthreads = 2 # all\n\n[model]\nwidth = 64\n";
        let (new, old) = set_toml_key(text, "run.threads", &4.into()).unwrap();
        assert_eq!(
            (new.as_str(), old.as_str()),
            (
                "# sizes\n[run]\nthreads = 4 # all\n\n[model]\nwidth = 64\n",
                "2"
            )
        );
        assert!(set_toml_key(text, "run.nothing", &4.into()).is_none());
        assert!(set_toml_key(text, "run.threads.deep", &4.into()).is_none());
    }
}
