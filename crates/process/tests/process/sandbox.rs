//! What a confined program cannot do, and that it can where nothing confines it.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use outpace_process::{LaunchSpec, Launcher, Probed, Reach, Tier};
use tempfile::TempDir;

const TIME: Duration = Duration::from_secs(20);

/// What lies around a program, and the folder that it is given.
struct Outside {
    dir: TempDir,
    own: TempDir,
    launcher: Launcher,
    /// A process of the same user.
    other: Child,
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.other.kill();
        let _ = self.other.wait();
    }
}

/// The tiers that hold here. Says which do not.
fn tiers() -> Vec<Tier> {
    static TIERS: OnceLock<Vec<Tier>> = OnceLock::new();
    let tried = TIERS.get_or_init(|| {
        let (held, not): (Vec<_>, Vec<_>) =
            launcher().try_tiers().into_iter().partition(Probed::holds);
        for probed in not {
            eprintln!("NOT TESTED, this machine has no {probed}");
        }
        held.iter().map(|probed| probed.tier).collect()
    });
    tried.clone()
}

fn launcher() -> Launcher {
    let supervisor = env!("CARGO_BIN_EXE_outpace-supervise");
    Launcher::new(vec![supervisor.into()], Arc::default())
}

impl Outside {
    fn new(tier: Tier) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("canary"), "secret").unwrap();
        Self {
            dir,
            own: tempfile::tempdir().unwrap(),
            launcher: launcher().at_tier(tier),
            other: Command::new("sleep").arg("60").spawn().unwrap(),
        }
    }

    /// Exit code and output of a script.
    fn run(&self, script: &str) -> (i32, String) {
        self.run_with(script, Reach::default())
    }

    fn run_with(&self, script: &str, reach: Reach) -> (i32, String) {
        let finished = self.launcher.run(&self.spec(script, reach), TIME).unwrap();
        (finished.code, finished.stdout_text() + &finished.log_tail())
    }

    fn spec(&self, script: &str, reach: Reach) -> LaunchSpec {
        LaunchSpec {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            cwd: self.own.path().to_owned(),
            scratch: self.own.path().join("scratch"),
            env: [
                ("OUTSIDE", self.dir.path().as_os_str().to_owned()),
                ("OTHER", self.other.id().to_string().into()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            inherit_env: false,
            limits: outpace_process::Limits::default(),
            home_links: Vec::new(),
            reach: Some(Reach {
                write: vec![self.own.path().to_owned()],
                ..reach
            }),
        }
    }

    fn alive(&mut self) -> bool {
        self.other.try_wait().unwrap().is_none()
    }
}

/// Runs a script that succeeds only where nothing keeps it in.
fn out_of_reach(script: &str) {
    for tier in tiers() {
        let outside = Outside::new(tier);
        let (code, said) = outside.run(script);
        assert_ne!(code, 0, "{tier:?}: `{script}` reached it: {said}");
        assert_ne!(code, 127, "{tier:?}: {said}");
    }
    let (code, said) = Outside::new(Tier::None).run(script);
    assert_eq!(code, 0, "it has to be possible without: {said}");
}

#[test]
fn a_file_beside_is_not_read() {
    out_of_reach("cat $OUTSIDE/canary");
    out_of_reach("cat \"$(dirname $OUTSIDE)/$(basename $OUTSIDE)/canary\"");
    // Nor by the way of a link that it makes itself.
    out_of_reach("ln -sf $OUTSIDE/canary link && cat link");
}

#[test]
fn a_file_beside_is_not_written() {
    out_of_reach("echo x > $OUTSIDE/new");
    out_of_reach("echo x >> $OUTSIDE/canary");
    out_of_reach("rm $OUTSIDE/canary");
    out_of_reach("mv $OUTSIDE/canary .");
    out_of_reach("chmod 600 $OUTSIDE/canary && cat $OUTSIDE/canary");
}

#[test]
fn the_home_directory_is_not_read() {
    let Some(home) = std::env::var_os("HOME").filter(|home| Path::new(home).is_dir()) else {
        return;
    };
    let canary = tempfile::Builder::new().tempfile_in(&home).unwrap();
    out_of_reach(&format!(
        "test -r {0} && cat {0} && ls {1}",
        canary.path().display(),
        Path::new(&home).display()
    ));
}

#[test]
fn another_process_is_not_signalled_moved_nor_looked_into() {
    out_of_reach("kill -0 $OTHER");
    if std::thread::available_parallelism().unwrap().get() > 1 {
        // It may look as if it had been moved.
        out_of_reach("taskset -p 1 $OTHER; test \"$(taskset -p $OTHER | sed 's/.*: //')\" = 1");
    }
    out_of_reach("renice -n 5 -p $OTHER");
    out_of_reach("cat /proc/$OTHER/environ");
    for tier in tiers() {
        let mut outside = Outside::new(tier);
        outside.run("kill -9 $OTHER; kill -9 -1; sleep 0.1");
        assert!(outside.alive(), "{tier:?}");
    }
}

#[test]
fn no_network_and_no_socket_outside() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = format!("outpace-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    out_of_reach(&format!(
        "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 2)'"
    ));
    out_of_reach(&format!(
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"\\0{name}\")'"
    ));
    // Datagrams are no connection, and Landlock alone would let them out.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    let send = format!(
        "python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
         s.sendto(b\"x\", (\"127.0.0.1\", {port}))'"
    );
    for tier in tiers() {
        Outside::new(tier).run(&send);
        assert!(socket.recv(&mut [0; 8]).is_err(), "{tier:?}");
    }
    Outside::new(Tier::None).run(&send);
    assert!(socket.recv(&mut [0; 8]).is_ok());
}

