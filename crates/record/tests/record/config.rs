//! `outpace.toml`: defaults, and what is said of a wrong one.

use outpace_record::{parse_config, parse_duration};

const MINIMAL: &str =
    "version = 1\n[workload.w]\nrun = [\"true\"]\n[policy]\neditable = [\"src/**\"]\n";

#[test]
fn the_minimal_configuration_has_the_documented_defaults() {
    let config = parse_config(MINIMAL, "outpace.toml").unwrap();
    let gate = &config.gate;
    assert_eq!(
        (gate.alpha, gate.fdr, gate.min_speedup),
        (0.01, 0.05, 0.005)
    );
    assert_eq!(
        (gate.max_blocks, gate.campaign_max_blocks, gate.pairs),
        (100, 48, 40)
    );
    assert_eq!(config.policy.max_patch_kib, 64);
}

#[test]
fn configuration_errors_name_place_key_and_nearest_key() {
    let check = |from: &str, to: &str, parts: &[&str]| {
        let text = MINIMAL.replace(from, to);
        let error = parse_config(&text, "outpace.toml").unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{to:?}: `{part}` is not in `{error}`");
        }
    };
    check(
        "run =",
        "rnu =",
        &["outpace.toml:3", "rnu", "did you mean `run`"],
    );
    check(
        "run = [\"true\"]",
        "run = \"true\"",
        &[
            "outpace.toml:3",
            "workload.w.run: must be an array, is the string \"true\"",
        ],
    );
    check(
        "run = [\"true\"]",
        "run = []",
        &["outpace.toml:3", "workload.w.run", "empty"],
    );
    check(
        "run = [\"true\"]",
        "run = [\"true\"]\ntrack = \"troughput\"",
        &["outpace.toml:4", "did you mean `throughput`"],
    );
    check(
        "run = [\"true\"]",
        "run = [\"true\"]\ntimeout = \"5 years\"",
        &[
            "outpace.toml:4",
            "workload.w.timeout",
            "`5 years` is not a duration",
            "90s",
        ],
    );
    check(
        "version = 1",
        "version = 1\n[agent.tune]\ncommand = [\"x\"]",
        &["agent.tune", "take another one"],
    );
    check(
        "version = 1",
        "version = 2",
        &["outpace.toml:1", "version 1"],
    );
    check(
        "version = 1",
        "version = 1\n[gate]\nalpha = 1.5",
        &["outpace.toml:3", "gate.alpha", "1.5"],
    );
    check(
        "version = 1",
        "version = 1\n[gate]\nworkloads = [\"x\"]",
        &["gate.workloads", "[workload.x]"],
    );
    check(
        "[policy]",
        "[plicy]",
        &["outpace.toml:4", "did you mean `policy`"],
    );
    check(
        "editable = [\"src/**\"]",
        "editable = []",
        &["policy.editable", "no patch can ever pass"],
    );
    check("[workload.w]", "[workload.\"../w\"]", &["letters, digits"]);
    check(
        "version = 1",
        "version = 1\n[[tunable]]\nfile = \"a\"\nvalues = [1, 2]",
        &["either a `key`"],
    );
    check(
        "version = 1",
        "version = 1\n[sandbox]\nread = [\"/data\", \"../corpus\"]",
        &[
            "outpace.toml:3",
            "sandbox.read",
            "`../corpus` must be an absolute path",
        ],
    );
    check(
        "version = 1",
        "version = 1\n[agent.x]\ncommand = [\"x\"]\nconfig = [\"~/.x\", \".x\"]",
        &[
            "outpace.toml:4",
            "agent.x.config",
            "`.x` must begin with `/` or `~/`",
        ],
    );
    check("version = 1", "version = ", &["outpace.toml:1"]);
}

