//! A revision beside another, for the history: builds, the machine's lock and the blocks, without a
//! policy, a correctness check or a verdict. Both stand already; nothing is merged.

use outpace_record::{Block, Observer, Role, Stage};
use outpace_repo::Commit;
use outpace_stats::Rule;
use outpace_text::short;
use outpace_trial::{Side, SideBySide, SideError, executor, measure_beside};

use crate::build::{BuildError, Built};
use crate::harness::{building, done};
use crate::verdict::reason_of;
use crate::{GateError, Harness};

/// Two revisions, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairing {
    /// What was measured; absent where both are the same artefact and that was enough.
    pub measured: Option<SideBySide>,
    /// Artefact identities of the anchor and of the revision.
    pub artefacts: [String; 2],
    /// Wall seconds of the revision's build.
    pub build_s: f64,
}

/// Why two revisions could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Unmeasured {
    /// The one beside which others are measured fails.
    #[error("the anchor {}: {reason}", stage.as_str())]
    Anchor {
        /// Where.
        stage: Stage,
        /// How; untrusted text.
        reason: String,
    },
    /// The revision fails.
    #[error("it {}: {reason}", stage.as_str())]
    Revision {
        /// Where.
        stage: Stage,
        /// How; untrusted text.
        reason: String,
    },
    /// Neither is to blame.
    #[error(transparent)]
    Other(#[from] GateError),
}

/// What is measured beside what, and for how long.
pub struct Beside<'a> {
    /// Name of the workload.
    pub workload: &'a str,
    /// The base of every ratio.
    pub anchor: &'a Commit,
    /// The revision in question.
    pub revision: &'a Commit,
    /// Seed of every draw.
    pub seed: u64,
    /// Artefacts that need not be timed again, besides the anchor's own.
    pub known: &'a [String],
    /// Asked after each block.
    pub enough: &'a mut dyn FnMut(&[Block]) -> bool,
}

impl Harness<'_> {
    /// Builds both and measures them beside each other. The anchor stays built for the next call.
    ///
    /// # Errors
    /// One of them fails, the machine fails, or the user asked to stop.
    pub fn measure_beside(
        &mut self,
        what: &mut Beside<'_>,
        observer: &mut dyn Observer,
    ) -> Result<Pairing, Unmeasured> {
        let anchor = self.build_role(what.workload, what.anchor, Role::Anchor, observer)?;
        let same = what.anchor.tree == what.revision.tree;
        let revision = match same {
            // Two folders: neither process may find what the other one writes.
            true => self.twin(what.workload, what.anchor, observer)?,
            false => self.build_role(what.workload, what.revision, Role::Revision, observer)?,
        };
        let artefacts = [anchor.identity.clone(), revision.identity.clone()];
        let build_s = revision.build_s;
        let measured = match what.known.contains(&revision.identity) {
            true => Ok(None),
            false => self
                .time_beside([&anchor, &revision], what, observer)
                .map(Some),
        };
        match same {
            true => revision.discard(),
            false => self.builder.forget(what.workload, &what.revision.tree),
        }
        Ok(Pairing {
            measured: measured?,
            artefacts,
            build_s,
        })
    }

    /// The anchor once more, in a folder of its own.
    fn twin(
        &self,
        workload: &str,
        anchor: &Commit,
        observer: &mut dyn Observer,
    ) -> Result<Built, Unmeasured> {
        let config = self.workload(workload)?;
        let built = self
            .builder
            .candidate(workload, config, &anchor.tree, observer);
        built.map_err(|error| Unmeasured::Other(not_built(&error, anchor)))
    }

    fn build_role(
        &mut self,
        workload: &str,
        commit: &Commit,
        role: Role,
        observer: &mut dyn Observer,
    ) -> Result<Built, Unmeasured> {
        let config = self.workload(workload)?;
        if let Some(built) = self.builder.known(workload, &commit.tree) {
            return Ok(built);
        }
        observer.on(&building(workload, role));
        match self.builder.base(workload, config, &commit.tree, observer) {
            Ok(built) => {
                observer.on(&done(workload, role, built.build_s));
                Ok(built)
            }
            Err(error) if error.is_patch() => {
                observer.on(&done(workload, role, 0.0));
                Err(failed(role, Stage::Build, &error.to_string()))
            }
            Err(error) => Err(Unmeasured::Other(not_built(&error, commit))),
        }
    }

    fn time_beside(
        &self,
        [anchor, revision]: [&Built; 2],
        what: &mut Beside<'_>,
        observer: &mut dyn Observer,
    ) -> Result<SideBySide, Unmeasured> {
        let name = what.workload;
        let config = self.workload(name)?;
        let subjects = [&anchor.run, &revision.run];
        let mut executor = executor(
            self.context,
            config.protocol,
            config.gpu,
            subjects,
            observer,
        )
        .map_err(|error| GateError::of_base(name, &error))?;
        let settings = self.settings(name, Rule::default(), what.seed)?;
        measure_beside(&mut *executor, &settings, what.enough, observer)
            .map_err(|error| unmeasured(name, &error))
    }
}

fn unmeasured(workload: &str, error: &SideError) -> Unmeasured {
    let role = match error {
        SideError::Side { side, .. } if !error.is_cancelled() && error.machine().is_none() => {
            match side {
                Side::Base => Role::Anchor,
                Side::Candidate => Role::Revision,
            }
        }
        _ => return Unmeasured::Other(GateError::of_side(workload, error)),
    };
    let SideError::Side { error, .. } = error else {
        return Unmeasured::Other(GateError::of_side(workload, error));
    };
    failed(role, Stage::Run, &error.to_string())
}

fn failed(role: Role, stage: Stage, text: &str) -> Unmeasured {
    let reason = reason_of(text);
    match role {
        Role::Anchor => Unmeasured::Anchor { stage, reason },
        _ => Unmeasured::Revision { stage, reason },
    }
}

fn not_built(error: &BuildError, commit: &Commit) -> GateError {
    if error.is_cancelled() {
        return GateError::Interrupted(Vec::new());
    }
    GateError::Environment(format!("{} cannot be built: {error}", short(&commit.id)))
}
