//! The step protocol (`outpace.step/1`): JSON lines over a Unix socket. outpace asks, this program answers; it speaks first only to say
//! hello. No clock here: whoever asks measures.

use crate::config::Config;
use crate::data::Source;
use crate::drill::{Drill, Operation};
use crate::place::Place;
use crate::trainer::{Seeds, Trainer};
use crate::{checkpoint, figures};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Where outpace puts the socket's path.
pub const SOCKET_VARIABLE: &str = "OUTPACE_SOCKET";
const PROTOCOL: u32 = 1;
/// Longest message either side may send.
const LONGEST_MESSAGE: u64 = 1 << 20;
/// Losses of one `done` have to fit a message; each takes at most 25 bytes.
const MOST_STEPS: u64 = 40_000;

/// What outpace asks. Unknown fields are ignored: the protocol grows by adding some.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Request {
    Start(Start),
    Step { n: u64 },
    Save { path: PathBuf },
    Stop,
}

/// What a run begins from.
#[derive(Debug, Deserialize)]
pub struct Start {
    /// Of the weights and the data.
    #[serde(flatten)]
    pub seeds: Seeds,
    /// Units in the last place by which every initial weight is moved: 0 or 1.
    #[serde(default)]
    pub perturb_ulps: u32,
    /// Checkpoint to go on from.
    pub checkpoint: Option<PathBuf>,
}

impl Start {
    /// From nothing but seeds.
    #[must_use]
    pub const fn fresh(seeds: Seeds) -> Self {
        Self {
            seeds,
            perturb_ulps: 0,
            checkpoint: None,
        }
    }
}

/// What outpace drives.
pub trait Run {
    /// One step; returns its loss in nats a token.
    ///
    /// # Errors
    /// A failure of the training.
    fn step(&mut self) -> Result<f64>;
    /// `n` steps; returns their losses once all work is done, not queued.
    ///
    /// # Errors
    /// A failure of the training.
    fn turn(&mut self, n: u64) -> Result<Vec<f64>> {
        (0..n).map(|_| self.step()).collect()
    }
    /// Steps since the start.
    fn steps(&self) -> u64;
    /// Writes a checkpoint.
    ///
    /// # Errors
    /// A path that cannot be written.
    fn save(&self, path: &Path) -> Result<()>;
}

/// What a workload says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Tokens that a step trains on.
    pub tokens_per_step: usize,
    /// Floating-point operations of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flops_per_token: Option<f64>,
    /// Trainable parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<usize>,
    /// Requests beyond the first three that it understands.
    pub can: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer {
    Hello {
        protocol: u32,
        #[serde(flatten)]
        about: About,
    },
    Ready,
    Done {
        step: u64,
        /// JSON has no NaN: what is not finite is `null`.
        losses: Vec<Option<f64>>,
    },
    Saved,
    Error {
        message: String,
    },
}

/// Serves outpace at `socket` with the training that `config` describes, until it says `stop` or hangs up.
///
/// # Errors
/// A socket that cannot be reached, a message that makes no sense, or a failure of the training; the last two are also sent.
pub fn serve_training(
    config: &Config,
    source: &Source,
    place: &Place,
    socket: &Path,
) -> Result<()> {
    let about = About {
        tokens_per_step: config.tokens_per_step(),
        flops_per_token: Some(figures::flops_per_token(config)),
        parameters: Some(config.model.parameters()),
        can: vec!["perturb", "save", "resume"],
    };
    serve(about, |start| begin(config, source, place, start), socket)
}

/// Serves outpace at `socket` with one operation at the sizes of `config`.
///
/// # Errors
/// As [`serve_training`].
pub fn serve_drill(
    config: &Config,
    operation: Operation,
    place: &Place,
    socket: &Path,
) -> Result<()> {
    let about = About {
        tokens_per_step: config.tokens_per_step(),
        flops_per_token: None,
        parameters: None,
        can: vec!["perturb", "save"],
    };
    let begin = |start: &Start| Drill::new(config, operation, start, place);
    serve(about, begin, socket)
}