/// Every key, by table, with the types that it takes.
const KEYS: [(&str, &str, &str); 48] = [
    ("", "version", "integer"),
    ("", "workload", "table"),
    ("", "policy", "table"),
    ("", "gate", "table"),
    ("", "agent", "table"),
    ("", "tunable", "array"),
    ("", "machine", "table"),
    ("machine", "class", "string"),
    ("", "sandbox", "table"),
    ("sandbox", "require", "string"),
    ("sandbox", "read", "array"),
    ("sandbox", "write", "array"),
    ("agent.a", "config", "array"),
    ("agent.a", "network", "boolean"),
    ("workload.w", "track", "string"),
    ("workload.w", "fetch", "array"),
    ("workload.w", "build", "array"),
    ("workload.w", "cache_from", "string"),
    ("workload.w", "cwd", "string"),
    ("workload.w", "run", "array"),
    ("workload.w", "evaluate", "array"),
    ("workload.w", "profile", "array"),
    ("workload.w", "protocol", "string"),
    ("workload.w", "verify", "array"),
    ("workload.w", "reads", "array"),
    ("workload.w", "env", "table"),
    ("workload.w", "check_steps", "integer"),
    ("workload.w", "timeout", "string"),
    ("workload.w", "build_timeout", "string"),
    ("workload.w", "memory_mib", "integer"),
    ("workload.w", "gpu", "string"),
    ("policy", "editable", "array"),
    ("policy", "max_patch_kib", "integer"),
    ("gate", "alpha", "float integer"),
    ("gate", "fdr", "float integer"),
    ("gate", "min_speedup", "float integer"),
    ("gate", "min_turn_ms", "float integer"),
    ("gate", "max_blocks", "integer"),
    ("gate", "campaign_max_blocks", "integer"),
    ("gate", "pairs", "integer"),
    ("gate", "workloads", "array"),
    ("agent.a", "command", "array"),
    ("agent.a", "timeout", "string"),
    ("agent.a", "pass_env", "array"),
    ("tunable", "file", "string"),
    ("tunable", "key", "string"),
    ("tunable", "const", "string"),
    ("tunable", "workloads", "array"),
];

/// A value of each type of TOML.
const VALUES: [(&str, &str); 8] = [
    ("string", "\"text\""),
    ("integer", "7"),
    ("integer that is negative", "-7"),
    ("float", "1.5"),
    ("boolean", "true"),
    ("array", "[]"),
    ("table", "{}"),
    ("date", "2026-05-19"),
];

/// A configuration with one more key, and the line of that key.
fn with_key(table: &str, key: &str, value: &str) -> (String, usize) {
    let mut tables = vec![
        ("", vec!["version = 1"]),
        ("[workload.w]", vec!["run = [\"true\"]"]),
        ("[policy]", vec!["editable = [\"src/**\"]"]),
        ("[gate]", vec![]),
        ("[machine]", vec![]),
        ("[sandbox]", vec![]),
        ("[agent.a]", vec!["command = [\"true\"]"]),
        (
            "[[tunable]]",
            vec!["file = \"f\"", "key = \"k\"", "values = [1, 2]"],
        ),
    ];
    let added = format!("{key} = {value}");
    if table.is_empty() {
        let own = |head: &str| head.trim_matches(['[', ']']).split('.').next() == Some(key);
        tables.retain(|(head, _)| !own(head));
    }
    let named = |head: &str| head.trim_matches(['[', ']']) == table;
    let (_, keys) = tables.iter_mut().find(|(head, _)| named(head)).unwrap();
    keys.retain(|line| line.split(" =").next() != Some(key));
    keys.push(&added);
    let lines: Vec<&str> = tables
        .iter()
        .flat_map(|(head, keys)| [&[*head], &keys[..]].concat())
        .collect();
    let line = lines.iter().position(|line| *line == added).unwrap() + 1;
    (lines.join("\n"), line)
}

