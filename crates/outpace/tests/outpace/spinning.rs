//! Programs whose threads spin while they wait, and what `doctor` says of them: a real one with
//! OpenMP, if the machine has a C compiler that knows it.

use std::process::Command;

use crate::playground::{Outcome, Playground, SETTINGS};

/// A workload in Python, whose steps are parallel regions of OpenMP.
const WORKLOAD: &str = r#"
import ctypes, json, os, socket
work = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "work.so")).work
work.restype = ctypes.c_double
stream = socket.socket(socket.AF_UNIX)
stream.connect(os.environ["OUTPACE_SOCKET"])
lines = stream.makefile("rw")
def answer(**message):
    lines.write(json.dumps(message) + "\n")
    lines.flush()
answer(type="hello", protocol=1, can=[])
step = 0
for line in lines:
    asked = json.loads(line)
    if asked["type"] == "start":
        answer(type="ready")
    elif asked["type"] == "step":
        losses = [work(200000) for _ in range(asked["n"])]
        step += asked["n"]
        answer(type="done", step=step, losses=losses)
    else:
        break
"#;

const WORK: &str = r#"
double work(int n) {
    double sum = 0.0;
    #pragma omp parallel for reduction(+ : sum) num_threads(2)
    for (int i = 1; i < n; i++) sum += 1.0 / ((double)i * i);
    return sum;
}
"#;

/// What `doctor` says of it with these lines in its configuration.
fn doctor(lines: &str) -> Option<Outcome> {
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
    play.write("train.py", WORKLOAD);
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
    let Some(spinning) = doctor("env = { OMP_WAIT_POLICY = \"ACTIVE\" }\n") else {
        return;
    };
    spinning.says(&["uses CPU for", "OMP_WAIT_POLICY"]);
    let passive = doctor("env = { OMP_WAIT_POLICY = \"PASSIVE\" }\n").unwrap();
    assert!(
        !passive.stdout.contains("uses CPU for"),
        "{}",
        passive.stdout
    );
}

#[test]
fn threads_and_cores_are_set_for_both_sides_alike() {
    let show = "import json, os, sys\n\
                cores = len(os.sched_getaffinity(0))\n\
                print(cores, os.environ.get('OMP_NUM_THREADS'), os.environ['MKL_NUM_THREADS'])\n\
                sys.exit(cores != 1 or os.environ['RAYON_NUM_THREADS'] != '1')\n";
    let play = Playground::with_config(SETTINGS, |config| {
        config
            .replace(
                "run = [\"{toy}\", \"train\", \"settings.toml\"]",
                "run = [\"python3\", \"show.py\"]",
            )
            .replace(
                "evaluate = [\"{toy}\", \"evaluate\", \"settings.toml\"]\n",
                "protocol = \"process\"\nthreads = 1\npin = true\n",
            )
    });
    play.write("show.py", show);
    play.commit("show");
    play.outpace(&["bench", "--processes", "1"]).expect(0);
}
