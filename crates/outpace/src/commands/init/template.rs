//! The text of `outpace.toml`.

use super::project::Project;

/// A commented configuration. Values are written by a TOML writer: names of files are a stranger's.
pub(super) fn text(project: &Project) -> String {
    let mut lines = vec![
        "# What outpace needs to know of this repository. It is read from the base of a comparison,".into(),
        "# never from the candidate.".into(),
        "version = 1".into(),
        String::new(),
        "[workload.train]".into(),
        r#"track    = "throughput"    # the same mathematics in less time per token"#.into(),
    ];
    if !project.fetch.is_empty() {
        lines.push(format!(
            "fetch    = {}    # run on the base only, with a network",
            list(&project.fetch)
        ));
    }
    lines.push(format!("build    = {}", list(&project.build)));
    if let Some(from) = &project.cache_from {
        lines.push(format!(
            "cache_from = {}    # the first build begins with what you have compiled already",
            one(from)
        ));
    }
    lines.push(format!("run      = {}", list(&project.run)));
    if !project.data.is_empty() {
        lines.push(format!(
            "data     = {}    # not in git; both sides see it, records carry its hash",
            list(&project.data)
        ));
    }
    lines.extend(protocol(project));
    lines.extend(REST.lines().map(str::to_owned));
    let editable = list(&project.editable);
    lines.join("\n").replace("@EDITABLE@", &editable) + "\n"
}

fn protocol(project: &Project) -> Vec<String> {
    if project.speaks {
        return vec!["# It speaks the step protocol (docs/protocol.md), so single turns are timed and losses compared.".into()];
    }
    [
        "# The whole command is timed, and nothing but `verify` checks its results. Give it arguments that",
        "# make it short: seconds, not hours. A program that speaks the step protocol is timed turn by turn",
        "# and its losses are compared (Python: three to five lines, docs/howto-pytorch.md); then leave this out:",
        "protocol = \"process\"",
    ]
    .map(str::to_owned)
    .into()
}

fn one(word: &str) -> String {
    toml::Value::from(word).to_string()
}

fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| one(word)).collect();
    format!("[{}]", words.join(", "))
}

const REST: &str = r#"# verify   = ["pytest", "-q"]     # must pass on the candidate
# evaluate = [...]                # prints {"loss": ..., "tokens": ...}; gets --checkpoint FILE --data-seed N
# reads    = ["configs/**"]       # files that the program reads when it runs; default: all
# steps_per_run = 10000           # steps of a real run, over which start and exit are spread
# timeout  = "60s"                # longest wait for one answer, or for a whole command
# threads  = 8                    # of OpenMP, MKL, OpenBLAS, rayon, on both sides alike
# pin      = true                 # keep both sides on the same cores, as many as `threads`
# gpu      = "auto"               # where both live on GPUs: none, auto, shared, apart, alternating

[policy]
editable = @EDITABLE@    # what a patch may change: never build scripts, tests or data
max_patch_kib = 64

[gate]
alpha = 0.01                      # how often a patch that is not faster may be called faster
min_speedup = 0.005               # the gain that must be exceeded
max_blocks = 100
max_seconds = 3600                # of its blocks, and of its isolated runs

# Values that `outpace research --agent tune` may try.
# [[tunable]]
# file = "src/kernel.rs"
# const = "TILE"
# values = [16, 32, 64]

# An agent is any command; its patch is what it leaves in its worktree.
# [agent.claude]
# command = ["claude", "-p", "{prompt}", "--output-format", "json", "--permission-mode", "acceptEdits"]
# pass_env = ["ANTHROPIC_API_KEY"]
# timeout = "20m""#;
