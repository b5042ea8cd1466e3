//! The one way to start a program: clean environment, own session, limits, fresh scratch, whole
//! tree ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::disk::free_at;
use crate::log_tail::{log_tail, open_written};
use crate::processes::descendants;
use crate::program::{CANNOT_START, is_missing};
use crate::sandbox::{self, CONFINE, Plan, Probed, Reach, Sandbox, Tier, homes, packed};

/// Largest file that a started program may write, in MiB, if nothing else is said: this or a share
/// of the free disk, whichever is more. The four checkpoints of a check fit, a flood does not.
const FILE_MIB: u64 = 4096;
const SHARE_OF_FREE: u64 = 4;
/// What its files together leave of the free disk, in MiB: this or a share, whichever is less.
const LEFT_MIB: u64 = 4096;
const SHARE_LEFT: u64 = 8;
/// Processes of a started program at once: more than builds and loaders of data make, and few
/// enough for a machine to bear.
const PROCESSES: u64 = 1024;
const PROCESSES_A_CORE: u64 = 16;
/// How long the supervisor may take to end its tree: longer than its own patience.
const END_PATIENCE: Duration = Duration::from_secs(8);
/// How often a wait looks whether it was cancelled.
const POLL: Duration = Duration::from_millis(20);

/// What a started program may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Address space in MiB.
    pub memory_mib: Option<u64>,
    /// Largest file in MiB.
    pub file_mib: Option<u64>,
    /// Most that its own folders may hold together, in MiB.
    pub disk_mib: Option<u64>,
    /// Stay on so many cores, the same ones for whoever is told the same number.
    pub cores: Option<usize>,
}

/// A program to be started.
#[derive(Debug, Clone)]
pub struct LaunchSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// Its scratch: HOME and TMPDIR lie in it, and its `stdout` and `stderr` files.
    pub scratch: PathBuf,
    /// Variables on top of the clean environment.
    pub env: BTreeMap<String, OsString>,
    /// Keep the environment of outpace: for commands of the base that fetch, and commands that the
    /// user typed.
    pub inherit_env: bool,
    /// What it may use.
    pub limits: Limits,
    /// Links in its home directory: path there, and target.
    pub home_links: Vec<(PathBuf, PathBuf)>,
    /// What it can reach besides the system and its scratch; none for a command that the user
    /// vouches for, which is not confined.
    pub reach: Option<Reach>,
}

impl LaunchSpec {
    /// Lets it read some files too.
    #[must_use]
    pub fn reading(mut self, paths: &[&Path]) -> Self {
        if let Some(reach) = &mut self.reach {
            reach.read.extend(paths.iter().map(PathBuf::from));
        }
        self
    }

    /// Lets it write some files and folders too.
    #[must_use]
    pub fn writing(mut self, paths: &[&Path]) -> Self {
        if let Some(reach) = &mut self.reach {
            reach.write.extend(paths.iter().map(PathBuf::from));
        }
        self
    }
}

/// Why a program did not run to a good end.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The machine failed us: the scratch cannot be written, no process can be made.
    #[error("cannot start `{program}`: {source}")]
    System {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such program.
    #[error("cannot start `{program}`: {message}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        message: String,
    },
    /// It took too long and was ended.
    #[error("`{program}` was ended after {seconds:.0} s\n{log}")]
    Timeout {
        /// The program.
        program: String,
        /// The limit.
        seconds: f64,
        /// The last lines of its log.
        log: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// How a program ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Exit code; 128 + n if signal n ended it.
    pub code: i32,
    /// Wall seconds.
    pub seconds: f64,
    /// Where its standard output is.
    pub stdout: PathBuf,
    /// Where its standard error is.
    pub stderr: PathBuf,
}

impl Finished {
    /// The last lines of both logs, made safe to show.
    pub fn log_tail(&self) -> String {
        log_tail(&[&self.stdout, &self.stderr])
    }

