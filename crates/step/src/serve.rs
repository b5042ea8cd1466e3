//! The server loop of a workload: reads requests, calls the workload, and answers in order.
//!
//! What comes through the stream is not trusted: no request makes it panic, and the first one that
//! cannot be answered ends the loop.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::connection::Connection;
use crate::error::{ServeError, WorkloadError};
use crate::predict::{Passages, write_log_p};
use crate::{
    Hello, MAX_STEPS, PERTURB, PREDICT, RESUME, Reply, Request, SAVE, SOCKET_VARIABLE, Start,
};

/// outpace cuts the message of an `error` there.
const MAX_ERROR_CHARS: usize = 400;

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

    /// The natural logarithm of the probability that the model gives to each next token of each
    /// passage, `passages x length`. With `at`, one position a passage: that of every symbol there,
    /// `passages x symbols`. Nothing may be learnt from the text. Called only if [`Hello::can`]
    /// lists [`PREDICT`].
    ///
    /// # Errors
    /// Whatever fails; without an implementation, always.
    fn predict(
        &mut self,
        _text: &Passages,
        _at: Option<&[usize]>,
    ) -> Result<Vec<f32>, WorkloadError> {
        Err("this workload does not predict".into())
    }
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
            Request::Predict {
                text,
                passages,
                length,
                at,
                out,
            } => {
                let text = read_passages(Path::new(&text), passages, length)?;
                self.predict(&text, at.as_deref(), Path::new(&out))?
            }
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

    fn predict(
        &mut self,
        text: &Passages,
        at: Option<&[usize]>,
        out: &Path,
    ) -> Result<Reply, ServeError> {
        let request = "predict";
        self.trained.ok_or(ServeError::NotStarted { request })?;
        self.needs(PREDICT)?;
        let log_p = self.workload.predict(text, at);
        let log_p = log_p.map_err(ServeError::Workload)?;
        let (passages, length) = (text.count(), text.length);
        let fits = match at {
            None => log_p.len() == passages * length,
            Some(_) => !log_p.is_empty() && log_p.len().is_multiple_of(passages),
        };
        if !fits {
            let predictions = log_p.len();
            return Err(ServeError::PredictionCount {
                passages,
                length,
                predictions,
            });
        }
        write_log_p(out, &log_p)?;
        Ok(Reply::Predicted)
    }

    fn needs(&self, ability: &'static str) -> Result<(), ServeError> {
        if self.hello.can.iter().any(|listed| listed == ability) {
            return Ok(());
        }
        Err(ServeError::NotListed { ability })
    }
}

fn read_passages(path: &Path, passages: usize, length: usize) -> Result<Passages, ServeError> {
    Passages::read(path, passages, length).map_err(|error| ServeError::File {
        path: path.to_owned(),
        error,
    })
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, ServeError> {
    serde_json::from_slice(line).map_err(ServeError::Malformed)
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
