use super::*;

fn actions(text: &str) -> Result<Vec<Action>, String> {
    let files = parse(text).map_err(|error| error.to_string())?;
    Ok(files.into_iter().map(|file| file.action).collect())
}

#[test]
fn names_are_told_apart_with_and_without_prefixes() {
    let modify = |path: &str| Action::Modify(path.into());
    let add = |path: &str| Action::Add(path.into());
    let rename = |from: &str, to: &str| Action::Rename {
        from: from.into(),
        to: to.into(),
    };
    let (mode, new) = (
        "old mode 100644\nnew mode 100755\n",
        "new file mode 100644\n",
    );
    let hunk = "@@ -1 +1 @@\n-x\n+y\n";
    for (text, expect) in [
        (format!("diff --git a/k.rs b/k.rs\n{mode}"), modify("k.rs")),
        (
            format!("diff --git i/a/k.rs w/a/k.rs\n{mode}"),
            modify("a/k.rs"),
        ),
        (
            format!("diff --git a/k.rs a/k.rs\n{mode}"),
            modify("a/k.rs"),
        ),
        (format!("diff --git k.rs k.rs\n{new}"), add("k.rs")),
        (format!("diff --git a/x b/x b/x b/x\n{new}"), add("x b/x")),
        (format!("diff --git a/x y z b/x y z\n{new}"), add("x y z")),
        (
            format!("diff --git \"a/\\303\\274 \\\"\" \"b/\\303\\274 \\\"\"\n{new}"),
            add("ü \""),
        ),
        (
            format!("diff --git a/x y b/x y\n{new}--- /dev/null\n+++ b/x y\t\n@@ -0,0 +1 @@\n+y\n"),
            add("x y"),
        ),
        (
            format!("--- a/k.rs\t2026-05-19 08:30\n+++ b/k.rs\t2026\n{hunk}"),
            modify("k.rs"),
        ),
        (
            format!("--- src/k.rs\n+++ src/k.rs\n{hunk}"),
            modify("src/k.rs"),
        ),
        (
            "--- /dev/null\n+++ b/k.rs\n@@ -0,0 +1 @@\n+y\n".into(),
            add("k.rs"),
        ),
        (
            "diff --git a/a b/b\nsimilarity index 100%\nrename from a/a\nrename to b/b\n".into(),
            rename("a/a", "b/b"),
        ),
    ] {
        assert_eq!(actions(&text), Ok(vec![expect]), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let head = "diff --git a/k b/k\n--- a/k\n+++ b/k\n";
    for (text, expect) in [
        (String::new(), "it names no file"),
        (
            "@@ -1 +1 @@\n-x\n+y\n".into(),
            "line 1: a hunk without `---`",
        ),
        (
            "diff --cc k\n".into(),
            "line 1: it is the combined diff of a merge commit",
        ),
        (
            "diff --git a/k b/k\n".into(),
            "line 1: it names a file and no change of it",
        ),
        (
            "diff --git a/k b/l\n".into(),
            "line 1: its names cannot be told apart",
        ),
        (
            "diff --git \"a/k b/k\n".into(),
            "line 1: its names cannot be told apart",
        ),
        (
            "diff --git a/k b/k\nnew file mode 100666\n".into(),
            "line 2: `100666` is not a file mode",
        ),
        (
            "diff --git a/k b/k\n--- a/k\n+++ b/l\n".into(),
            "line 1: `a/k` and `b/l` are two files",
        ),
        (
            "diff --git a/k b/k\n--- /dev/null\n+++ b/l\n".into(),
            "name different files",
        ),
        (
            "diff --git a/k b/k\n--- /dev/null\n+++ /dev/null\n".into(),
            "adds and deletes",
        ),
        (
            format!("{head}@@ nonsense\n"),
            "line 4: this is not the `@@` line of a hunk",
        ),
        (
            format!("{head}@@ -1,2 +1 @@\n-x\n"),
            "line 6: the patch ends within a hunk",
        ),
        (
            format!("{head}@@ -1 +1 @@\n-x\n-y\n+z\n"),
            "line 6: the hunk has another number",
        ),
        (
            format!("{head}@@ -1 +1 @@\n-x\n+y\n+z\n"),
            "line 7: the hunk has more lines",
        ),
    ] {
        let error = actions(&text).expect_err(expect);
        assert!(error.contains(expect), "{text:?}: {error}");
    }
}

#[test]
fn text_around_patches_is_skipped() {
    let patch = "diff --git a/k b/k\nindex 1..2 100644\n--- a/k\n+++ b/k\n@@ -1 +1 @@ fn\n-x\n+y\n";
    let mail =
        format!("From 0\nSubject: x\n\n--- \n k | 2 +-\n\n{patch}-- \n2.47\n\nFrom 1\n\n{patch}");
    assert_eq!(actions(&mail).unwrap().len(), 2);
}

#[test]
fn colours_of_git_go_and_escape_sequences_of_files_stay() {
    let coloured = "\u{1b}[1mdiff --git a/k b/k\u{1b}[m\n\u{1b}[36m@@ -1 +1 @@\u{1b}[m\n\
                    \u{1b}[31m-x\u{1b}[m\n\u{1b}[32m+\u{1b}[m\u{1b}[32my\u{1b}[K\u{1b}[m\n";
    assert!(is_coloured(coloured));
    let plain = "diff --git a/k b/k\n@@ -1 +1 @@\n-x\n+y\n";
    assert_eq!(without_colours(coloured), plain);
    assert!(!is_coloured(
        "diff --git a/k b/k\n@@ -1 +1 @@\n-x\n+\u{1b}[31my\n"
    ));
    assert_eq!(without_colours("\u{1b}[2J \u{1b}["), "\u{1b}[2J \u{1b}[");
}

#[test]
fn bytes_become_text_or_are_named() {
    let text = "--- a/ü\n+++ b/ü\n";
    let utf16 = |text: &str, mark: u8| {
        let bytes = |unit: u16| {
            if mark == 0xff {
                unit.to_le_bytes()
            } else {
                unit.to_be_bytes()
            }
        };
        let mut all = vec![mark, if mark == 0xff { 0xfe } else { 0xff }];
        all.extend(text.encode_utf16().flat_map(bytes));
        all
    };
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        utf16(text, 0xff),
        utf16(text, 0xfe),
        utf16(&text.replace('\n', "\r\n"), 0xff),
    ] {
        assert_eq!(decode_patch(&bytes).unwrap(), text, "{bytes:?}");
    }
    assert_eq!(decode_patch(b"a\r\n").unwrap(), "a\r\n");
    for (bytes, expect) in [
        (&b"a\nb\xe9\n"[..], "line 2 is not valid UTF-8 (byte 0xe9)"),
        (b"-\0-\0", "UTF-16 text without a byte order mark"),
        (b"\0-\0-", "UTF-16 text without a byte order mark"),
        (b"\xff\xfe-", "ends within a character"),
        (b"\xff\xfe\x00\xd8", "not valid UTF-16"),
        (b"\xff\xfe\0\0", "UTF-32"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"PK\x03\x04", "a zip archive"),
    ] {
        let error = decode_patch(bytes).unwrap_err().to_string();
        assert!(error.contains(expect), "{bytes:?}: {error}");
    }
}

#[test]
fn no_cut_or_changed_patch_ends_the_program() {
    let patch = "diff --git \"a/\\303\\274\" \"b/\\303\\274\"\nold mode 100644\nnew mode 100755\n\
                 --- \"a/\\303\\274\"\n+++ \"b/\\303\\274\"\n@@ -1,2 +1,2 @@ fn\n-x\n+y\n ü\n\
                 \\ No newline at end of file\n";
    assert_eq!(parse(patch).unwrap().len(), 1);
    let (mut read, mut refused) = (0, 0);
    for at in (0..patch.len()).filter(|at| patch.is_char_boundary(*at)) {
        for put in ["", "\"", "\\", "\n", "-", "9", "ü", " "] {
            for end in [patch.len(), at] {
                let text = format!("{}{put}{}", &patch[..at], &patch[at..end]);
                match parse(&text) {
                    Ok(_) => read += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(read > 0 && refused > 0, "{read} {refused}");
}

#[test]
fn a_binary_file_is_not_taken_for_the_one_behind_it() {
    let text = "diff --git a/a.bin b/a.bin\nnew file mode 100644\nindex 0000000..1111111\n\
                Binary files /dev/null and b/a.bin differ\n\
                diff --git a/t.py b/t.py\nindex 2222222..3333333 100644\n--- a/t.py\n+++ b/t.py\n\
                @@ -1 +1 @@\n-a\n+b\n";
    let files = parse(text).unwrap();
    let seen: Vec<(&[u8], bool)> = files
        .iter()
        .map(|f| (f.action.path(), f.is_binary))
        .collect();
    assert_eq!(seen, [(&b"a.bin"[..], true), (&b"t.py"[..], false)]);
}
