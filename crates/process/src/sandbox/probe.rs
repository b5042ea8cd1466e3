//! What a tier keeps out is tried, and not believed: a process in the box reaches for a file, a
//! folder, a process, a socket and a listener outside of it, and must not get one of them. Whether
//! CUDA starts in it is tried too, where it starts at all.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Pid, test_kill_process};

use super::confine::packed;
use super::{CONFINE, Plan, Reach, Tier, cuda};

/// First argument of the supervisor's program that asks for it.
pub(crate) const PROBE: &str = "--probe";
/// What it reached begins so, and why CUDA does not start; a driver may print lines of its own.
const FOUND: &str = "outpace: ";
const NO_CUDA: &str = "cuda: ";
const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// What came of one tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Which.
    pub tier: Tier,
    /// What it did not keep out, or why it could not be tried; nothing where it holds.
    pub faults: Vec<String>,
    /// Where CUDA starts without a box: whether it does in it, or why not.
    pub cuda: Option<Result<(), String>>,
}

impl Probed {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether a GPU works in it, where there is one.
    pub(crate) fn has_its_gpu(&self) -> bool {
        !matches!(self.cuda, Some(Err(_)))
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tier = self.tier.as_str();
        if self.holds() {
            let kept = "files, processes, signals, sockets and network outside are out of reach";
            return match &self.cuda {
                None => write!(f, "{tier}: tried, and {kept}"),
                Some(Ok(())) => write!(f, "{tier}: tried, and {kept}; CUDA starts"),
                Some(Err(why)) => write!(f, "{tier}: tried, and {kept}; {why}"),
            };
        }
        write!(f, "{tier}: {}", self.faults.join("; "))
    }
}

/// Tries a tier. `own` is the supervisor's program with its first arguments.
pub(crate) fn try_out(tier: Tier, own: &[OsString]) -> Probed {
    let starts = cuda::starts(own);
    let said = match attempt(tier, own, starts) {
        Ok(said) => said,
        Err(error) => vec![format!("{FOUND}{error}")],
    };
    let of = |kind: &'static str| said.iter().filter_map(move |line| line.strip_prefix(kind));
    let cuda = match of(NO_CUDA).next() {
        Some(why) => Err(why.to_owned()),
        None => Ok(()),
    };
    Probed {
        tier,
        faults: of(FOUND).map(str::to_owned).collect(),
        cuda: starts.then_some(cuda),
    }
}

fn attempt(tier: Tier, own: &[OsString], cuda: bool) -> io::Result<Vec<String>> {
    let (outside, inside) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let canary = outside.path().join("canary");
    fs::write(&canary, "secret")?;
    let name = format!("outpace-canary-{}", outside.path().display());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let reach = Reach {
        read: vec![Path::new(&own[0]).to_owned()],
        ..Reach::default()
    };
    let program = own[0].to_string_lossy();
    // Where a driver can lie, as for every program that is started.
    let libraries = std::env::var_os(LIBRARIES).map(|list| (LIBRARIES.into(), list));
    let libraries = libraries.into_iter().collect();
    let plan = Plan::of(tier, &reach, &program, inside.path(), inside.path());
    let output = Command::new(&own[0])
        .args(&own[1..])
        .arg(CONFINE)
        .args(plan.arguments())
        .arg("--")
        .args(own)
        .arg(PROBE)
        .args([&canary, inside.path()])
        .arg(&name)
        .arg(listener.local_addr()?.to_string())
        .arg(std::process::id().to_string())
        .arg(process_namespace())
        .arg(if cuda { cuda::CUDA } else { "" })
        .envs(packed(&libraries))
        .current_dir(inside.path())
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        let found = String::from_utf8_lossy(&output.stdout);
        return Ok(found.lines().map(str::to_owned).collect());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or("it ended without a word");
    let why = said
        .split_once(&*program)
        .map_or(said, |(_, why)| why.trim_start_matches(": "));
    Err(io::Error::other(outpace_text::plain(why, 200)))
}

/// In another one, a number names another process.
fn process_namespace() -> OsString {
    fs::read_link("/proc/self/ns/pid").map_or_else(|_| OsString::new(), Into::into)
}

/// Runs inside the box: `CANARY SCRATCH SOCKET ADDRESS PID NAMESPACE CUDA`; prints what it could
/// reach, and what does not work.
pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let [canary, scratch, socket, address, pid, namespace, cuda] = &args[..] else {
        return ExitCode::from(2);
    };
    // A box in which nothing works keeps everything out.
    if fs::write(Path::new(scratch).join("probe"), "x").is_err() {
        eprintln!("its own scratch cannot be written");
        return ExitCode::FAILURE;
    }
    let beside = Path::new(canary).with_extension("new");
    let pid = pid.to_string_lossy().parse().ok().and_then(Pid::from_raw);
    let pid = pid.filter(|_| process_namespace() == *namespace);
    let environment = |pid: Pid| fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    let connect_abstract = || {
        let address = SocketAddr::from_abstract_name(socket.as_encoded_bytes())?;
        UnixStream::connect_addr(&address)
    };
    let reached = [
        (fs::read(canary).is_ok(), "a file outside can be read"),
        (
            fs::write(beside, "x").is_ok(),
            "a file outside can be written",
        ),
        (
            connect_abstract().is_ok(),
            "an abstract socket can be reached",
        ),
        (
            TcpStream::connect(&*address.to_string_lossy()).is_ok(),
            "a listener on loopback can be reached",
        ),
        (
            pid.is_some_and(|pid| test_kill_process(pid).is_ok()),
            "a process outside can be signalled",
        ),
        (
            pid.is_some_and(|pid| environment(pid).is_ok()),
            "the environment of a process outside can be read",
        ),
    ];
    for (_, what) in reached.iter().filter(|(reached, _)| *reached) {
        println!("{FOUND}{what}");
    }
    if cuda == cuda::CUDA {
        match cuda::init() {
            Some(0) => {}
            Some(code) => println!("{NO_CUDA}CUDA does not start in it (cuInit: {code})"),
            None => println!("{NO_CUDA}CUDA does not start in it (no driver is seen)"),
        }
    }
    ExitCode::SUCCESS
}