#[test]
fn a_wrong_type_is_named_by_line_and_key_in_the_words_of_toml() {
    const RUST: [&str; 14] = [
        "expected",
        "invalid type",
        "sequence",
        "map",
        "struct",
        "u32",
        "u64",
        "usize",
        "f64",
        "field",
        "variant",
        "enum",
        "floating point",
        "element",
    ];
    for (table, key, right) in KEYS {
        for (kind, value) in VALUES {
            let (text, line) = with_key(table, key, value);
            let result = parse_config(&text, "outpace.toml");
            if right.split(' ').any(|right| right == kind) {
                // Of the right type, though it may be impossible for another reason.
                let message = result
                    .err()
                    .map(|error| error.to_string())
                    .unwrap_or_default();
                assert!(!message.contains(", is "), "{key} = {value}: {message}");
                continue;
            }
            let Err(error) = result else {
                panic!("{key} = {value} is taken")
            };
            let error = error.to_string();
            let place = format!("outpace.toml:{line}:");
            let name = match table {
                "" => key.to_owned(),
                "tunable" => format!("tunable (element 1).{key}"),
                table => format!("{table}.{key}"),
            };
            let message = error
                .split_once(&format!(" {name}: "))
                .map(|(_, message)| message);
            let message = message.unwrap_or_else(|| panic!("no `{name}` in: {error}"));
            assert!(error.starts_with(&place), "{key} = {value}: {error}");
            let word = RUST.iter().find(|word| message.contains(**word));
            assert_eq!(word, None, "{key} = {value}: {error}");
        }
    }
}

