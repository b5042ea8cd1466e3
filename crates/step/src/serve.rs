//! The server loop of a workload: reads requests, calls the workload, and answers in order.
//!
//! What comes through the stream is not trusted: no request makes it panic, and the first one that
//! cannot be answered ends the loop.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::connection::Connection;
use crate::{
    Hello, MAX_MESSAGE_BYTES, MAX_STEPS, PERTURB, RESUME, Reply, Request, SAVE, SOCKET_VARIABLE,
    Start,
};

/// outpace cuts the message of an `error` there.
const MAX_ERROR_CHARS: usize = 400;

/// Any error of a workload; `?` makes one of every error type.
pub type WorkloadError = Box<dyn Error + Send + Sync>;

/// A training program that outpace drives.
pub trait Workload {
    /// What it says about itself. Called once, before anything else.
    fn hello(&self) -> Hello;

    /// Makes a fresh model and fresh data. Equal values must give equal losses. May be called
    /// again, and then begins again.
    ///
    /// # Errors
    /// Whatever fails. outpace is told, and the loop ends.
    fn start(&mut self, start: &Start) -> Result<(), WorkloadError>;

    /// Trains `n` steps and returns the loss of each in nats per token, once the work is finished
    /// on the device. Called only after `start`, with `n` from 1 to [`MAX_STEPS`].
    ///
    /// # Errors
    /// Whatever fails. outpace is told, and the loop ends. A loss that is not finite is not an
    /// error here: outpace names its step.
    fn steps(&mut self, n: u32) -> Result<Vec<f64>, WorkloadError>;

    /// Writes a checkpoint. Called only if [`Hello::can`] lists [`SAVE`].
    ///
    /// # Errors
    /// Whatever fails; without an implementation, always.
    fn save(&mut self, path: &Path) -> Result<(), WorkloadError> {
        let path = path.display();
        Err(format!("{path}: this workload does not save checkpoints").into())
    }
}

/// Why the loop ended before `stop`. The text is complete: it names its cause.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing says where outpace listens.
    #[error(
        "{SOCKET_VARIABLE} is not set. Hint: outpace sets it when it starts this program: name the \
         program as `run` in outpace.toml, or with `outpace compare --base-cmd`"
    )]
    NoSocket,
    /// The socket cannot be reached.
    #[error("{SOCKET_VARIABLE} = {}: cannot connect: {error}", path.display())]
    Connect {
        /// Path of the socket.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Reading failed.
    #[error("cannot read from outpace: {0}")]
    Receive(io::Error),
    /// Writing failed.
    #[error("cannot write to outpace: {0}")]
    Send(io::Error),
    /// A request is too long.
    #[error("a request of more than {} KiB", MAX_MESSAGE_BYTES >> 10)]
    TooLong,
    /// The stream ended inside a request.
    #[error("the connection ended inside a request, after {bytes} bytes")]
    CutOff {
        /// How much had come.
        bytes: usize,
    },
    /// A request is not in the protocol.
    #[error("a request that is not in the step protocol: {0}")]
    Malformed(serde_json::Error),
    /// Training has not begun.
    #[error("`{request}` before `start`")]
    NotStarted {
        /// What was asked.
        request: &'static str,
    },
    /// The workload did not say that it can do this.
    #[error("asked for the ability `{ability}`, which is not in `can` of `hello`")]
    NotListed {
        /// What it would take.
        ability: &'static str,
    },
    /// A number of steps that cannot be answered.
    #[error("step: n = {n} must be between 1 and {MAX_STEPS}")]
    StepCount {
        /// What was asked.
        n: u32,
    },
    /// The workload returned too few losses or too many.
    #[error("the workload returned {losses} losses for {n} steps")]
    LossCount {
        /// Steps that were asked for.
        n: u32,
        /// Losses that came.
        losses: usize,
    },
    /// The workload failed.
    #[error("{}", with_causes(&**.0))]
    Workload(WorkloadError),
}

/// Whether outpace started this process.
#[must_use]
pub fn is_driven() -> bool {
    socket_path(std::env::var_os(SOCKET_VARIABLE)).is_some()
}

/// Connects to outpace and answers until it says `stop` or closes the connection.
///
/// # Errors
/// Anything that ends the loop earlier. Except where there is no connection, outpace has been told
/// with an `error` message; the program should show the error and exit with another code than 0.
pub fn serve(workload: &mut impl Workload) -> Result<(), ServeError> {
    serve_stream(workload, connect(std::env::var_os(SOCKET_VARIABLE))?)
}

