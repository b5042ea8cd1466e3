//! Files of other tools, recognised by their keys. None of them can be judged.

use serde_json::Value;

const WAY_OUT: &str = "outpace needs paired, interleaved samples of fresh processes. \
     Hint: `outpace compare --whole-commands --base-cmd CMD --candidate-cmd CMD` takes them";

const HYPERFINE: &str = "an export of hyperfine: it ran one command after the other, so that what \
     the machine did meanwhile is part of the difference";
const CRITERION: &str = "an export of criterion: its samples come from one process and one version \
     at a time, so that there are no pairs";
const PYTEST: &str = "an export of pytest-benchmark: its rounds come from one process and one \
     version at a time, so that there are no pairs";

/// Places (JSON pointers) that an export has a value at.
const JSON: [(&[&str], &str); 6] = [
    (&["/results/0/command"], HYPERFINE),
    (&["/iters", "/times", "/sampling_mode"], CRITERION),
    (&["/mean", "/median", "/median_abs_dev"], CRITERION),
    (&["/reason", "/id", "/measured_values"], CRITERION),
    (&["/group_id", "/function_id", "/full_id"], CRITERION),
    (&["/benchmarks", "/machine_info"], PYTEST),
];

/// What a table (CSV) of an export begins with.
const TABLES: [(&str, &str); 3] = [
    ("command,mean,stddev,", HYPERFINE),
    ("group,function,value,", CRITERION),
    ("name,min,max,mean,stddev,", PYTEST),
];

/// What a JSON document lacks if it is the export of another tool.
pub(super) fn lacks(document: &Value) -> Option<String> {
    let has = |place: &&str| document.pointer(place).is_some();
    let (_, what) = JSON.iter().find(|(places, _)| places.iter().all(has))?;
    Some(format!("{what}; {WAY_OUT}"))
}

/// The same for the first line of a table.
pub(super) fn table_lacks(text: &str) -> Option<String> {
    let (_, what) = TABLES.iter().find(|(head, _)| text.starts_with(head))?;
    Some(format!("{what}; {WAY_OUT}"))
}