#[test]
fn nothing_is_left_for_the_next_program() {
    let leave = "umask 0; echo x > /dev/shm/outpace-left; echo x > /tmp/outpace-left; \
                 echo x > /var/tmp/outpace-left; ipcmk -M 64 > shm; true";
    let found = "ls /dev/shm/outpace-left || ls /tmp/outpace-left || ls /var/tmp/outpace-left";
    for tier in tiers() {
        let outside = Outside::new(tier);
        let segments = || {
            fs::read_to_string("/proc/sysvipc/shm")
                .unwrap()
                .lines()
                .count()
        };
        let before = segments();
        outside.run(leave);
        let (code, said) = outside.run(found);
        assert_ne!(code, 0, "{tier:?}: {said}");
        assert!(!Path::new("/tmp/outpace-left").exists());
        assert_eq!(segments(), before, "{tier:?}");
    }
}

#[test]
fn the_kernel_is_not_asked_for_more() {
    out_of_reach("unshare -U true");
    if rustix::process::geteuid().is_root() {
        for tier in tiers() {
            let fails = |script: &str| {
                let (code, _) = Outside::new(tier).run(script);
                assert_ne!(code, 0, "{tier:?}: {script}");
            };
            fails("mknod disk b 8 0 || mknod null c 1 3");
            // The value that is there, so that nothing is lost where it can be written.
            fails(
                "x=$(cat /proc/sys/kernel/core_pattern); echo $x > /proc/sys/kernel/core_pattern",
            );
            fails("cat /etc/shadow");
        }
    }
}

#[test]
fn what_it_laid_down_is_not_started_outside_of_the_box() {
    for tier in tiers() {
        let outside = Outside::new(tier);
        let spy = format!(
            "#!/bin/sh\ncat {}/canary > stolen\n",
            outside.dir.path().display()
        );
        let script = format!(
            "printf '{}' > bwrap; cp bwrap sh; chmod +x bwrap sh",
            spy.replace('\n', "\\n")
        );
        assert_eq!(outside.run(&script).0, 0);
        let mut spec = outside.spec("exit 3", Reach::default());
        spec.command[0] = "/bin/sh".into();
        let own = outside.own.path().as_os_str().to_owned();
        for (name, value) in [
            ("PATH", ".:/usr/bin:/bin".into()),
            ("LD_PRELOAD", "./bwrap".into()),
            ("LD_LIBRARY_PATH", own),
        ] {
            spec.env.insert(name.into(), value);
        }
        let finished = outside.launcher.run(&spec, TIME).unwrap();
        assert_eq!(finished.code, 3, "{tier:?}: {}", finished.log_tail());
        assert!(!outside.own.path().join("stolen").exists(), "{tier:?}");
        let log = fs::read_to_string(&finished.stderr).unwrap();
        // Of the loader's complaints only that of the program itself.
        assert_eq!(log.matches("LD_PRELOAD").count(), 1, "{tier:?}: {log}");
    }
}

#[test]
fn no_notes_on_files() {
    out_of_reach("python3 -c 'import os; os.setxattr(\".\", \"user.note\", b\"x\")'");
    out_of_reach("python3 -c 'import os; os.setxattr(\"'$OUTSIDE'/canary\", \"user.n\", b\"x\")'");
}