/// The same over any stream.
///
/// # Errors
/// As [`serve`].
pub fn serve_stream(
    workload: &mut impl Workload,
    stream: impl Read + Write,
) -> Result<(), ServeError> {
    let mut connection = Connection::new(stream);
    let outcome = answer_all(workload, &mut connection);
    if let Err(error) = &outcome {
        let message = error.to_string().chars().take(MAX_ERROR_CHARS).collect();
        // The first error is the one to report. outpace may have closed the connection.
        let _ = connection.send(&Reply::Error { message });
    }
    outcome
}

/// An empty variable counts as none: that is how a script unsets one for its child.
fn socket_path(variable: Option<OsString>) -> Option<PathBuf> {
    variable.filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn connect(variable: Option<OsString>) -> Result<UnixStream, ServeError> {
    let path = socket_path(variable).ok_or(ServeError::NoSocket)?;
    UnixStream::connect(&path).map_err(|error| ServeError::Connect { path, error })
}

fn answer_all(
    workload: &mut impl Workload,
    connection: &mut Connection<impl Read + Write>,
) -> Result<(), ServeError> {
    let hello = workload.hello();
    connection.send(&Reply::Hello(hello.clone()))?;
    let mut server = Server {
        workload,
        hello,
        trained: None,
    };
    while let Some(line) = connection.receive()? {
        let Some(reply) = server.answer(line)? else {
            break;
        };
        connection.send(&reply)?;
    }
    Ok(())
}

/// Where the conversation stands.
struct Server<'w, W> {
    workload: &'w mut W,
    hello: Hello,
    /// Steps since `start`; none before.
    trained: Option<u64>,
}

impl<W: Workload> Server<'_, W> {
    /// The reply to a request; none to `stop`.
    fn answer(&mut self, line: &[u8]) -> Result<Option<Reply>, ServeError> {
        let reply = match parse(line)? {
            // Read again as `Start`: that has the fields which outpace itself never sends.
            Request::Start { .. } => self.start(&parse(line)?)?,
            Request::Step { n } => self.step(n)?,
            Request::Save { path } => self.save(Path::new(&path))?,
            Request::Stop => return Ok(None),
        };
        Ok(Some(reply))
    }

    fn start(&mut self, start: &Start) -> Result<Reply, ServeError> {
        // To ignore it would give other losses than those asked for.
        if start.perturb_ulps > 0 {
            self.needs(PERTURB)?;
        }
        if start.checkpoint.is_some() {
            self.needs(RESUME)?;
        }
        self.workload.start(start).map_err(ServeError::Workload)?;
        self.trained = Some(0);
        Ok(Reply::Ready)
    }

    fn step(&mut self, n: u32) -> Result<Reply, ServeError> {
        let request = "step";
        let before = self.trained.ok_or(ServeError::NotStarted { request })?;
        if n == 0 || n > MAX_STEPS {
            return Err(ServeError::StepCount { n });
        }
        let losses = self.workload.steps(n).map_err(ServeError::Workload)?;
        if losses.len() != n as usize {
            let losses = losses.len();
            return Err(ServeError::LossCount { n, losses });
        }
        let step = before.saturating_add(u64::from(n));
        self.trained = Some(step);
        // JSON has neither NaN nor infinity.
        let finite = |loss: f64| loss.is_finite().then_some(loss);
        let losses = losses.into_iter().map(finite).collect();
        Ok(Reply::Done { step, losses })
    }

    fn save(&mut self, path: &Path) -> Result<Reply, ServeError> {
        let request = "save";
        self.trained.ok_or(ServeError::NotStarted { request })?;
        self.needs(SAVE)?;
        self.workload.save(path).map_err(ServeError::Workload)?;
        Ok(Reply::Saved)
    }

    fn needs(&self, ability: &'static str) -> Result<(), ServeError> {
        if self.hello.can.iter().any(|listed| listed == ability) {
            return Ok(());
        }
        Err(ServeError::NotListed { ability })
    }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, ServeError> {
    serde_json::from_slice(line).map_err(ServeError::Malformed)
}

/// An error and its causes in one line.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_socket_the_error_says_who_sets_it() {
        for variable in [None, Some(OsString::new())] {
            let error = connect(variable).unwrap_err().to_string();
            assert!(error.starts_with("OUTPACE_SOCKET is not set. Hint: "));
        }
        let error = connect(Some("/no/such/socket".into())).unwrap_err();
        let expected = "OUTPACE_SOCKET = /no/such/socket: cannot connect: No such file";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
