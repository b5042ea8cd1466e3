//! Trials on GPUs, with real processes and a driver library that stands in NVIDIA's place
//! (tests/nvml). The toy pretends to hold memory and to be busy; everything between it and
//! the verdict is real.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::playground::{OUT_OF_THE_BOX, Outcome, Playground, SETTINGS, toys_alive};

/// A playground on a machine with GPUs.
struct Machine {
    play: Playground,
    gpu: TempDir,
}

/// The library in a folder of its own, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nvml");
        std::fs::create_dir_all(&folder).unwrap();
        compile("fake.c", &folder.join("libnvidia-ml.so.1"), &[]);
        folder
    })
}

/// A library from a source in tests/nvml.
fn compile(source: &str, library: &Path, options: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nvml");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let made = Command::new(compiler)
        .args(["-std=gnu11", "-O1", "-shared", "-fPIC", "-o"])
        .arg(library)
        .arg(Path::new(folder).join(source))
        .args(options)
        .arg("-pthread")
        .status();
    assert!(made.unwrap().success(), "{source} does not compile");
}

impl Machine {
    /// `settings` of the GPUs, `toy` of the workload, and lines for its section of outpace.toml.
    fn new(settings: &str, toy: &str, section: &str) -> Self {
        let gpu = TempDir::new().unwrap();
        std::fs::create_dir(gpu.path().join("pids")).unwrap();
        std::fs::write(gpu.path().join("settings"), settings).unwrap();
        let env = format!("env = {{ FAKE_GPU = \"{}\" }}", gpu.path().display());
        let play = Playground::with_config(toy, |config| {
            config.replace(
                "check_steps = 8",
                &format!("check_steps = 8\n{env}\n{section}"),
            )
        });
        Self { play, gpu }
    }

