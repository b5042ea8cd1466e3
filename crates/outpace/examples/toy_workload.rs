//! A workload for tests: speaks the step protocol, spends its time in a loop whose length a settings file gives, and
//! misbehaves on demand. `toy_workload train SETTINGS`, `toy_workload evaluate SETTINGS --checkpoint FILE --data-seed N`.
//!
//! Settings are lines of `key = value`: `spin` (thousands of iterations a step), `rate` (how fast the loss falls; another
//! rate is another model), `mode` (what goes wrong, `good` by default), `gpu_mib` (memory that it pretends to hold on a GPU).

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, path, rest @ ..] = &args[..] else {
        exit(2)
    };
    let text = std::fs::read_to_string(path).expect("the settings file is readable");
    let settings: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('=').map(|(k, v)| (k.trim(), v.trim())))
        .collect();
    let number = |key: &str, or: f64| {
        settings
            .get(key)
            .map_or(or, |v| v.parse().expect("a number"))
    };
    let mode = settings
        .get("mode")
        .copied()
        .unwrap_or("good")
        .trim_matches('"');
    match verb.as_str() {
        "train" => {
            let gpu = Gpu::new(mode, number("gpu_mib", 0.0), number("gpu_ms", 0.0));
            train(mode, number("spin", 500.0), number("rate", 0.01), &gpu);
        }
        "evaluate" => evaluate(rest),
        "whole" => {
            spin(number("spin", 500.0));
            println!("done");
        }
        "idle" => spin_for(IDLE_WORK),
        "verify" => exit(i32::from(mode == "unverified")),
        _ => exit(2),
    }
}

fn spin(thousands: f64) {
    let mut x = 1_u64;
    for _ in 0..(thousands * 1000.0) as u64 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(x);
}

fn train(mode: &str, thousands: f64, rate: f64, gpu: &Gpu) {
    match mode {
        "exit" => {
            eprintln!("toy: the data set is not there");
            exit(7);
        }
        "silent" => std::thread::sleep(Duration::from_secs(1000)),
        "orphan" => orphan(),
        "marks" => {
            assert!(!Path::new("mark").exists(), "somebody was here before");
            std::fs::write("mark", "").expect("the folder is writable");
        }
        _ => {}
    }
    let path = std::env::var("OUTPACE_SOCKET").expect("OUTPACE_SOCKET is set");
    let mut stream = UnixStream::connect(path).expect("the socket is there");
    let protocol = if mode == "version" { 9 } else { 1 };
    say(
        &mut stream,
        &json!({"type": "hello", "protocol": protocol, "tokens_per_step": 1000, "flops_per_token": 10.0,
        "parameters": 2, "can": ["perturb", "save"]}),
    );
    let reader = BufReader::new(stream.try_clone().expect("sockets can be cloned"));
    let (mut step, mut seed, mut nudge) = (0_u64, 0_u64, 0.0);
    for line in reader.lines() {
        let Ok(line) = line else { break };
        let request: Value = serde_json::from_str(&line).expect("outpace speaks JSON");
        match request["type"].as_str() {
            Some("start") => {
                let part = |key: &str| request[key].as_u64().unwrap_or(0);
                (step, seed) = (
                    0,
                    part("model_seed")
                        .wrapping_mul(31)
                        .wrapping_add(part("data_seed")),
                );
                nudge = if request["perturb_ulps"].is_null() {
                    0.0
                } else {
                    1e-9
                };
                say(&mut stream, &json!({"type": "ready"}));
            }
            Some("step") => {
                let mut losses = Vec::new();
                gpu.use_it(90);
                for _ in 0..request["n"].as_u64().unwrap_or(0) {
                    match mode {
                        "gathers" if step % GATHERED == GATHERED - 1 => {
                            spin(thousands * GATHERED as f64);
                        }
                        "gathers" => {}
                        _ => spin(thousands),
                    }
                    gpu.work(mode == "gpu_late");
                    step += 1;
                    misbehave(mode, step, &mut stream);
                    gpu.misbehave(mode, step, &mut stream);
                    let loss = loss(step, seed, rate) + nudge * step as f64;
                    losses.push(if mode == "nan" && step > 3 {
                        Value::Null
                    } else {
                        json!(loss)
                    });
                }
                gpu.use_it(if mode == "gpu_busy" { 40 } else { 0 });
                say(
                    &mut stream,
                    &json!({"type": "done", "step": step, "losses": losses}),
                );
                work_while_waiting(mode);
                if mode == "early" && step > 4 {
                    // The answer to the next request, in no time.
                    say(
                        &mut stream,
                        &json!({"type": "done", "step": step + 1, "losses": [1.0]}),
                    );
                }
            }
            Some("save") => {
                let path = Path::new(request["path"].as_str().expect("a path"));
                let value = (loss(step, seed, rate) + nudge) as f32;
                let bytes = match mode {
                    "thief" => stolen(path).unwrap_or_else(|| checkpoint(2.0 * value)),
                    _ => checkpoint(value),
                };
                std::fs::write(path, bytes).expect("the scratch is writable");
                say(&mut stream, &json!({"type": "saved"}));
            }
            _ => break,
        }
    }
}

