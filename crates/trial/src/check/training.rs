//! The training runs that are compared, and how long they took.

use std::path::Path;

use outpace_process::{Context, Subject};
use outpace_record::Check;

use crate::WorkloadError;
use crate::client::StepClient;
use crate::handed::Handed;

/// What a process trained.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) losses: Vec<f64>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Seconds from its start to its exit.
    pub(crate) wall_s: f64,
}

/// A checkpoint that a program wrote; deleted when it is dropped.
#[derive(Debug)]
pub struct Checkpoint(Handed);

impl Checkpoint {
    /// Where it is. A candidate's is hostile, and may be no file at all.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn is_plain_file(&self) -> bool {
        self.0.open().is_some()
    }
}

/// What the base declares of itself.
pub(super) struct Declared {
    pub(super) can_perturb: bool,
    pub(super) flops_per_token: Option<f64>,
}

/// The base's run, with a checkpoint of its first moment.
pub(super) fn train_base(
    context: &Context,
    subject: &Subject,
    steps: u32,
    seeds: [u64; 2],
) -> Result<(Trained, Option<Checkpoint>, Declared), WorkloadError> {
    let mut client = StepClient::start(context, subject)?;
    let declared = Declared {
        can_perturb: client.can("perturb"),
        flops_per_token: client.hello.flops_per_token,
    };
    client.begin(seeds[0], seeds[1], None)?;
    let initial = save(&mut client)?;
    let trained = finish(client, steps)?;
    Ok((trained, initial, declared))
}

/// One step, of which nothing is kept.
pub(super) fn warm_up(
    context: &Context,
    subject: &Subject,
    seeds: [u64; 2],
) -> Result<(), WorkloadError> {
    let mut client = StepClient::start(context, subject)?;
    client.begin(seeds[0], seeds[1], None)?;
    client.step(1)?;
    client.stop()?;
    Ok(())
}

pub(super) fn train(
    context: &Context,
    subject: &Subject,
    steps: u32,
    seeds: [u64; 2],
    perturb: Option<u32>,
) -> Result<Trained, WorkloadError> {
    let mut client = StepClient::start(context, subject)?;
    client.begin(seeds[0], seeds[1], perturb)?;
    finish(client, steps)
}

fn finish(mut client: StepClient, steps: u32) -> Result<Trained, WorkloadError> {
    let mut losses = Vec::new();
    for _ in 0..steps {
        losses.extend(client.step(1)?.1);
    }
    let checkpoint = save(&mut client)?;
    let (wall_s, _) = client.stop()?;
    Ok(Trained {
        losses,
        checkpoint,
        wall_s,
    })
}

/// A checkpoint, if the program can write one.
pub(crate) fn save(client: &mut StepClient) -> Result<Option<Checkpoint>, WorkloadError> {
    if !client.can("save") {
        return Ok(None);
    }
    let checkpoint = Checkpoint(client.handed("checkpoint.safetensors"));
    client.save(checkpoint.path())?;
    Ok(Some(checkpoint))
}

/// How long the candidate took from start to exit, beside the base. A line, and no refusal: a
/// longer start is charged in isolated runs, and what is done while it saves is watched there.
pub(super) fn whole_run(base: &Trained, candidate: &Trained) -> Check {
    let [base_s, candidate_s] = [base.wall_s, candidate.wall_s];
    Check {
        name: "whole run".into(),
        passed: true,
        value: Some(candidate_s),
        allowed: None,
        detail: format!(
            "from start to exit, checkpoint saved: {candidate_s:.2} s, the base {base_s:.2} s"
        ),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;

    /// A saved file that holds `bytes`.
    pub(in crate::check) fn checkpoint(context: &Context, bytes: &[u8]) -> Checkpoint {
        let folder = Arc::new(context.fresh_scratch().unwrap());
        let checkpoint = Checkpoint(Handed::new(&folder, "saved"));
        std::fs::write(checkpoint.path(), bytes).unwrap();
        checkpoint
    }
}