    fn outpace(&self, args: &[&str]) -> Outcome {
        let output = self
            .play
            .command(args)
            // This driver is told its users by the numbers that they see of themselves.
            .arg(OUT_OF_THE_BOX)
            .env("LD_LIBRARY_PATH", library())
            .env("FAKE_GPU", self.gpu.path())
            .env_remove("CUDA_VISIBLE_DEVICES")
            .output()
            .unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The base against itself, to the end.
    fn against_itself(&self) -> Outcome {
        self.outpace(&[
            "compare",
            "HEAD",
            "HEAD",
            "--aa",
            "--json",
            "--max-blocks",
            "8",
        ])
    }

    /// A gate for a patch that changes the settings of the toy.
    fn gate(&self, toy: &str) -> Outcome {
        let patch = self.play.patch("p.patch", "settings.toml", toy);
        self.outpace(&["gate", "--patch", patch.to_str().unwrap(), "--json"])
    }
}

/// The toy with memory on a GPU.
fn toy(mib: u32, mode: &str) -> String {
    format!("{}gpu_mib = {mib}\n", SETTINGS.replace("good", mode))
}

fn conditions(verdict: &Value) -> Vec<&Value> {
    let blocks = verdict["blocks"].as_array().unwrap();
    blocks
        .iter()
        .flat_map(|b| b["gpus"].as_array().unwrap())
        .collect()
}

#[test]
fn both_live_on_one_gpu_where_both_fit() {
    let machine = Machine::new("gpus 1\nthrottle 0x4\n", &toy(3000, "good"), "");
    let outcome = machine.against_itself().expect(1).says(&[
        "both on GPU 0 (Fake GPU): 3000 and 3000 MiB of 8192",
        "(power cap)",
    ]);
    let verdict = outcome.json();
    let gpus = conditions(&verdict);
    assert!(gpus.len() >= 8, "every block has its conditions");
    for gpu in gpus {
        assert_eq!(gpu["device"], "GPU-fake-0-0");
        assert_eq!(gpu["memory_mib"][2], 6000.0, "both were there: {gpu}");
        assert_eq!(gpu["throttled"]["power cap"], 1.0);
        assert_eq!(gpu["power_w"][1], 412.3);
    }
    assert_eq!(
        verdict["blocks"][0]["idle_gpu"],
        serde_json::json!([0.0, 0.0]),
        "the first block is listened to"
    );
    assert_eq!(
        verdict["machine"]["gpus"][0],
        "Fake GPU, 570.86.15, 700.00 W, 8192 MiB"
    );
}

#[test]
fn one_after_the_other_where_they_do_not_fit() {
    // The toy ends if it is not alone.
    for settings in ["gpus 1\n", "gpus 1\nexclusive 1\nmemory_mib 50000\n"] {
        let machine = Machine::new(settings, &toy(5000, "gpu_alone"), "");
        let outcome = machine
            .against_itself()
            .expect(1)
            .says(&["one after the other on GPU 0 (Fake GPU): 5000 and 5000 MiB"]);
        let verdict = outcome.json();
        let pairs = verdict["blocks"][0]["pairs"].as_array().unwrap();
        assert!((3..=13).contains(&pairs.len()), "{}", pairs.len());
        assert!(
            conditions(&verdict)
                .iter()
                .all(|gpu| gpu["memory_mib"][2] == 5000.0)
        );
    }
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn a_gpu_each_where_there_are_two_equal_ones() {
    let machine = Machine::new("gpus 2\n", &toy(5000, "gpu_alone"), "");
    let outcome = machine
        .against_itself()
        .expect(1)
        .says(&["one each of GPU 0 (Fake GPU), GPU 1 (Fake GPU), drawn for every block"]);
    let verdict = outcome.json();
    let base_on: Vec<&Value> = conditions(&verdict)
        .into_iter()
        .filter(|gpu| gpu["side"] == "base")
        .map(|gpu| &gpu["device"])
        .collect();
    assert_eq!(base_on.len(), verdict["blocks"].as_array().unwrap().len());
    assert!(
        base_on.windows(2).any(|two| two[0] != two[1]),
        "the places are drawn anew: {base_on:?}"
    );
}

#[test]
fn work_on_the_gpu_while_both_wait_is_refused() {
    let machine = Machine::new("gpus 1\n", &toy(3000, "good"), "");
    let verdict = machine.gate(&toy(3000, "gpu_busy")).expect(4).json();
    assert_eq!(verdict["verdict"], "rejected");
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.contains("while both waited"), "{reason}");
    assert_eq!(
        verdict["blocks"][0]["idle_gpu"],
        serde_json::json!([0.0, 0.4])
    );
}

#[test]
#[ignore = "long: ci/nightly.sh"]
fn a_gain_that_is_not_there_alone_is_refused() {
    // A step that sleeps is as long on a busy machine. Two thirds of the candidate's are left to
    // the base's turns.
    let slow = |mode: &str| toy(3000, mode).replace("spin = 400", "spin = 1\ngpu_ms = 20");
    let machine = Machine::new("gpus 1\n", &slow("good"), "");
    let verdict = machine.gate(&slow("gpu_late")).expect(1).json();
    let reason = verdict["reason"].as_str().unwrap();
    assert!(reason.contains("one process at a time"), "{reason}");
    assert!(
        verdict["at_least"].as_f64().unwrap() > 0.0,
        "side by side it is faster"
    );
    assert!(!verdict["alone"].as_array().unwrap().is_empty());
}

#[test]
fn a_gain_that_is_there_alone_too_is_one() {
    let faster =
        |ms: u32| toy(3000, "good").replace("spin = 400", &format!("spin = 1\ngpu_ms = {ms}"));
    let machine = Machine::new("gpus 2\n", &faster(30), "gpu = \"apart\"");
    let verdict = machine.gate(&faster(15)).expect(0).json();
    let alone = verdict["alone"].as_array().unwrap();
    assert!(alone.len() >= 5, "{} blocks", alone.len());
    for block in alone {
        let gpus = block["gpus"].as_array().unwrap();
        assert_eq!(gpus.len(), 1, "both on one GPU: {gpus:?}");
    }
}

#[test]
fn work_of_somebody_that_the_driver_does_not_name_is_no_verdict() {
    let machine = Machine::new("gpus 1\nhide_pids 1\n", &toy(3000, "good"), "");
    machine.against_itself().expect(1);
    machine
        .gate(&toy(3000, "gpu_busy"))
        .expect(5)
        .says(&["40 % busy while both programs waited", "--pid=host"]);
}

#[test]
fn a_gpu_that_tells_little_is_used_with_care() {
    // Neither the instances of a divided GPU nor those without memory of their own say all; nothing
    // is claimed of them.
    let machine = Machine::new("gpus 1\nmig 1\n", &toy(3000, "gpu_busy"), "");
    let verdict = machine.against_itself().expect(1).json();
    assert_eq!(verdict["blocks"][0].get("idle_gpu"), None);
    let machine = Machine::new("gpus 1\nmemory_mib 0\n", &toy(3000, "gpu_alone"), "");
    machine
        .against_itself()
        .expect(1)
        .says(&["one after the other on GPU 0 (Fake GPU)"]);
}

#[test]
fn a_gpu_that_is_full_ends_the_trial_and_not_the_campaign() {
    let machine = Machine::new("gpus 1\n", &toy(3000, "good"), "");
    machine.gate(&toy(3000, "gpu_full")).expect(5).says(&[
        "is full with both programs on it",
        "gpu = \"alternating\"",
        "OUT_OF_MEMORY",
    ]);
    assert_eq!(toys_alive(machine.play.path()), Vec::<String>::new());
    let config = std::fs::read_to_string(machine.play.path().join("outpace.toml")).unwrap();
    let modes = "key = \"mode\"\nvalues = [\"good\", \"gpu_full\", \"gpu_busy\"]";
    let config = config.replace("key = \"spin\"\nvalues = [400, 300, 500, 200]", modes);
    machine.play.write("outpace.toml", &config);
    machine.play.commit("modes to tune");
    let campaign = ["research", "--agent", "tune", "--into", "x", "--json"];
    let report = machine.outpace(&campaign).expect(0).json();
    let attempts = report["attempts"].as_array().unwrap();
    let begins = |attempt: &Value| attempt["reason"].as_str().unwrap()[..24].to_owned();
    let reasons: Vec<String> = attempts.iter().map(begins).collect();
    assert_eq!(
        reasons,
        ["no verdict: toy: GPU 0 (", "most of a GPU that the c"],
        "{report}"
    );
}

#[test]
fn a_gpu_that_disappears_is_the_environments_fault() {
    let machine = Machine::new("gpus 1\n", &toy(3000, "good"), "");
    machine.gate(&toy(3000, "gpu_lost")).expect(5).says(&[
        "GPU 0 (Fake GPU): device fell off the bus",
        "xid",
        "exit code 3",
    ]);
}

#[test]
fn what_cannot_be_is_said() {
    let check = |settings: &str, mib: u32, gpu: &str, part: &str| {
        let machine = Machine::new(settings, &toy(mib, "good"), &format!("gpu = \"{gpu}\""));
        machine.against_itself().expect(5).says(&[part]);
    };
    check(
        "gpus 0\n",
        0,
        "shared",
        "the workload wants one (gpu = \"shared\")",
    );
    check(
        "gpus 1\n",
        5000,
        "shared",
        "need 5000 and 5000 MiB of GPU 0 (Fake GPU), which has 7946",
    );
    check("gpus 1\n", 3000, "apart", "needs two equal GPUs");
    let machine = Machine::new("gpus 1\n", &toy(1, "good"), "gpu = \"both\"");
    machine
        .against_itself()
        .expect(2)
        .says(&["outpace.toml:", "both"]);
}

#[test]
fn a_workload_without_a_gpu_is_not_watched() {
    let machine = Machine::new("gpus 1\n", SETTINGS, "");
    let verdict = machine.against_itself().expect(1).json();
    assert_eq!(verdict["blocks"][0].get("gpus"), None);
    assert_eq!(verdict["blocks"][0].get("idle_gpu"), None);
    let machine = Machine::new("gpus 1\n", &toy(3000, "good"), "gpu = \"none\"");
    let verdict = machine.against_itself().expect(1).json();
    assert_eq!(verdict["blocks"][0].get("gpus"), None);
}

#[test]
fn doctor_shows_the_gpus_and_how_they_are_divided() {
    let doctor = |settings: &str| {
        let machine = Machine::new(settings, SETTINGS, "");
        machine.outpace(&["doctor", "--no-measure"]).expect(0)
    };
    doctor("gpus 1\nthrottle 0x40\n").says(&[
        "GPU 0 (Fake GPU)   345 of 1980 MHz   61 °C   412 of 700 W   0 of 8192 MiB in use   throttled: heat",
    ]);
    doctor("gpus 1\nmig 2\n").says(&["MIG 1g.10gb", "8192 MiB, MIG", "GPU 0, MIG instance 0"]);
    Machine::new("gpus 1\nthrottle 0x4\n", &toy(3000, "good"), "")
        .outpace(&["doctor", "--blocks", "2"])
        .expect(0)
        .says(&["both on GPU 0", "throttled in 2 of 2 blocks (power cap)"]);
    let machine = Machine::new("gpus 1\n", SETTINGS, "");
    std::fs::write(machine.gpu.path().join("control"), "").unwrap();
    let output = machine
        .play
        .command(&["doctor", "--no-measure"])
        .env("LD_LIBRARY_PATH", library())
        .env("FAKE_GPU", machine.gpu.path())
        .env("CUDA_MPS_PIPE_DIRECTORY", machine.gpu.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("8192 MiB, MPS") && text.contains("is shared by MPS"),
        "{text}"
    );
}

/// The device of a GPU, or null under such a name, which only root can make.
struct GpuDevice(PathBuf);

impl GpuDevice {
    fn made() -> Option<Self> {
        let path = PathBuf::from(format!("/dev/nvidia-test-{}", std::process::id()));
        let made = Command::new("mknod")
            .arg(&path)
            .args(["c", "1", "3"])
            .output();
        made.is_ok_and(|made| made.status.success())
            .then_some(Self(path))
    }
}

impl Drop for GpuDevice {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn whether_cuda_starts_in_a_tier_is_tried() {
    let Some(device) = GpuDevice::made() else {
        eprintln!("NOT TESTED: only root can make a file for a device");
        return;
    };
    let play = Playground::new(SETTINGS);
    let canary = play.path().join("canary");
    std::fs::write(&canary, "").unwrap();
    let named = format!("-DDEVICE=\"{}\"", device.0.display());
    let doctor = |folder: &str, options: &[&str]| {
        let folder = TempDir::with_prefix(folder).unwrap();
        let options = [options, &[&*named][..]].concat();
        compile("cuda.c", &folder.path().join("libcuda.so.1"), &options);
        let mut command = play.command(&["doctor", "--no-measure"]);
        command.env("LD_LIBRARY_PATH", folder.path());
        let said = command.output().unwrap().stdout;
        String::from_utf8(said).unwrap()
    };
    let works = doctor("works", &[]);
    let held: Vec<&str> = works
        .lines()
        .filter(|line| line.contains("tried, and"))
        .collect();
    if held.is_empty() {
        eprintln!("NOT TESTED, no tier holds here:\n{works}");
        return;
    }
    for line in held {
        assert!(line.ends_with("CUDA starts"), "{line}");
    }
    // One that needs a file that no box has.
    let needs = format!("-DNEEDS=\"{}\"", canary.display());
    let fails = doctor("fails", &[&needs]);
    assert!(
        fails.contains("CUDA does not start in it (cuInit: 304)"),
        "{fails}"
    );
    drop(device);
    // Unless this machine has one.
    let is_gpu = |name: &str| name.starts_with("nvidia") || name == "dxg";
    let mut devices = std::fs::read_dir("/dev").unwrap().flatten();
    if !devices.any(|device| is_gpu(&device.file_name().to_string_lossy())) {
        let without = doctor("without", &[&needs]);
        assert!(!without.contains("CUDA"), "{without}");
    }
}
