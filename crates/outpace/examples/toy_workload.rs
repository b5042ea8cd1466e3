//! A workload for tests: its time goes into a loop whose length a settings file gives, and it
//! misbehaves on demand. `toy_workload train SETTINGS`, or
//! `toy_workload evaluate SETTINGS --checkpoint FILE --data-seed N`.
//!
//! Settings are lines of `key = value`: `spin` (thousands of iterations a step), `rate` (how fast
//! the loss falls; another rate is another model), `scale` (of the loss), `mode` (what goes wrong,
//! `good` by default), `flops` (operations that a token takes, as it says), `gpu_mib` (memory that
//! it pretends to hold on a GPU), `gpu_ms` (time that a step takes there).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outpace_step::{
    Hello, PERTURB, SAVE, SOCKET_VARIABLE, Start, VERSION, Workload, WorkloadError, serve_stream,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, path, rest @ ..] = &args[..] else {
        exit(2)
    };
    let text = std::fs::read_to_string(path).expect("the settings file is readable");
    let settings = Settings::parse(&text);
    match verb.as_str() {
        "train" => train(&settings),
        "evaluate" => evaluate(rest),
        "whole" => {
            spin(settings.spin);
            println!("done");
        }
        "idle" => spin_for(IDLE_WORK),
        "verify" => exit(i32::from(settings.mode == "unverified")),
        _ => exit(2),
    }
}

struct Settings<'a> {
    mode: &'a str,
    /// Thousands of iterations.
    spin: f64,
    rate: f64,
    scale: f64,
    flops: f64,
    gpu_mib: f64,
    gpu_ms: f64,
}

impl<'a> Settings<'a> {
    fn parse(text: &'a str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let values: BTreeMap<&str, &str> = pairs.map(|(k, v)| (k.trim(), v.trim())).collect();
        let number = |key: &str, default: f64| {
            let value = values.get(key);
            value.map_or(default, |v| v.parse().expect("a number"))
        };
        Self {
            mode: values.get("mode").map_or("good", |v| v.trim_matches('"')),
            spin: number("spin", 500.0),
            rate: number("rate", 0.01),
            scale: number("scale", 1.0),
            flops: number("flops", 10.0),
            gpu_mib: number("gpu_mib", 0.0),
            gpu_ms: number("gpu_ms", 0.0),
        }
    }
}

fn spin(thousands: f64) {
    let mut x = 1_u64;
    for _ in 0..(thousands * 1000.0) as u64 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    black_box(x);
}

fn train(settings: &Settings<'_>) {
    let gpu = Gpu::new(settings);
    misbehave_at_start(settings.mode);
    let path = std::env::var_os(SOCKET_VARIABLE).expect("OUTPACE_SOCKET is set");
    let stream = UnixStream::connect(path).expect("the socket is there");
    let ended = Rc::new(Cell::new(None));
    let link = Link {
        stream: stream.try_clone().expect("sockets can be cloned"),
        mode: settings.mode,
        ended: Rc::clone(&ended),
    };
    let mut toy = Toy {
        settings,
        gpu,
        stream,
        ended,
        step: 0,
        seed: 0,
        nudge: 0.0,
        prefetched: None,
    };
    if let Err(error) = serve_stream(&mut toy, link) {
        eprintln!("toy: {error}");
        exit(1);
    }
}

fn misbehave_at_start(mode: &str) {
    match mode {
        "exit" => {
            eprintln!("toy: the data set is not there");
            exit(7);
        }
        "silent" => std::thread::sleep(Duration::from_secs(1000)),
        "orphan" => orphan(),
        "marks" => {
            assert!(!Path::new("mark").exists(), "an earlier process was here");
            std::fs::write("mark", "").expect("the folder is writable");
        }
        _ => {}
    }
}

/// The server's end of the socket. It waits for the next request in `read`, so what goes wrong
/// between two requests goes wrong there.
struct Link<'a> {
    stream: UnixStream,
    mode: &'a str,
    /// The last step of a turn that has just been answered.
    ended: Rc<Cell<Option<u64>>>,
}

impl Read for Link<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(step) = self.ended.take() {
            work_while_waiting(self.mode);
            if self.mode == "early" && step > 4 {
                // The answer to the next request, in no time.
                let next = json!({"type": "done", "step": step + 1, "losses": [1.0]});
                writeln!(self.stream, "{next}")?;
            }
        }
        self.stream.read(buffer)
    }
}

impl Write for Link<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

