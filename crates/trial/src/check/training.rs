//! The training runs that are compared, and how long they took.

use std::path::PathBuf;

use outpace_process::{Context, Scratch, Subject};
use outpace_record::Check;

use crate::WorkloadError;
use crate::client::StepClient;
use crate::guards::at_most;

/// A whole run may take half as long again as the base's plus half a second.
const WHOLE_RUN_FACTOR: f64 = 1.5;
const WHOLE_RUN_SLACK_S: f64 = 0.5;

pub(super) struct Trained {
    pub(super) losses: Vec<f64>,
    pub(super) checkpoint: Option<Checkpoint>,
    /// Seconds from its start to its exit.
    pub(super) wall_s: f64,
}

/// A saved file, deleted with its folder.
pub(super) struct Checkpoint {
    folder: Scratch,
}

impl Checkpoint {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("checkpoint.safetensors")
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
    let initial = save(context, &mut client)?;
    let trained = finish(context, client, steps)?;
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
    finish(context, client, steps)
}

pub(super) fn finish(
    context: &Context,
    mut client: StepClient,
    steps: u32,
) -> Result<Trained, WorkloadError> {
    let mut losses = Vec::new();
    for _ in 0..steps {
        losses.extend(client.step(1)?.1);
    }
    let checkpoint = save(context, &mut client)?;
    let (wall_s, _) = client.stop()?;
    Ok(Trained {
        losses,
        checkpoint,
        wall_s,
    })
}

pub(super) fn save(
    context: &Context,
    client: &mut StepClient,
) -> Result<Option<Checkpoint>, WorkloadError> {
    if !client.can("save") {
        return Ok(None);
    }
    let folder = context
        .fresh_scratch()
        .map_err(|source| WorkloadError::System {
            what: "cannot make a scratch folder",
            source,
        })?;
    let checkpoint = Checkpoint { folder };
    client.save(&checkpoint.path())?;
    Ok(Some(checkpoint))
}

/// Work that is moved before the first step, into saving or behind the last one shows in the time
/// from start to exit.
pub(super) fn whole_run(base: &Trained, candidate: &Trained) -> Check {
    let allowed = WHOLE_RUN_FACTOR * base.wall_s + WHOLE_RUN_SLACK_S;
    at_most(
        "whole run",
        candidate.wall_s,
        allowed,
        "seconds from start to exit, checkpoint saved",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A saved file that holds `bytes`.
    pub(in crate::check) fn checkpoint(context: &Context, bytes: &[u8]) -> Checkpoint {
        let folder = context.fresh_scratch().unwrap();
        let checkpoint = Checkpoint { folder };
        std::fs::write(checkpoint.path(), bytes).unwrap();
        checkpoint
    }

    #[test]
    fn a_whole_run_takes_half_as_long_again_and_half_a_second_at_most() {
        let ran = |wall_s: f64| Trained {
            losses: Vec::new(),
            checkpoint: None,
            wall_s,
        };
        let check = |base_s: f64, candidate_s: f64, passes: bool| {
            let check = whole_run(&ran(base_s), &ran(candidate_s));
            assert_eq!(check.name, "whole run");
            assert_eq!(check.passed, passes, "{}", check.detail);
        };
        check(2.0, 1.0, true);
        check(2.0, 3.5, true);
        check(2.0, 3.51, false);
        check(0.0, 0.5, true);
        check(0.0, 0.51, false);
        check(2.0, f64::NAN, false);
    }
}
