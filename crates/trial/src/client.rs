//! One workload process behind its socket. What it sends is hostile until proven otherwise: length,
//! order, type and time of every message are checked.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use outpace_step::{Hello, MAX_MESSAGE_BYTES, Reply, Request, SOCKET_VARIABLE, VERSION};
use outpace_text::plain;

use crate::handed::Handed;
use outpace_process::{Context, InUse, LaunchError, Running, Scratch, Subject};

/// How much one read takes.
const READ_BYTES: usize = 64 << 10;
/// How often a wait looks whether it was cancelled or the program died.
const SLICE: Duration = Duration::from_millis(100);

/// What a workload did wrong.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// It ended although it was needed.
    #[error("it ended {when} (exit code {code})\n{log}")]
    Exited {
        /// What it was asked.
        when: String,
        /// Exit code; 128 + n for signal n.
        code: i32,
        /// Last lines of its log.
        log: String,
    },
    /// It did not answer in time.
    #[error("no answer to `{asked}` within {seconds:.0} s (key `timeout`)\n{log}")]
    Silent {
        /// What it was asked.
        asked: String,
        /// The limit.
        seconds: f64,
        /// Last lines of its log.
        log: String,
    },
    /// It never connected to the socket.
    #[error(
        "it did not connect to the socket in OUTPACE_SOCKET within {seconds:.0} s. Hint: does it speak the step protocol? \
         If not, set protocol = \"process\"\n{log}"
    )]
    NoConnection {
        /// The limit.
        seconds: f64,
        /// Last lines of its log.
        log: String,
    },
    /// It sent something that is no message.
    #[error("it sent something that is not in the step protocol: `{line}`")]
    Garbage {
        /// The beginning of it.
        line: String,
    },
    /// It sent a line that does not end.
    #[error("it sent a message of more than {} KiB", MAX_MESSAGE_BYTES >> 10)]
    TooLong,
    /// It sent the wrong message.
    #[error("it answered `{got}` to `{asked}`")]
    Unexpected {
        /// What it was asked.
        asked: String,
        /// What came.
        got: String,
    },
    /// It speaks another version.
    #[error("it speaks version {0} of the step protocol; this outpace speaks {VERSION}")]
    Version(u32),
    /// It said so itself.
    #[error("it reports: {0}")]
    Reported(String),
    /// The base is further from itself than any candidate may be.
    #[error(
        "its loss at step {step} differs by {:.1} % from its own {how}, and no candidate may differ by \
         more than {:.0} %. Hint: draw everything from `model_seed` and `data_seed`; fewer \
         `check_steps` or a lower learning rate leave less time to drift apart",
        relative * 100.0,
        allowed * 100.0
    )]
    NotRepeated {
        /// The first step where it is.
        step: usize,
        /// By which share of the loss.
        relative: f64,
        /// By which share it may be.
        allowed: f64,
        /// What was done to the second run.
        how: &'static str,
    },
    /// What it says that its model predicts cannot be true.
    #[error("its predictions {0}")]
    Predictions(String),
    /// A loss is not finite.
    #[error("the loss of step {0} is not a finite number")]
    NonFinite(u64),
    /// It could not be started at all.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A GPU is gone, full, or not ours: no verdict follows.
    #[error("{message}")]
    Gpu {
        /// What happened and what to do.
        message: String,
        /// It is of no use for anybody any more.
        lost: bool,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// The system failed us.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl WorkloadError {
    /// Whether the machine failed, and neither side.
    pub fn is_machine(&self) -> bool {
        matches!(
            self,
            Self::System { .. } | Self::Gpu { .. } | Self::Launch(LaunchError::System { .. })
        )
    }

    /// Whether the program ended or gave up by itself: not a time limit, not the machine, not the
    /// user.
    pub(crate) fn is_own_end(&self) -> bool {
        matches!(
            self,
            Self::Exited { .. } | Self::Reported(_) | Self::Version(_)
        )
    }

    /// Whether this is the user's Ctrl-C and nobody's fault.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Launch(LaunchError::Cancelled))
    }
}

/// A connected workload.
#[derive(Debug)]
pub(crate) struct StepClient {
    pub(crate) running: Running,
    pub(crate) hello: Hello,
    stream: UnixStream,
    buffer: Vec<u8>,
    /// What one read fills. Kept, so that no page of it is new while a turn is timed.
    chunk: Box<[u8]>,
    /// Steps since `start`.
    trained: u64,
    timeout: Duration,
    context: Context,
    /// Where files go that it and outpace hand to each other.
    exchange: Arc<Scratch>,
    /// How many files it was asked to put there.
    handed: u32,
    /// Where outpace writes for it. It can only read there, and so lead no file elsewhere.
    given: Scratch,
    /// Deleted after `running` has ended: fields are dropped in this order.
    _scratch: Scratch,
    _in_use: Option<InUse>,
}