struct Toy<'a> {
    settings: &'a Settings<'a>,
    gpu: Gpu,
    /// For what breaks the protocol; everything else goes through [`Link`].
    stream: UnixStream,
    ended: Rc<Cell<Option<u64>>>,
    step: u64,
    seed: u64,
    nudge: f64,
    /// Batches that a thread has made.
    prefetched: Option<Receiver<()>>,
}

impl Workload for Toy<'_> {
    fn hello(&self) -> Hello {
        let is_other = self.settings.mode == "version";
        let can_save = self.settings.mode != "no_save";
        let can_perturb = self.settings.mode != "atomics";
        let can = [can_perturb.then_some(PERTURB), can_save.then_some(SAVE)];
        Hello {
            protocol: if is_other { 9 } else { VERSION },
            tokens_per_step: Some(1000),
            flops_per_token: Some(self.settings.flops),
            parameters: Some(2),
            can: can.into_iter().flatten().map(str::to_owned).collect(),
        }
    }

    fn start(&mut self, start: &Start) -> Result<(), WorkloadError> {
        self.step = 0;
        self.seed = start
            .model_seed
            .wrapping_mul(31)
            .wrapping_add(start.data_seed);
        self.nudge = 1e-9 * f64::from(start.perturb_ulps);
        let batch = DATA_SHARE * self.settings.spin;
        match self.settings.mode {
            "ahead" => spin(AHEAD as f64 * batch),
            "long_start" => std::thread::sleep(Duration::from_millis(300)),
            "prefetch" => self.prefetched = Some(prefetch(batch)),
            _ => {}
        }
        Ok(())
    }

    fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError> {
        self.gpu.use_it(90);
        let losses = (0..n).map(|_| self.train_step()).collect();
        let is_busy = self.settings.mode == "gpu_busy";
        self.gpu.use_it(if is_busy { 40 } else { 0 });
        self.ended.set(Some(self.step));
        losses
    }

    fn save(&mut self, path: &Path) -> Result<(), WorkloadError> {
        let mode = self.settings.mode;
        match mode {
            "slow_save" => std::thread::sleep(Duration::from_secs(2)),
            "catches_up" => spin(0.5 * self.settings.spin * self.step as f64),
            _ => {}
        }
        let value = (self.loss() + self.nudge) as f32;
        let bytes = match mode {
            "thief" => stolen(path).unwrap_or_else(|| checkpoint(2.0 * value, true)),
            _ => checkpoint(value, mode != "no_mask"),
        };
        Ok(std::fs::write(path, bytes)?)
    }
}

impl Toy<'_> {
    fn train_step(&mut self) -> Result<f64, WorkloadError> {
        let Settings {
            mode,
            spin: thousands,
            ..
        } = *self.settings;
        match mode {
            "gathers" if self.step % GATHERED == GATHERED - 1 => spin(thousands * GATHERED as f64),
            "gathers" => {}
            "catches_up" => spin(0.5 * thousands),
            "leaves_out" if self.step >= HONEST => spin(0.5 * thousands),
            "leaves_out_beside" if !others().is_empty() => spin(0.5 * thousands),
            "ahead" if self.step < AHEAD => spin((1.0 - DATA_SHARE) * thousands),
            "prefetch" => {
                let batches = self.prefetched.as_ref().ok_or("it was not started")?;
                batches.recv()?;
                spin((1.0 - DATA_SHARE) * thousands);
            }
            _ => spin(thousands),
        }
        self.gpu.work(mode == "gpu_late");
        self.step += 1;
        if self.step == 5 {
            misbehave(mode, &mut self.stream)?;
            self.gpu.misbehave(mode)?;
        }
        if mode == "nan" && self.step > 3 {
            return Ok(f64::NAN);
        }
        let drift = match mode {
            "atomics" => 1e-3 * unrepeated(),
            "drifts" => unrepeated(),
            _ => self.nudge * self.step as f64,
        };
        Ok(self.loss() + drift)
    }

    fn loss(&self) -> f64 {
        let mixed = self.seed.wrapping_add(self.step);
        let noise = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let noise = noise as f64 / (1 << 24) as f64;
        let left_out = self.settings.mode == "leaves_out" && self.step > HONEST;
        let left_out = if left_out { 0.01 } else { 0.0 };
        let fallen = 5.0 * (-self.settings.rate * self.step as f64).exp();
        self.settings.scale * (fallen + 0.01 * noise + left_out)
    }
}

/// Of a step's work, so much is making its data.
const DATA_SHARE: f64 = 0.4;

/// Steps of the check, in which it is honest.
const HONEST: u64 = 20;

