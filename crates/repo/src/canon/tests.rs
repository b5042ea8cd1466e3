use super::*;

fn hash(path: &str, old: &str, new: &str) -> Canonical {
    let version = |text: &str| {
        Some(Version {
            content: text.as_bytes().to_vec(),
            mode: 0o100_644,
        })
    };
    canonical(&mut [Change {
        path: path.into(),
        old: version(old),
        new: version(new),
    }])
    .unwrap()
}

#[test]
fn near_copies_have_the_same_hash() {
    let base = "fn f() {\n    let n = 4;\n    go(n);\n}\n";
    let same = [
        "fn f() {\n    let n = 8;\n    go(n);\n}\n",
        "fn f() {\n\tlet n  =  8;   \n\n\n    go(n);\n}\n",
        "// why\nfn f() {\n    let n = 8; // wider\n    go(n);\n}\n",
        "fn f() {\n    let n=8;\n    go( n );\n}\n",
        "fn f() { /* a\n b */\n    let n = /* 4 */ 8;\n    go(n);\n}\n",
    ];
    let first = hash("k.rs", base, same[0]).sha256;
    for new in same {
        assert_eq!(hash("k.rs", base, new).sha256, first, "{new}");
    }
    let moved = ["use a;\n\n\n", base, "fn g() {}\n"].concat();
    assert_eq!(
        hash("k.rs", &moved, &moved.replace("= 4", "= 8")).sha256,
        first
    );
    for other in [
        "fn f() {\n    let n = 9;\n    go(n);\n}\n",
        "fn f() {\n    go(n);\n    let n = 8;\n}\n",
    ] {
        assert_ne!(hash("k.rs", base, other).sha256, first, "{other}");
    }
    assert_ne!(hash("other.rs", base, same[0]).sha256, first);
}

#[test]
fn only_what_changes_no_code_counts_as_comment() {
    let table = [
        ("a.rs", "f();\n", "// x\nf();\n", true),
        ("a.rs", "f();\n", "/* x /* y */ */ f();\n", true),
        ("a.rs", "f();\n", "/* f(); */\n", false),
        ("a.rs", "f(\"a//b\");\n", "f(\"a//c\");\n", false),
        ("a.rs", "f(\"a b\");\n", "f(\"a  b\");\n", false),
        ("a.rs", "f(r#\"\"//a\"#);\n", "f(r#\"\"//b\"#);\n", false),
        ("a.rs", "f('\"'); // a\n", "f('\"'); // b\n", true),
        (
            "a.rs",
            "fn f<'a>(x: &'a str) {} // a\n",
            "fn f<'a>(x: &'a str) {} // b\n",
            true,
        ),
        ("a.rs", "f(\"a\\\"//b\");\n", "f(\"a\\\"//c\");\n", false),
        ("a.rs", "f(\"a\n\nb\");\n", "f(\"a\nb\");\n", false),
        ("a.rs", "a & &b\n", "a && b\n", false),
        ("a.cu", "f();\n", "// \\\nf();\n", false),
        ("a.cu", "f();\n// x\ng();\n", "f();\n// x \\\ng();\n", false),
        (
            "a.cu",
            "int n = 1'000; // a\n",
            "int n = 1'000; // b\n",
            true,
        ),
        ("a.c", "#define F (x)\n", "#define F(x)\n", false),
        ("a.cpp", "f(R\"x(//a)x\");\n", "f(R\"x(//b)x\");\n", false),
        ("a.py", "x = 1  # a\n", "x = 1\n", true),
        (
            "a.py",
            "if x:\n    f()\n    g()\n",
            "if x:\n    f()\ng()\n",
            false,
        ),
        ("a.py", "x = '#a'\n", "x = '#b'\n", false),
        ("a.toml", "a = 1 # x\n", "a=1\n", true),
        ("a.toml", "a = '\\' # x\n", "a = '\\' # y\n", true),
        ("a.toml", "a = \"#x\"\n", "a = \"#y\"\n", false),
        ("a.sh", "echo $# # x\n", "echo $# # y\n", true),
        ("a.sh", "echo a#b\n", "echo a#c\n", false),
        ("a.sh", "cat <<E\n# a\nE\n", "cat <<E\n# b\nE\n", false),
        ("a.txt", "a b\n", "a  b\n", false),
        ("a.yaml", "a: 1\n", "a: 1 # x\n", false),
    ];
    for (path, old, new, expect) in table {
        assert_eq!(
            hash(path, old, new).only_comments,
            expect,
            "{path}: {old:?} -> {new:?}"
        );
    }
}