fn serve<R: Run>(about: About, begin: impl Fn(&Start) -> Result<R>, socket: &Path) -> Result<()> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("{SOCKET_VARIABLE} {}: cannot connect", socket.display()))?;
    let mut connection = Connection {
        reader: BufReader::new(stream.try_clone()?),
        writer: stream,
    };
    let outcome = converse(about, begin, &mut connection);
    if let Err(error) = &outcome {
        // The other side may be gone; then the log has to do.
        let message = format!("{error:#}");
        let _ = connection.send(&Answer::Error { message });
    }
    outcome
}

fn converse<R: Run>(
    about: About,
    begin: impl Fn(&Start) -> Result<R>,
    connection: &mut Connection,
) -> Result<()> {
    connection.send(&Answer::Hello {
        protocol: PROTOCOL,
        about,
    })?;
    let mut run = None;
    while let Some(request) = connection.receive()? {
        let answer = match request {
            Request::Start(start) if start.perturb_ulps > 1 => bail!(
                "start: perturb_ulps {} is not supported, only 0 and 1",
                start.perturb_ulps
            ),
            Request::Start(start) => {
                run = Some(begin(&start)?);
                Answer::Ready
            }
            Request::Step { n } => steps(started(&mut run, "step")?, n)?,
            Request::Save { path } => {
                started(&mut run, "save")?.save(&path)?;
                Answer::Saved
            }
            Request::Stop => return Ok(()),
        };
        connection.send(&answer)?;
    }
    Ok(())
}

fn begin<'a>(
    config: &'a Config,
    source: &'a Source,
    place: &Place,
    start: &Start,
) -> Result<Trainer<'a>> {
    let mut trainer = Trainer::new(config, source, start.seeds, place)?;
    if let Some(path) = &start.checkpoint {
        checkpoint::resume(&mut trainer, &config.model, path)?;
    }
    if start.perturb_ulps > 0 {
        trainer.perturb(start.seeds.model_seed)?;
    }
    Ok(trainer)
}

impl Run for Trainer<'_> {
    fn step(&mut self) -> Result<f64> {
        Trainer::step(self)
    }

    /// Losses are read at the end: on a GPU the steps of a turn follow each other without a gap.
    fn turn(&mut self, n: u64) -> Result<Vec<f64>> {
        let losses = (0..n).map(|_| self.queue_step());
        let losses = losses.collect::<Result<Vec<_>>>()?;
        let read = |loss: &candle_core::Tensor| Ok(loss.to_scalar()?);
        losses.iter().map(read).collect()
    }

    fn steps(&self) -> u64 {
        self.step
    }

    fn save(&self, path: &Path) -> Result<()> {
        checkpoint::save(self, self.model.config(), path)
    }
}

fn started<'r, R>(run: &'r mut Option<R>, request: &str) -> Result<&'r mut R> {
    run.as_mut()
        .with_context(|| format!("{request} before start"))
}

fn steps(run: &mut impl Run, n: u64) -> Result<Answer> {
    if n == 0 || n > MOST_STEPS {
        bail!("step: n = {n} must be between 1 and {MOST_STEPS}");
    }
    let losses = run.turn(n)?.into_iter();
    let losses = losses
        .map(|loss| Some(loss).filter(|loss| loss.is_finite()))
        .collect();
    Ok(Answer::Done {
        step: run.steps(),
        losses,
    })
}

struct Connection {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Connection {
    fn send(&mut self, answer: &Answer) -> Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        self.writer.write_all(&line).context("outpace hung up")
    }

    /// The next message; none when the other side has hung up.
    fn receive(&mut self) -> Result<Option<Request>> {
        let mut line = Vec::new();
        let limited = (&mut self.reader).take(LONGEST_MESSAGE);
        { limited }.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            bail!("a message of {} bytes has no end", line.len());
        }
        let request = serde_json::from_slice(&line).context("a message that makes no sense")?;
        Ok(Some(request))
    }
}