/// From 0 to 1, and another time something else.
fn unrepeated() -> f64 {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.subsec_nanos());
    f64::from(nanos.wrapping_mul(0x9E37_79B9)) / f64::from(u32::MAX)
}

/// Steps whose data is made before the clock.
const AHEAD: u64 = 70;

/// Makes the data of the next step while this one is trained.
fn prefetch(batch: f64) -> Receiver<()> {
    let (made, batches) = sync_channel(1);
    std::thread::spawn(move || {
        while made.send(()).is_ok() {
            spin(batch);
        }
    });
    batches
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

/// Works during the other side's turn, in a thread or a process that has ended before outpace
/// looks again.
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
        "stops" => drop(std::thread::spawn(stop_others)),
        _ => {}
    }
}

/// What else this outpace has started.
fn others() -> Vec<Pid> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    let ours = |pid: u32| parent(parent(pid)?);
    let own = std::process::id();
    let all = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != own && ours(*pid).is_some() && ours(*pid) == ours(own))
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

/// Stops them for a moment.
fn stop_others() {
    let others = others();
    for signal in [Signal::STOP, Signal::CONT] {
        for other in &others {
            let _gone = kill_process(*other, signal);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// In the middle of a turn.
fn misbehave(mode: &str, stream: &mut UnixStream) -> Result<(), WorkloadError> {
    match mode {
        "hang" => std::thread::sleep(Duration::from_secs(1000)),
        "die" => {
            eprintln!("toy: out of cheese");
            exit(9);
        }
        "garbage" => stream.write_all(b"loss is 4.2, all is well\n")?,
        "flood" => while stream.write_all(&[b'x'; 65536]).is_ok() {},
        "complain" => return Err("the tokenizer is missing".into()),
        _ => {}
    }
    Ok(())
}

/// A GPU that this program pretends to use: the library in the place of NVIDIA's driver reads it
/// from a folder.
struct Gpu {
    folder: Option<PathBuf>,
    number: u32,
    mib: f64,
    /// Milliseconds that a step takes there.
    step_ms: f64,
}

impl Gpu {
    fn new(settings: &Settings<'_>) -> Self {
        let mib = settings.gpu_mib;
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
            step_ms: settings.gpu_ms,
        };
        assert!(
            settings.mode != "gpu_alone" || gpu.others() == 0,
            "another program is on the GPU"
        );
        gpu.use_it(0);
        gpu
    }

    fn use_it(&self, per_cent: u32) {
        if let Some(folder) = &self.folder {
            // Renamed, so that its reader never sees half of it.
            let (number, mib, pid) = (self.number, self.mib, std::process::id());
            let new = folder.join(format!("new-{pid}"));
            std::fs::write(&new, format!("{number} {mib} {per_cent}\n"))
                .expect("the folder is there");
            std::fs::rename(new, folder.join(pid.to_string())).expect("the folder is there");
        }
    }

    /// A step, behind what is queued already. If `late`, two thirds of it are queued and not waited
    /// for. The work takes 1.6 times as long then: not to wait hides delays of a busy machine,
    /// which would be a gain, and the test wants none.
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

    fn misbehave(&self, mode: &str) -> Result<(), WorkloadError> {
        if self.others() == 0 {
            return Ok(());
        }
        match mode {
            "gpu_full" => Err("CUDA_ERROR_OUT_OF_MEMORY: out of memory".into()),
            "gpu_lost" => {
                let folder = self.folder.as_ref().expect("there are others on it");
                std::fs::write(folder.with_file_name("lost"), "")?;
                exit(3);
            }
            _ => Ok(()),
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

/// A safetensors file with one tensor of two values.
/// Two numbers that are trained, behind a mask that is not.
fn checkpoint(value: f32, with_mask: bool) -> Vec<u8> {
    let tensor = |from: usize, to: usize| json!({"dtype": "F32", "shape": [(to - from) / 4], "data_offsets": [from, to]});
    let header = match with_mask {
        true => json!({"mask": tensor(0, 4), "weight": tensor(4, 12)}),
        false => json!({"weight": tensor(0, 8)}),
    };
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    if with_mask {
        bytes.extend(1_f32.to_le_bytes());
    }
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
    let bits_per_byte = value / std::f32::consts::LN_2;
    println!(
        "{}",
        json!({
            "loss": value,
            "bits_per_byte": bits_per_byte,
            "tokens": 4096,
            // The loss of the toy falls to nearly nothing.
            "entropy_floor": 0.0,
            "probability_sum_error": 1e-6,
            "causality_error": 0.0,
        })
    );
}