    /// Its standard output, at most 1 MiB.
    pub fn stdout_text(&self) -> String {
        let mut text = Vec::new();
        if let Some(file) = open_written(&self.stdout) {
            // A short read leaves a short text, which the reader of it will complain about.
            let _ = file.take(1 << 20).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn link_into(home: &Path, links: &[(PathBuf, PathBuf)]) -> std::io::Result<()> {
    for (path, target) in links {
        let at = home.join(path);
        std::fs::create_dir_all(at.parent().unwrap_or(home))?;
        // A scratch may serve several programs.
        if std::fs::symlink_metadata(&at).is_err() {
            std::os::unix::fs::symlink(target, &at)?;
        }
    }
    Ok(())
}

/// Starts programs through the supervisor.
#[derive(Debug, Clone)]
pub struct Launcher {
    supervisor: Vec<OsString>,
    /// What was free in MiB when the first program was started: what they write meanwhile makes the
    /// limits no smaller for the next.
    free_mib: Arc<OnceLock<u64>>,
    cancel: Arc<AtomicBool>,
    /// Filled when it is first asked for: to try a tier takes longer than many a command.
    sandbox: Arc<OnceLock<Sandbox>>,
    /// Nothing stronger is tried.
    strongest: Tier,
}

impl Launcher {
    /// `supervisor` is the command that runs [`crate::supervise::main`]; `cancel` becomes true when
    /// everything shall end.
    pub fn new(supervisor: Vec<OsString>, cancel: Arc<AtomicBool>) -> Self {
        Self {
            supervisor,
            free_mib: Arc::default(),
            cancel,
            sandbox: Arc::new(OnceLock::from(Sandbox::default())),
            strongest: Tier::Bubblewrap,
        }
    }

    /// Confines programs from now on as strongly as this machine can; not if `waived`.
    #[must_use]
    pub fn confining(mut self, waived: bool) -> Self {
        let none = || Sandbox {
            waived,
            ..Sandbox::default()
        };
        let none = waived.then(none).map(OnceLock::from);
        self.sandbox = Arc::new(none.unwrap_or_default());
        self
    }

    /// Tries nothing stronger than this.
    #[must_use]
    pub fn at_most(mut self, strongest: Tier) -> Self {
        self.strongest = strongest;
        self
    }

    /// The same launcher at one tier, whatever this machine can do.
    #[must_use]
    pub fn at_tier(mut self, tier: Tier) -> Self {
        self.sandbox = Arc::new(OnceLock::from(Sandbox {
            tier,
            ..Sandbox::default()
        }));
        self
    }

    /// How it confines programs.
    pub fn sandbox(&self) -> &Sandbox {
        self.sandbox.get_or_init(|| {
            let mut sandbox = Sandbox::default();
            let tiers = Tier::STRONGEST_FIRST.into_iter();
            for tier in tiers.filter(|tier| *tier <= self.strongest) {
                let probed = sandbox::try_out(tier, &self.supervisor);
                let (holds, has_its_gpu) = (probed.holds(), probed.has_its_gpu());
                sandbox.probed.push(probed);
                // A weaker one with a GPU is better than one without, and either better than none.
                if holds && (has_its_gpu || sandbox.tier == Tier::None) {
                    sandbox.tier = tier;
                }
                if holds && has_its_gpu {
                    break;
                }
            }
            sandbox
        })
    }

    /// What comes of all tiers, whatever it confines programs with.
    pub fn try_tiers(&self) -> Vec<Probed> {
        let known = &self.sandbox().probed;
        let probed = |tier| match known.iter().find(|probed| probed.tier == tier) {
            Some(probed) => probed.clone(),
            None => sandbox::try_out(tier, &self.supervisor),
        };
        Tier::STRONGEST_FIRST.map(probed).into()
    }

    /// Whether the user asked to stop.
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Starts a program and returns at once.
    ///
    /// # Errors
    /// Its scratch cannot be written or the supervisor cannot be started. A missing program shows
    /// as exit code 127.
    pub fn spawn(&self, spec: &LaunchSpec) -> Result<Running, LaunchError> {
        let program = spec.command.first().cloned().unwrap_or_default();
        let fail = |source: std::io::Error| LaunchError::System {
            program: program.clone(),
            source,
        };
        let (home, temp) = (spec.scratch.join("home"), spec.scratch.join("tmp"));
        std::fs::create_dir_all(&home).map_err(fail)?;
        std::fs::create_dir_all(&temp).map_err(fail)?;
        link_into(&home, &spec.home_links).map_err(fail)?;
        let (stdout, stderr) = (spec.scratch.join("stdout"), spec.scratch.join("stderr"));
        let mut command = Command::new(&self.supervisor[0]);
        command
            .args(&self.supervisor[1..])
            .args(self.limit_arguments(spec))
            .arg("--")
            .args(self.confined(spec))
            .args(&spec.command);
        let mut env = match spec.inherit_env {
            true => std::env::vars_os().collect(),
            false => clean_environment(&home, &temp),
        };
        // GPUs have the numbers that the driver and `nvidia-smi` give them, unless CUDA's own order
        // is wanted.
        if std::env::var_os("CUDA_DEVICE_ORDER").is_none() {
            env.insert("CUDA_DEVICE_ORDER".into(), "PCI_BUS_ID".into());
        }
        let own = spec.env.iter();
        env.extend(own.map(|(name, value)| (name.into(), value.clone())));
        // What comes before a confined program is not confined: it is started elsewhere, and sees
        // no variable of it.
        let (cwd, env) = match self.confines(spec) {
            true => {
                let mut packed = packed(&env);
                // `bwrap` is looked for in it.
                packed.extend(std::env::var_os("PATH").map(|path| ("PATH".into(), path)));
                (Path::new("/"), packed)
            }
            false => (&*spec.cwd, env),
        };
        command
            .env_clear()
            .envs(env)
            .current_dir(cwd)
            .stdin(Stdio::piped())
            .stdout(File::create(&stdout).map_err(fail)?)
            .stderr(File::create(&stderr).map_err(fail)?);
        let started = Instant::now();
        let child = command.spawn().map_err(fail)?;
        let pid = Pid::from_child(&child);
        Ok(Running {
            program,
            cancel: Arc::clone(&self.cancel),
            ended: pidfd_open(pid, PidfdFlags::empty()).ok(),
            child,
            started,
            cwd: spec.cwd.clone(),
            stdout,
            stderr,
        })
    }

    fn confines(&self, spec: &LaunchSpec) -> bool {
        spec.reach.is_some() && self.sandbox().tier > Tier::None
    }

    /// What puts the plan of a program on, before it.
    fn confined(&self, spec: &LaunchSpec) -> Vec<OsString> {
        let Some(reach) = spec.reach.as_ref().filter(|_| self.confines(spec)) else {
            return Vec::new();
        };
        let tier = self.sandbox().tier;
        let program = spec.command.first().map_or("", |program| program);
        let plan = Plan::of(tier, reach, program, &spec.cwd, &spec.scratch);
        let own = self.supervisor.iter().cloned();
        let confine = [CONFINE.into()].into_iter().chain(plan.arguments());
        own.chain(confine).chain(["--".into()]).collect()
    }

    fn limit_arguments(&self, spec: &LaunchSpec) -> Vec<OsString> {
        let free = *self.free_mib.get_or_init(|| free_at(&spec.scratch));
        let limits = &spec.limits;
        let file_mib = FILE_MIB.max(free / SHARE_OF_FREE);
        let mut args: Vec<OsString> = Vec::new();
        let mut limit = |name: &str, value: Option<u64>| {
            let value = value.map(|value| [name.into(), value.to_string().into()]);
            args.extend(value.into_iter().flatten());
        };
        limit("--file-mib", limits.file_mib.or(Some(file_mib)));
        limit("--memory-mib", limits.memory_mib);
        limit("--cores", limits.cores.map(|cores| cores as u64));
        // A command that the user typed is the user's own.
        let Some(reach) = &spec.reach else {
            return args;
        };
        let disk_mib = free.saturating_sub(LEFT_MIB.min(free / SHARE_LEFT));
        limit("--disk-mib", limits.disk_mib.or(Some(disk_mib)));
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        limit(
            "--processes",
            Some(PROCESSES + PROCESSES_A_CORE * cores as u64),
        );
        let writes = reach.write.iter().chain([&spec.scratch]);
        args.extend(writes.flat_map(|folder| ["--writes".into(), folder.into()]));
        if self.confines(spec) {
            args.push("--scoped".into());
        }
        args
    }

    /// Starts a program and waits for its end.
    ///
    /// # Errors
    /// It cannot be started, takes longer than `timeout`, or the user asked to stop.
    pub fn run(&self, spec: &LaunchSpec, timeout: Duration) -> Result<Finished, LaunchError> {
        let mut running = self.spawn(spec)?;
        loop {
            if let Some(finished) = running.poll() {
                // Ctrl-C may have ended it too: then it is nobody's fault.
                if finished.code != 0 && self.cancelled() {
                    return Err(LaunchError::Cancelled);
                }
                return running.check_started(finished);
            }
            if self.cancelled() {
                running.end();
                return Err(LaunchError::Cancelled);
            }
            if running.started.elapsed() > timeout {
                running.end();
                let log = log_tail(&[&running.stdout, &running.stderr]);
                return Err(LaunchError::Timeout {
                    program: running.program.clone(),
                    seconds: timeout.as_secs_f64(),
                    log,
                });
            }
            running.pause();
        }
    }
}

/// A started program. Dropping it ends its whole tree.
#[derive(Debug)]
pub struct Running {
    program: String,
    cancel: Arc<AtomicBool>,
    child: Child,
    /// Readable from the moment of the supervisor's end.
    ended: Option<OwnedFd>,
    started: Instant,
    cwd: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// The process id of its supervisor, under which the whole tree hangs.
    pub fn supervisor_pid(&self) -> u32 {
        self.child.id()
    }

    /// Seconds since it was started.
    pub fn age_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// How it ended, if it did.
    pub fn poll(&mut self) -> Option<Finished> {
        let status = self.child.try_wait().ok()??;
        Some(self.finished(status.code().unwrap_or(-1)))
    }

    /// Sleeps until its end, at most a moment.
    fn pause(&self) {
        let Some(ended) = &self.ended else {
            // Kernels before 5.3 cannot tell.
            return std::thread::sleep(Duration::from_millis(1));
        };
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: POLL.subsec_nanos().into(),
        };
        // An interrupted wait is only a shorter one.
        let _ = poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&moment));
    }

