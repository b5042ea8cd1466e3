//! The step protocol (`outpace.step/1`): JSON lines over a Unix socket. outpace asks, this program answers; it speaks first only to say
//! hello. No clock here: whoever asks measures.

use crate::config::Config;
use crate::data::Source;
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

#[derive(Debug, Deserialize)]
struct Start {
    #[serde(flatten)]
    seeds: Seeds,
    /// Units in the last place by which every initial weight is moved.
    #[serde(default)]
    perturb_ulps: u32,
    checkpoint: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer {
    Hello {
        protocol: u32,
        tokens_per_step: usize,
        flops_per_token: f64,
        parameters: usize,
        can: [&'static str; 3],
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

/// Serves outpace at `socket` until it says `stop` or hangs up.
///
/// # Errors
/// A socket that cannot be reached, a message that makes no sense, or a failure of the training; the last two are also sent.
pub fn serve(config: &Config, source: &Source, socket: &Path) -> Result<()> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("{SOCKET_VARIABLE} {}: cannot connect", socket.display()))?;
    let mut connection = Connection {
        reader: BufReader::new(stream.try_clone()?),
        writer: stream,
    };
    let outcome = converse(config, source, &mut connection);
    if let Err(error) = &outcome {
        // The other side may be gone; then the log has to do.
        let message = format!("{error:#}");
        let _ = connection.send(&Answer::Error { message });
    }
    outcome
}

fn converse(config: &Config, source: &Source, connection: &mut Connection) -> Result<()> {
    connection.send(&Answer::Hello {
        protocol: PROTOCOL,
        tokens_per_step: config.tokens_per_step(),
        flops_per_token: figures::flops_per_token(config),
        parameters: config.model.parameters(),
        can: ["perturb", "save", "resume"],
    })?;
    let mut trainer = None;
    while let Some(request) = connection.receive()? {
        let answer = match request {
            Request::Start(start) => {
                trainer = Some(begin(config, source, &start)?);
                Answer::Ready
            }
            Request::Step { n } => steps(started(&mut trainer, "step")?, n)?,
            Request::Save { path } => {
                checkpoint::save(started(&mut trainer, "save")?, &config.model, &path)?;
                Answer::Saved
            }
            Request::Stop => return Ok(()),
        };
        connection.send(&answer)?;
    }
    Ok(())
}

fn begin<'a>(config: &'a Config, source: &'a Source, start: &Start) -> Result<Trainer<'a>> {
    let mut trainer = Trainer::new(config, source, start.seeds)?;
    if let Some(path) = &start.checkpoint {
        checkpoint::resume(&mut trainer, &config.model, path)?;
    }
    match start.perturb_ulps {
        0 => {}
        1 => trainer.model.perturb(start.seeds.model_seed)?,
        other => bail!("start: perturb_ulps {other} is not supported, only 0 and 1"),
    }
    Ok(trainer)
}

fn started<'t, 'a>(
    trainer: &'t mut Option<Trainer<'a>>,
    request: &str,
) -> Result<&'t mut Trainer<'a>> {
    trainer
        .as_mut()
        .with_context(|| format!("{request} before start"))
}

fn steps(trainer: &mut Trainer<'_>, n: u64) -> Result<Answer> {
    if n == 0 || n > MOST_STEPS {
        bail!("step: n = {n} must be between 1 and {MOST_STEPS}");
    }
    let losses = (0..n)
        .map(|_| Ok(Some(trainer.step()?).filter(|loss| loss.is_finite())))
        .collect::<Result<_>>()?;
    Ok(Answer::Done {
        step: trainer.step,
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