impl StepClient {
    /// Starts the program and waits for its `hello`.
    pub(crate) fn start(context: &Context, subject: &Subject) -> Result<Self, WorkloadError> {
        let system = |what| move |source| WorkloadError::System { what, source };
        let scratch = scratch(context)?;
        let path = context
            .socket_path(&scratch)
            .map_err(system("cannot find room for a socket"))?;
        let listener = UnixListener::bind(&path).map_err(system("cannot make a socket"))?;
        listener
            .set_nonblocking(true)
            .map_err(system("cannot prepare the socket"))?;
        let exchange = Arc::new(self::scratch(context)?);
        let given = self::scratch(context)?;
        let spec = context
            .spec(
                subject,
                &[],
                &[(SOCKET_VARIABLE, path.clone().into())],
                scratch.path(),
            )
            .writing(&[exchange.path(), &path])
            .reading(&[given.path()]);
        let in_use = acquired(subject)?;
        let mut running = context.launcher.spawn(&spec)?;
        let stream = accept(context, subject, &listener, &mut running)?;
        stream
            .set_nonblocking(false)
            .map_err(system("cannot prepare the socket"))?;
        stream
            .set_read_timeout(Some(SLICE))
            .map_err(system("cannot prepare the socket"))?;
        stream
            .set_write_timeout(Some(subject.timeout))
            .map_err(system("cannot prepare the socket"))?;
        let mut client = Self {
            running,
            hello: Hello::default(),
            stream,
            buffer: Vec::new(),
            chunk: vec![0; READ_BYTES].into(),
            trained: 0,
            timeout: subject.timeout,
            context: context.clone(),
            exchange,
            handed: 0,
            given,
            _scratch: scratch,
            _in_use: in_use,
        };
        match client.receive("hello")? {
            Reply::Hello(hello) if hello.protocol == VERSION => client.hello = hello,
            Reply::Hello(hello) => return Err(WorkloadError::Version(hello.protocol)),
            other => return Err(unexpected("hello", &other)),
        }
        Ok(client)
    }

    /// Whether it has an optional ability.
    pub(crate) fn can(&self, ability: &str) -> bool {
        self.hello.can.iter().any(|a| a == ability)
    }

    /// Begins training afresh.
    pub(crate) fn begin(
        &mut self,
        model_seed: u64,
        data_seed: u64,
        perturb_ulps: Option<u32>,
    ) -> Result<(), WorkloadError> {
        self.start_with(&Request::Start {
            model_seed,
            data_seed,
            perturb_ulps,
            checkpoint: None,
        })
    }

    /// Takes the model of a checkpoint.
    pub(crate) fn resume(
        &mut self,
        [model_seed, data_seed]: [u64; 2],
        checkpoint: &std::path::Path,
    ) -> Result<(), WorkloadError> {
        // It gets a copy: the file itself is out of its reach.
        let copied = self.given("model");
        std::fs::copy(checkpoint, &copied).map_err(|source| WorkloadError::System {
            what: "cannot copy a checkpoint",
            source,
        })?;
        self.start_with(&Request::Start {
            model_seed,
            data_seed,
            perturb_ulps: None,
            checkpoint: Some(copied),
        })
    }

    fn start_with(&mut self, request: &Request) -> Result<(), WorkloadError> {
        match self.ask(request, "start")? {
            Reply::Ready => {
                self.trained = 0;
                Ok(())
            }
            other => Err(unexpected("start", &other)),
        }
    }

    /// Trains `n` steps; returns seconds and losses. The clock runs from the last byte ready to be
    /// sent to the last byte received: making and reading the messages is our work, not theirs.
    pub(crate) fn step(&mut self, n: u32) -> Result<(f64, Vec<f64>), WorkloadError> {
        let line = self.prepare(&Request::Step { n })?;
        let begin = Instant::now();
        self.write(&line)?;
        let answer = self.read_line("step")?;
        let seconds = begin.elapsed().as_secs_f64();
        match parse(&answer)? {
            Reply::Done { step, losses }
                if losses.len() == n as usize && step == self.trained + u64::from(n) =>
            {
                self.trained = step;
                if let Some(at) = losses
                    .iter()
                    .position(|loss| !loss.is_some_and(f64::is_finite))
                {
                    return Err(WorkloadError::NonFinite(
                        (step + 1 + at as u64).saturating_sub(u64::from(n)),
                    ));
                }
                Ok((seconds, losses.into_iter().flatten().collect()))
            }
            Reply::Done { step, losses } => Err(WorkloadError::Unexpected {
                asked: format!("step, n = {n}"),
                got: format!("done, step {step}, with {} losses", losses.len()),
            }),
            other => Err(unexpected("step", &other)),
        }
    }