/// Steps whose work is done in one of them.
const GATHERED: u64 = 3;

/// The last checkpoint of another process, where it lies below the same folder.
fn stolen(own: &Path) -> Option<Vec<u8>> {
    let folders = std::fs::read_dir(own.parent()?.parent()?).ok()?;
    let others = folders.filter_map(|folder| {
        let path = folder.ok()?.path().join(own.file_name()?);
        (path != own).then(|| std::fs::read(path).ok())?
    });
    others.last()
}

/// What a misbehaving workload works after each of its turns.
const IDLE_WORK: Duration = Duration::from_millis(2);

fn spin_for(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        spin(10.0);
    }
}

/// Works during the other side's turn, in a thread or a process that has ended before anybody looks again.
fn work_while_waiting(mode: &str) {
    match mode {
        "thread" => drop(std::thread::spawn(|| spin_for(IDLE_WORK))),
        "child" => {
            let toy = std::env::current_exe().expect("this program has a path");
            let mut child = Command::new(toy)
                .args(["idle", "settings.toml"])
                .spawn()
                .expect("processes can be started");
            drop(std::thread::spawn(move || child.wait()));
        }
        _ => {}
    }
}

fn misbehave(mode: &str, step: u64, stream: &mut UnixStream) {
    if step != 5 {
        return;
    }
    match mode {
        "hang" => std::thread::sleep(Duration::from_secs(1000)),
        "die" => {
            eprintln!("toy: out of cheese");
            exit(9);
        }
        "garbage" => stream
            .write_all(b"loss is 4.2, all is well\n")
            .expect("still connected"),
        "flood" => while stream.write_all(&[b'x'; 65536]).is_ok() {},
        "complain" => say(
            stream,
            &json!({"type": "error", "message": "the tokenizer is missing"}),
        ),
        _ => {}
    }
}

/// A GPU that this program pretends to use: the driver that stands in NVIDIA's place reads it from a folder.
struct Gpu {
    folder: Option<PathBuf>,
    number: u32,
    mib: f64,
    /// Milliseconds that a step takes there.
    step_ms: f64,
}

impl Gpu {
    fn new(mode: &str, mib: f64, step_ms: f64) -> Self {
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
        let gpu = Self {
            folder: std::env::var_os("FAKE_GPU")
                .filter(|_| mib > 0.0)
                .map(|folder| PathBuf::from(folder).join("pids")),
            // `GPU-fake-1-0`
            number: visible
                .split('-')
                .nth(2)
                .map_or(0, |n| n.parse().expect("the number of a GPU")),
            mib,
            step_ms,
        };
        assert!(
            mode != "gpu_alone" || gpu.others() == 0,
            "somebody else is on the GPU"
        );
        gpu.use_it(0);
        gpu
    }

