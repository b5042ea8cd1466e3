//! Programs whose threads spin while they wait, and what `doctor` says of them: a real one with
//! OpenMP, if the machine has a C compiler that knows it.

use std::process::Command;

use crate::playground::{Outcome, Playground, SETTINGS};

/// A workload in Python, whose steps are parallel regions of OpenMP.
const WORKLOAD: &str = r#"
import ctypes, os
import outpace_step
work = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "work.so")).work
work.restype = ctypes.c_double
outpace_step.start(with_model=False)
for step in outpace_step.steps(range(1)):
    outpace_step.loss(work(200000))
"#;

/// The module that speaks the protocol for it.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/outpace_step/src");

const WORK: &str = r#"
double work(int n) {
    double sum = 0.0;
    #pragma omp parallel for reduction(+ : sum) num_threads(2)
    for (int i = 1; i < n; i++) sum += 1.0 / ((double)i * i);
    return sum;
}
"#;

/// A repository whose workload is this script in Python, with more lines in its configuration.
fn script(text: &str, lines: &str) -> Playground {
    let play = Playground::with_config(SETTINGS, |config| {
        config
            .replace(
                "run = [\"{toy}\", \"train\", \"settings.toml\"]",
                "run = [\"python3\", \"train.py\"]",
            )
            .replace(
                "evaluate = [\"{toy}\", \"evaluate\", \"settings.toml\"]\n",
                lines,
            )
    });
    play.write("train.py", text);
    play
}

/// What `doctor` says of the workload under this policy of waiting.
fn doctor(policy: &str) -> Option<Outcome> {
    let env = format!("env = {{ OMP_WAIT_POLICY = \"{policy}\", PYTHONPATH = \"{MODULE}\" }}\n");
    let play = script(WORKLOAD, &env);
    play.write("work.c", WORK);
    let library = play.path().join("work.so");
    let built = Command::new("gcc")
        .args(["-O1", "-shared", "-fPIC", "-fopenmp", "-o"])
        .arg(&library)
        .arg(play.path().join("work.c"))
        .output();
    if !built.is_ok_and(|built| built.status.success()) {
        eprintln!("skipped: no gcc with OpenMP");
        return None;
    }
    play.commit("a workload with OpenMP");
    Some(play.outpace(&["doctor", "--blocks", "3"]).expect(0))
}

#[test]
fn threads_that_spin_are_named_with_what_helps() {
    // Two of them, whatever the machine has.
    let Some(spinning) = doctor("ACTIVE") else {
        return;
    };
    spinning.says(&["uses CPU for", "OMP_WAIT_POLICY"]);
    let passive = doctor("PASSIVE").unwrap();
    assert!(
        !passive.stdout.contains("uses CPU for"),
        "{}",
        passive.stdout
    );
}

#[test]
fn threads_and_cores_are_set_for_both_sides_alike() {
    let show = "import os, sys\n\
                cores = len(os.sched_getaffinity(0))\n\
                print(cores, os.environ.get('OMP_NUM_THREADS'), os.environ['MKL_NUM_THREADS'])\n\
                sys.exit(cores != 1 or os.environ['RAYON_NUM_THREADS'] != '1')\n";
    let play = script(show, "protocol = \"process\"\nthreads = 1\npin = true\n");
    play.commit("show");
    play.outpace(&["bench", "--processes", "1"]).expect(0);
}