#[test]
fn with_the_network_no_abstract_socket_comes() {
    let name = format!("outpace-network-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _abstract = UnixListener::bind_addr(&address).unwrap();
    let connect =
        format!("python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"\\0{name}\")'");
    for tier in tiers() {
        let reach = Reach {
            network: true,
            ..Reach::default()
        };
        let (code, said) = Outside::new(tier).run_with(&connect, reach);
        assert_ne!(code, 0, "{tier:?}: {said}");
    }
}

#[test]
fn what_it_is_given_works() {
    for tier in tiers() {
        let outside = Outside::new(tier);
        let works = |script: &str, reach: Reach| {
            let (code, said) = outside.run_with(script, reach);
            assert_eq!(code, 0, "{tier:?}: {script}: {said}");
        };
        works(
            "echo x > own && cat own && mkdir -p d && mv own d && rm -r d",
            Reach::default(),
        );
        works(
            "echo x > $HOME/a && echo x > $TMPDIR/b && cat $HOME/a",
            Reach::default(),
        );
        works(
            "sh -c 'exit 0' & wait; sleep 0.01 & kill $!; true",
            Reach::default(),
        );
        works(
            "python3 -c 'import ssl, ctypes, json, socket; socket.socketpair()'",
            Reach::default(),
        );
        works(
            "python3 -c 'import threading as t; x = t.Thread(target=print); x.start(); x.join()'",
            Reach::default(),
        );
        works(
            "nproc; cat /proc/cpuinfo > /dev/null; head -c 8 /dev/urandom > random",
            Reach::default(),
        );
        works("taskset -p 1 $$ ; true", Reach::default());
        works(
            "cc --version || true; cargo --version || true; git --version",
            Reach::default(),
        );
        let canary = outside.dir.path().join("canary");
        let reach = Reach {
            read: vec![canary],
            ..Reach::default()
        };
        works("cat $OUTSIDE/canary", reach.clone());
        let (code, _) = outside.run_with("echo x >> $OUTSIDE/canary", reach);
        assert_ne!(code, 0, "{tier:?}: read-only");
    }
}

#[test]
fn codes_signals_and_missing_programs_are_told_as_without() {
    for tier in tiers() {
        let outside = Outside::new(tier);
        assert_eq!(outside.run("exit 7").0, 7, "{tier:?}");
        assert_eq!(outside.run("kill -9 $$").0, 137, "{tier:?}");
        let (code, said) = outside.run("exec /no/such/program");
        assert_eq!(code, 127, "{tier:?}: {said}");
    }
}

#[test]
fn the_network_is_there_for_whom_it_is_given_to() {
    for tier in tiers() {
        let outside = Outside::new(tier);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let script = format!(
            "python3 -c 'import socket; s = socket.create_connection((\"127.0.0.1\", {port})); \
             s.sendall(b\"hello\")'"
        );
        let reach = Reach {
            network: true,
            ..Reach::default()
        };
        let (code, said) = outside.run_with(&script, reach);
        assert_eq!(code, 0, "{tier:?}: {said}");
        assert_eq!(server.join().unwrap(), "hello");
    }
}

#[test]
fn what_makes_processes_without_end_is_ended() {
    // Each makes two, and ends when nobody is left who made it.
    let script = "f() { f & f & wait; }; f";
    for tier in tiers() {
        let outside = Outside::new(tier);
        let begin = Instant::now();
        let (code, said) = outside.run(script);
        assert_ne!(code, 0, "{tier:?}");
        assert!(said.contains("processes at once"), "{tier:?}: {said}");
        assert!(begin.elapsed() < TIME, "{tier:?}");
        let own = outside.own.path().to_string_lossy().into_owned();
        let left = Command::new("pgrep").args(["-f", &own]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{tier:?}");
    }
}

#[test]
fn what_fills_the_disk_is_ended() {
    let files = "i=0; while true; do head -c 4000000 /dev/zero > f$i; i=$((i+1)); done";
    let without_a_name = "exec 3> f; rm f; while true; do head -c 4000000 /dev/zero >&3; done";
    let closed =
        "mkdir -p d; exec 3> d/f; chmod 0 d; while true; do head -c 4000000 /dev/zero >&3; done";
    let scripts = [files, without_a_name, closed];
    let all = tiers().into_iter();
    for (tier, script) in all.flat_map(|tier| scripts.map(|script| (tier, script))) {
        let outside = Outside::new(tier);
        let mut spec = outside.spec(script, Reach::default());
        spec.limits.disk_mib = Some(64);
        let finished = outside.launcher.run(&spec, TIME).unwrap();
        let said = finished.log_tail();
        assert_ne!(finished.code, 0, "{tier:?}");
        assert!(
            said.contains("more than 64 MiB on the disk"),
            "{tier:?}: {said}"
        );
    }
}