    fn use_it(&self, per_cent: u32) {
        if let Some(folder) = &self.folder {
            // Its reader shall never see half of it.
            let (number, mib, pid) = (self.number, self.mib, std::process::id());
            let new = folder.join(format!("new-{pid}"));
            std::fs::write(&new, format!("{number} {mib} {per_cent}\n"))
                .expect("the folder is there");
            std::fs::rename(new, folder.join(pid.to_string())).expect("the folder is there");
        }
    }

    /// A step, behind what is queued already. If `late`, two thirds of it are queued and not waited for. It all takes
    /// 1.6 times as long then: to wait for nothing hides what a busy machine makes others wait, which is a gain, and shall not be one here.
    fn work(&self, late: bool) {
        let Some(folder) = self.folder.as_ref().filter(|_| self.step_ms > 0.0) else {
            return;
        };
        let queue = folder.with_file_name("queued");
        let queued: Option<u64> = std::fs::read_to_string(&queue)
            .ok()
            .and_then(|n| n.parse().ok());
        let until = queued.map_or(UNIX_EPOCH, |micros| {
            UNIX_EPOCH + Duration::from_micros(micros)
        });
        let begin = SystemTime::now().max(until);
        let work = Duration::from_secs_f64(self.step_ms * if late { 1.6e-3 } else { 1e-3 });
        let end = begin + work;
        let done = if late { end - work * 2 / 3 } else { end };
        std::thread::sleep(done.duration_since(SystemTime::now()).unwrap_or_default());
        let micros = end
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_micros();
        std::fs::write(queue, micros.to_string()).expect("the folder is there");
    }

    /// Living programs on the same GPU.
    fn others(&self) -> usize {
        let Some(folder) = &self.folder else { return 0 };
        let on_it = |entry: &std::fs::DirEntry| {
            let pid = entry.file_name().into_string().unwrap_or_default();
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            pid != std::process::id().to_string()
                && Path::new("/proc").join(&pid).exists()
                && text.starts_with(&format!("{} ", self.number))
        };
        let entries = std::fs::read_dir(folder).expect("the folder is there");
        entries.flatten().filter(on_it).count()
    }

    fn misbehave(&self, mode: &str, step: u64, stream: &mut UnixStream) {
        if step != 5 || self.others() == 0 {
            return;
        }
        match mode {
            "gpu_full" => say(
                stream,
                &json!({"type": "error", "message": "CUDA_ERROR_OUT_OF_MEMORY: out of memory"}),
            ),
            "gpu_lost" => {
                let folder = self.folder.as_ref().expect("there are others on it");
                std::fs::write(folder.with_file_name("lost"), "").expect("the folder is there");
                exit(3);
            }
            _ => {}
        }
    }
}

/// A process that leaves its session and its parent.
fn orphan() {
    let script = "setsid sh -c 'sleep 987 & sleep 986' >/dev/null 2>&1 &";
    Command::new("sh")
        .args(["-c", script])
        .status()
        .expect("there is a shell");
}

fn loss(step: u64, seed: u64, rate: f64) -> f64 {
    let noise = (seed.wrapping_add(step).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64
        / (1 << 24) as f64;
    5.0 * (-rate * step as f64).exp() + 0.01 * noise
}

fn say(stream: &mut UnixStream, message: &Value) {
    let _ = writeln!(stream, "{message}");
}

/// A safetensors file with one tensor of two values.
fn checkpoint(value: f32) -> Vec<u8> {
    let header =
        json!({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(value.to_le_bytes());
    bytes.extend((value * 0.5).to_le_bytes());
    bytes
}

fn evaluate(rest: &[String]) {
    let path = rest
        .iter()
        .position(|a| a == "--checkpoint")
        .map(|at| &rest[at + 1])
        .expect("--checkpoint FILE");
    let bytes = std::fs::read(path).expect("the checkpoint is readable");
    let value = f32::from_le_bytes(
        bytes[bytes.len() - 8..bytes.len() - 4]
            .try_into()
            .expect("four bytes"),
    );
    println!(
        "{}",
        json!({"loss": value, "bits_per_byte": value / std::f32::consts::LN_2, "tokens": 4096, "entropy_floor": 0.5})
    );
}