    /// A file that it can write and outpace reads.
    pub(crate) fn handed(&mut self, name: &str) -> Handed {
        self.handed += 1;
        Handed::new(&self.exchange, &format!("{:03}-{name}", self.handed))
    }

    /// A path that it can read, and only outpace can write.
    pub(crate) fn given(&self, name: &str) -> std::path::PathBuf {
        self.given.path().join(name)
    }

    /// A folder that it cannot reach.
    pub(crate) fn own_scratch(&self) -> Result<Scratch, WorkloadError> {
        scratch(&self.context)
    }

    /// Writes a checkpoint.
    pub(crate) fn save(&mut self, path: &std::path::Path) -> Result<(), WorkloadError> {
        match self.ask(
            &Request::Save {
                path: path.to_string_lossy().into_owned(),
            },
            "save",
        )? {
            Reply::Saved => Ok(()),
            other => Err(unexpected("save", &other)),
        }
    }

    /// Asks what its model expects of the passages in the file `text`, and has it written to `out`.
    pub(crate) fn predict(
        &mut self,
        text: &std::path::Path,
        [passages, length]: [usize; 2],
        at: Option<Vec<usize>>,
        out: &std::path::Path,
    ) -> Result<(), WorkloadError> {
        let request = Request::Predict {
            text: text.to_string_lossy().into_owned(),
            passages,
            length,
            at,
            out: out.to_string_lossy().into_owned(),
        };
        match self.ask(&request, "predict")? {
            Reply::Predicted => Ok(()),
            other => Err(unexpected("predict", &other)),
        }
    }

    /// Asks it to exit and waits for that. Returns the seconds of its whole life, and those from
    /// the question to its end.
    pub(crate) fn stop(mut self) -> Result<(f64, f64), WorkloadError> {
        let line = self.prepare(&Request::Stop)?;
        let asked = Instant::now();
        self.write(&line)?;
        let patience = self.timeout;
        match self.running.wait(patience) {
            _ if self.context.launcher.cancelled() => Err(WorkloadError::Cancelled),
            Some(finished) if finished.code == 0 => {
                Ok((finished.seconds, asked.elapsed().as_secs_f64()))
            }
            Some(finished) => Err(WorkloadError::Exited {
                when: "after `stop`".into(),
                code: finished.code,
                log: finished.log_tail(),
            }),
            None => Err(WorkloadError::Silent {
                asked: "stop".into(),
                seconds: patience.as_secs_f64(),
                log: self.running.log_tail(),
            }),
        }
    }

    fn ask(&mut self, request: &Request, name: &str) -> Result<Reply, WorkloadError> {
        let line = self.prepare(request)?;
        self.write(&line)?;
        self.receive(name)
    }

    /// The line to send. Nothing may have come before it was asked for: an early answer would be
    /// taken for the next one, in no time.
    fn prepare(&mut self, request: &Request) -> Result<Vec<u8>, WorkloadError> {
        if self.context.launcher.cancelled() {
            return Err(WorkloadError::Cancelled);
        }
        if !self.buffer.is_empty() || is_readable(&self.stream) {
            let asked = "nothing yet".to_owned();
            // A program that ended is readable too; reading tells which it is.
            if self.buffer.is_empty() {
                self.read_some("the next request")?;
            }
            if !self.buffer.is_empty() {
                let got = plain(&String::from_utf8_lossy(&self.buffer), 80);
                return Err(WorkloadError::Unexpected { asked, got });
            }
        }
        let mut line = serde_json::to_vec(request).expect("requests are plain data");
        line.push(b'\n');
        Ok(line)
    }