#[test]
fn messages_say_what_must_be_and_what_is() {
    for (table, key, value, expect) in [
        (
            "",
            "version",
            "\"1\"",
            "version: must be a whole number of at least 0, is the string \"1\"",
        ),
        (
            "gate",
            "pairs",
            "-7",
            "gate.pairs: must be a whole number of at least 0, is the integer -7",
        ),
        ("gate", "pairs", "1.5", "is the float 1.5"),
        (
            "gate",
            "pairs",
            "99999999999999999999",
            "is 99999999999999999999, which is too large",
        ),
        (
            "gate",
            "alpha",
            "true",
            "gate.alpha: must be a number, is true",
        ),
        (
            "workload.w",
            "run",
            "[\"a\", 5]",
            "workload.w.run (element 2): must be a string, is the integer 5",
        ),
        (
            "workload.w",
            "env",
            "{ A = 1 }",
            "workload.w.env.A: must be a string, is the integer 1",
        ),
        (
            "workload.w",
            "track",
            "\"troughput\"",
            "workload.w.track: unknown value `troughput`. Hint: did you mean `throughput`?",
        ),
        (
            "workload.w",
            "gpu",
            "\"nowhere\"",
            "Hint: available: none, auto, shared, apart, alternating",
        ),
        (
            "workload.w",
            "rnu",
            "[]",
            "unknown key `rnu`. Hint: did you mean `run`?",
        ),
        (
            "workload.w",
            "bananas",
            "[]",
            "unknown key `bananas`. Hint: available: track, fetch",
        ),
        (
            "gate",
            "workloads",
            "[\"v\"]",
            "gate.workloads: there is no [workload.v]. Hint: did you mean `w`?",
        ),
        ("machine", "class", "\"a/b\"", "machine.class: "),
        (
            "gate",
            "alpha",
            "0.5",
            "gate.alpha: 0.5 must be above 0 and below 0.5",
        ),
        (
            "gate",
            "min_speedup",
            "-0.1",
            "gate.min_speedup: -0.1 must be at least 0 and below 1",
        ),
        (
            "gate",
            "pairs",
            "0",
            "gate.pairs: 0 must be from 1 to 10000",
        ),
        (
            "gate",
            "max_blocks",
            "10001",
            "gate.max_blocks: 10001 must be from 1 to 10000",
        ),
        (
            "tunable",
            "values",
            "[1]",
            "tunable (f k).values: fewer than two values",
        ),
        (
            "tunable",
            "workloads",
            "[\"nothing\"]",
            "tunable (f k).workloads: there is no [workload.nothing]. Hint: available: w",
        ),
        (
            "policy",
            "max_patch_kib",
            "0",
            "policy.max_patch_kib: must be at least 1",
        ),
        (
            "workload.w",
            "check_steps",
            "0",
            "workload.w.check_steps: must be at least 1",
        ),
        (
            "workload.w",
            "track",
            "\"time-to-loss\"",
            "workload.w.text: the time-to-loss track needs",
        ),
        (
            "agent.a",
            "command",
            "[]",
            "agent.a.command: the command is empty",
        ),
    ] {
        let (text, line) = with_key(table, key, value);
        let error = parse_config(&text, "outpace.toml").unwrap_err().to_string();
        assert!(error.contains(expect), "{key} = {value}: {error}");
        // A key that is missing is placed at its table.
        let line = if expect.contains("needs") { 3 } else { line };
        assert!(
            error.starts_with(&format!("outpace.toml:{line}:")),
            "{error}"
        );
    }
    for (from, to, place) in [
        (
            "[workload.w]\nrun = [\"true\"]",
            "[workload]\nw = [[\"true\"]]",
            "4:1: workload.w",
        ),
        (
            "[agent.a]\ncommand = [\"true\"]",
            "[agent]\na = [[\"true\"]]",
            "12:1: agent.a",
        ),
    ] {
        let (text, _) = with_key("gate", "alpha", "0.01");
        let error = parse_config(&text.replace(from, to), "outpace.toml").unwrap_err();
        let expect = format!("outpace.toml:{place}: must be a table, is an array");
        assert_eq!(error.to_string(), expect);
    }
    let error = parse_config("tunable = [{ file = \"f\" }, []]", "outpace.toml").unwrap_err();
    let expect = "outpace.toml:1:28: tunable (element 2): must be a table, is an array";
    assert_eq!(error.to_string(), expect);
    let (text, _) = with_key("gate", "alpha", "0.01");
    let no_run = text.replace("run = [\"true\"]", "");
    let error = parse_config(&no_run, "outpace.toml")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "outpace.toml:3:11: workload.w: the key `run` is missing"
    );
    for (key, value) in [
        ("alpha", "0.499"),
        ("min_speedup", "0.0"),
        ("pairs", "1"),
        ("pairs", "10000"),
    ] {
        let (text, _) = with_key("gate", key, value);
        parse_config(&text, "outpace.toml").unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_key_is_found_however_its_table_is_written() {
    for text in [
        "version = 1\nworkload.w.run = []\npolicy.editable = [\"**\"]",
        "version = 1\nworkload = { w = { run = [] } }\npolicy.editable = [\"**\"]",
        "version = 1\n[ workload . \"w\" ] \nrun = []\n[policy]\neditable = [\"**\"]",
    ] {
        let error = parse_config(text, "outpace.toml").unwrap_err().to_string();
        let line = 1 + text.lines().position(|line| line.contains("run")).unwrap();
        assert!(
            error.starts_with(&format!("outpace.toml:{line}:")),
            "{error}"
        );
        assert!(
            error.contains("workload.w.run: the command is empty"),
            "{error}"
        );
    }
}

#[test]
fn durations() {
    for (text, seconds) in [
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d", 86400),
    ] {
        assert_eq!(parse_duration(text).unwrap().as_secs(), seconds, "{text}");
    }
    for text in [
        "",
        "10",
        "m",
        "-5m",
        "0s",
        "1.5h",
        "99999999999999999999h",
        "10 minutes",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

/// The keys of a table, as serde lists them for one that it does not know.
fn keys_of(head: &str) -> Vec<String> {
    let text = format!("version = 1\n{head}\nno-such-key = 1\n");
    let error = toml::from_str::<outpace_record::Config>(&text).unwrap_err();
    let (_, known) = error.message().split_once("expected ").unwrap();
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// A row of docs/configuration.md: section, keys, default.
fn reference() -> Vec<(String, Vec<String>, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        } else if line.starts_with("| `") {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let keys = cells[1].split('`').skip(1).step_by(2);
            let keys = keys.map(str::to_owned).collect();
            rows.push((
                section.clone(),
                keys,
                cells[3].trim_matches('`').replace(',', ""),
            ));
        }
    }
    rows
}

#[test]
fn every_key_is_in_the_reference_once_and_no_other() {
    let rows = reference();
    let mut all = 0;
    for (title, head) in [
        ("[workload.NAME]", "[workload.w]"),
        ("[policy]", "[policy]"),
        ("[gate]", "[gate]"),
        ("[sandbox]", "[sandbox]"),
        ("[machine]", "[machine]"),
        ("[agent.NAME]", "[agent.a]"),
        ("[[tunable]]", "[[tunable]]"),
    ] {
        let of_section = rows.iter().filter(|(section, ..)| section == title);
        let mut named: Vec<&String> = of_section.flat_map(|(_, keys, _)| keys).collect();
        let known = keys_of(head);
        let mut known: Vec<&String> = known.iter().collect();
        all += known.len();
        named.sort();
        known.sort();
        assert_eq!(named, known, "{title}");
    }
    assert!(all > 50, "{all}");
}

#[test]
fn the_defaults_of_the_reference_are_those_of_the_code() {
    let text = "version = 1\n[workload.w]\nrun = [\"x\"]\n[policy]\neditable = [\"**\"]\n\
                [agent.a]\ncommand = [\"x\"]\n";
    let config = parse_config(text, "outpace.toml").unwrap();
    let (gate, workload) = (&config.gate, &config.workload["w"]);
    let rows = reference();
    let minutes = |duration: std::time::Duration| duration.as_secs() / 60;
    for (section, key, default) in [
        ("[gate]", "alpha", gate.alpha.to_string()),
        ("[gate]", "fdr", gate.fdr.to_string()),
        ("[gate]", "min_speedup", gate.min_speedup.to_string()),
        ("[gate]", "max_blocks", gate.max_blocks.to_string()),
        (
            "[gate]",
            "campaign_max_blocks",
            gate.campaign_max_blocks.to_string(),
        ),
        ("[gate]", "max_seconds", gate.max_seconds.to_string()),
        ("[gate]", "pairs", gate.pairs.to_string()),
        ("[gate]", "min_turn_ms", gate.min_turn_ms.to_string()),
        (
            "[policy]",
            "max_patch_kib",
            config.policy.max_patch_kib.to_string(),
        ),
        (
            "[sandbox]",
            "require",
            config.sandbox.require.as_str().to_owned(),
        ),
        (
            "[workload.NAME]",
            "check_steps",
            workload.check_steps.to_string(),
        ),
        (
            "[workload.NAME]",
            "steps_per_run",
            workload.steps_per_run.to_string(),
        ),
        (
            "[workload.NAME]",
            "evaluate_tokens",
            workload.evaluate_tokens.to_string(),
        ),
        ("[workload.NAME]", "gpu", workload.gpu.as_str().to_owned()),
        ("[workload.NAME]", "pin", workload.pin.to_string()),
        (
            "[workload.NAME]",
            "timeout",
            format!("\"{}s\"", workload.timeout.as_secs()),
        ),
        (
            "[workload.NAME]",
            "build_timeout",
            format!("\"{}h\"", minutes(workload.build_timeout) / 60),
        ),
        (
            "[agent.NAME]",
            "timeout",
            format!("\"{}m\"", minutes(config.agent["a"].timeout)),
        ),
        (
            "[agent.NAME]",
            "network",
            config.agent["a"].network.to_string(),
        ),
    ] {
        let is_it = |row: &&(String, Vec<String>, String)| {
            row.0 == section && row.1.iter().any(|k| k == key)
        };
        let row = rows.iter().find(is_it).unwrap();
        assert_eq!(row.2, default, "{section} {key}");
    }
}