    /// Waits up to `patience` for its end, or until the user asks to stop, then ends it.
    pub fn wait(&mut self, patience: Duration) -> Option<Finished> {
        let begin = Instant::now();
        while begin.elapsed() < patience && !self.cancel.load(Ordering::Relaxed) {
            if let Some(finished) = self.poll() {
                return Some(finished);
            }
            self.pause();
        }
        self.end();
        None
    }

    /// Ends the whole tree and waits until it is gone.
    pub fn end(&mut self) {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        // The supervisor exits when its tree is gone, at the latest after its own patience.
        while begin.elapsed() < END_PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            // The program may have stopped it; a process that runs does not notice this.
            signal(self.child.id(), Signal::CONT);
            self.pause();
        }
        // A program that stops its supervisor again and again is ended from outside.
        for pid in self.processes() {
            signal(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines of its logs.
    pub fn log_tail(&self) -> String {
        log_tail(&[&self.stdout, &self.stderr])
    }

    /// The processes of its tree, without the supervisor.
    pub fn processes(&self) -> Vec<u32> {
        descendants(self.child.id())
    }

    fn finished(&self, code: i32) -> Finished {
        Finished {
            code,
            seconds: self.age_s(),
            stdout: self.stdout.clone(),
            stderr: self.stderr.clone(),
        }
    }

    fn check_started(&self, finished: Finished) -> Result<Finished, LaunchError> {
        if finished.code == i32::from(CANNOT_START) {
            let message = log_tail(&[&self.stderr]);
            // What the supervisor says there, the program itself could say.
            if message.contains("outpace: cannot start")
                && is_missing(&self.program, &self.cwd, None)
            {
                return Err(LaunchError::Start {
                    program: self.program.clone(),
                    message,
                });
            }
        }
        Ok(finished)
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What every program sees: enough to find compilers and interpreters, nothing of the user's
/// secrets.
fn clean_environment(home: &Path, temp: &Path) -> BTreeMap<OsString, OsString> {
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    env.insert("HOME".into(), home.into());
    env.insert("TMPDIR".into(), temp.into());
    env.insert("LANG".into(), "C.UTF-8".into());
    for name in [
        "PATH",
        "CUDA_HOME",
        "CUDA_PATH",
        "LD_LIBRARY_PATH",
        "VIRTUAL_ENV",
        "RUSTUP_TOOLCHAIN",
        // Which GPUs are ours says who runs this machine, not the workload.
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "CUDA_MPS_PIPE_DIRECTORY",
    ] {
        if let Some(value) = std::env::var_os(name) {
            env.insert(name.into(), value);
        }
    }
    // Compilers that live in the user's home are found although HOME is a scratch folder.
    env.extend(homes().into_iter().map(|(name, home)| (name.into(), home)));
    env
}