    fn write(&mut self, line: &[u8]) -> Result<(), WorkloadError> {
        match self.stream.write_all(line) {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                Err(self.gone("when it was asked to go on"))
            }
            Err(source) => Err(WorkloadError::System {
                what: "cannot write to the workload",
                source,
            }),
        }
    }

    fn receive(&mut self, asked: &str) -> Result<Reply, WorkloadError> {
        parse(&self.read_line(asked)?)
    }

    fn read_line(&mut self, asked: &str) -> Result<Vec<u8>, WorkloadError> {
        let begin = Instant::now();
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                return Ok(self.buffer.drain(..=end).collect());
            }
            if self.buffer.len() > MAX_MESSAGE_BYTES {
                return Err(WorkloadError::TooLong);
            }
            if begin.elapsed() > self.timeout {
                let log = self.running.log_tail();
                return Err(WorkloadError::Silent {
                    asked: asked.into(),
                    seconds: self.timeout.as_secs_f64(),
                    log,
                });
            }
            self.read_some(asked)?;
        }
    }

    fn read_some(&mut self, asked: &str) -> Result<(), WorkloadError> {
        match self.stream.read(&mut self.chunk) {
            Ok(0) => Err(self.gone(&format!("before it answered `{asked}`"))),
            Ok(n) => {
                self.buffer.extend_from_slice(&self.chunk[..n]);
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                if self.context.launcher.cancelled() {
                    Err(WorkloadError::Cancelled)
                } else {
                    Ok(())
                }
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                Err(self.gone("in the middle of an answer"))
            }
            Err(source) => Err(WorkloadError::System {
                what: "cannot read from the workload",
                source,
            }),
        }
    }

    fn gone(&mut self, when: &str) -> WorkloadError {
        // The socket closes a moment before the process is reaped.
        let finished = self.running.wait(Duration::from_secs(2));
        if self.context.launcher.cancelled() {
            return WorkloadError::Cancelled;
        }
        let code = finished.map_or(-1, |f| f.code);
        WorkloadError::Exited {
            when: when.to_owned(),
            code,
            log: self.running.log_tail(),
        }
    }
}

/// [`Subject::acquire`], for those who start a program.
pub(crate) fn acquired(subject: &Subject) -> Result<Option<InUse>, WorkloadError> {
    subject.acquire().map_err(|source| WorkloadError::System {
        what: "cannot restore the program's directory",
        source,
    })
}

fn accept(
    context: &Context,
    subject: &Subject,
    listener: &UnixListener,
    running: &mut Running,
) -> Result<UnixStream, WorkloadError> {
    loop {
        match listener.accept() {
            // Another program that found the socket is not answered.
            Ok((stream, _)) if is_of(running, &stream) => return Ok(stream),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(source) => {
                return Err(WorkloadError::System {
                    what: "cannot accept the workload's connection",
                    source,
                });
            }
        }
        if context.launcher.cancelled() {
            return Err(WorkloadError::Cancelled);
        }
        if let Some(finished) = running.poll() {
            let when = "before it connected to the socket in OUTPACE_SOCKET (a program that does not speak the step protocol needs \
                        protocol = \"process\")"
                .to_owned();
            return Err(WorkloadError::Exited {
                when,
                code: finished.code,
                log: finished.log_tail(),
            });
        }
        if running.age_s() > subject.timeout.as_secs_f64() {
            return Err(WorkloadError::NoConnection {
                seconds: subject.timeout.as_secs_f64(),
                log: running.log_tail(),
            });
        }
        wait_readable(listener);
    }
}

/// Whether the process at the other end is the program itself, or one that it started.
fn is_of(running: &Running, stream: &UnixStream) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(stream);
    let pid = peer.map(|peer| peer.pid.as_raw_nonzero().get().cast_unsigned());
    pid.is_ok_and(|pid| running.processes().contains(&pid))
}

fn is_readable(stream: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(stream, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(n) if n > 0)
}

/// Sleeps until somebody connects, at most a moment.
fn wait_readable(listener: &UnixListener) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    // An interrupted wait is only a shorter one.
    let _ = poll(
        &mut fds,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        }),
    );
}

pub(crate) fn parse(line: &[u8]) -> Result<Reply, WorkloadError> {
    match serde_json::from_slice(line) {
        Ok(Reply::Error { message }) => Err(WorkloadError::Reported(plain(&message, 400))),
        Ok(reply) => Ok(reply),
        Err(_) => {
            let line = plain(&String::from_utf8_lossy(line), 80);
            let is_number = line.contains("NaN") || line.contains("Infinity");
            let hint = if is_number {
                " (JSON has neither NaN nor Infinity: send null)"
            } else {
                ""
            };
            Err(WorkloadError::Garbage {
                line: format!("{line}{hint}"),
            })
        }
    }
}

/// A fresh folder for a process.
pub(crate) fn scratch(context: &Context) -> Result<Scratch, WorkloadError> {
    context
        .fresh_scratch()
        .map_err(|source| WorkloadError::System {
            what: "cannot make a scratch folder",
            source,
        })
}

fn unexpected(asked: &str, reply: &Reply) -> WorkloadError {
    let got = match reply {
        Reply::Hello(_) => "hello",
        Reply::Ready => "ready",
        Reply::Done { .. } => "done",
        Reply::Saved => "saved",
        Reply::Predicted => "predicted",
        Reply::Error { .. } => "error",
    };
    WorkloadError::Unexpected {
        asked: asked.to_owned(),
        got: got.to_owned(),
    }
}
