//! Everything that a gate works with on this machine, and what it measures besides trials.

use std::collections::BTreeMap;

use outpace_process::{Context, MachineUse};
use outpace_record::{
    Check, Config, Event, Machine, Observer, Profile, Role, SandboxTier, Track, WorkloadConfig,
};
use outpace_repo::{Commit, Repo};
use outpace_stats::Rule;
use outpace_text::short;
use outpace_trial::{
    Earlier, Measured, Noise, ScreeningRuns, Settings, demanded, executor, lock_machine, machine,
    measure_noise, measure_run, pairs_of, profile, sandbox_tier,
};

use crate::build::{BuildError, Builder, Built};
use crate::data::{Stamps, home};
use crate::verdict::reason_of;
use crate::{GateError, Surroundings};

/// Repository, configuration, builder and machine. The caller holds the repository's lock.
pub struct Harness<'a> {
    /// The repository.
    pub repo: &'a Repo,
    /// The base's `outpace.toml`.
    pub config: &'a Config,
    /// Starts programs.
    pub context: &'a Context,
    /// This machine.
    pub machine: Machine,
    /// How programs are confined here.
    pub sandbox_tier: SandboxTier,
    version: &'a str,
    /// By workload and identity of the base.
    pub(crate) screening: BTreeMap<(String, String), ScreeningRuns>,
    pub(crate) builder: Builder<'a>,
}

impl<'a> Harness<'a> {
    /// `version` is that of outpace.
    pub fn new(repo: &'a Repo, config: &'a Config, context: &'a Context, version: &'a str) -> Self {
        Self {
            builder: Builder::new(repo, context, &config.sandbox),
            repo,
            config,
            context,
            machine: machine_of(config),
            sandbox_tier: sandbox_tier(context.launcher.sandbox()),
            version,
            screening: BTreeMap::new(),
        }
    }

    /// What verdicts say of where they were measured.
    pub fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            machine: &self.machine,
            sandbox_tier: self.sandbox_tier,
            version: self.version,
        }
    }

    /// The section of a workload.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn workload(&self, name: &str) -> Result<&'a WorkloadConfig, GateError> {
        self.config.workload.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.config.workload.keys().map(String::as_str).collect();
            GateError::Usage(format!(
                "there is no workload `{name}` in outpace.toml. Hint: available: {}",
                known.join(", ")
            ))
        })
    }

    /// Builds a revision as the base, so that what comes next finds it built.
    ///
    /// # Errors
    /// It does not build, or the user asked to stop.
    pub fn prepare(
        &mut self,
        workload: &str,
        base: &Commit,
        observer: &mut dyn Observer,
    ) -> Result<(), GateError> {
        self.build_base(workload, base, observer).map(|_| ())
    }

    /// What a measurement of a workload is run with.
    pub(crate) fn settings(
        &self,
        workload: &str,
        rule: Rule,
        seed: u64,
    ) -> Result<Settings, GateError> {
        let (gate, config) = (&self.config.gate, self.workload(workload)?);
        Ok(Settings {
            workload: workload.to_owned(),
            rule,
            pairs: pairs_of(config.protocol, gate.pairs),
            min_turn_s: gate.min_turn_ms * 1e-3,
            seed,
            steps_per_run: config.steps_per_run,
            same_model: None,
            other_mathematics: config.track == Track::TimeToLoss,
            earlier: Earlier::default(),
            max_s: gate.max_seconds,
        })
    }

    pub(crate) fn build_base(
        &mut self,
        workload: &str,
        base: &Commit,
        observer: &mut dyn Observer,
    ) -> Result<Built, GateError> {
        let config = self.workload(workload)?;
        // Every program of a revision comes after this one.
        let least = demanded(self.config.sandbox.require);
        let sandbox = self.context.launcher.sandbox();
        sandbox.demand(least).map_err(GateError::Environment)?;
        let role = Role::Base;
        observer.on(&building(workload, role));
        let built = self
            .builder
            .base(workload, config, &base.tree, observer)
            .map_err(|error| self.advised(&base.tree, base_failed(&error, base)))?;
        observer.on(&done(workload, role, built.build_s));
        Ok(built)
    }

    /// A failure of the base with what can be done about files that it did not find.
    pub(crate) fn advised(&self, tree: &str, error: GateError) -> GateError {
        let GateError::Environment(message) = error else {
            return error;
        };
        let tracked = |path: &str| self.repo.read(tree, path).is_ok_and(|file| file.is_some());
        let root = self.repo.root();
        let hints = crate::missing::hints(&message, root, home().as_deref(), &tracked);
        let lines = hints.iter().map(|hint| format!("\nHint: {hint}"));
        GateError::Environment(message + &lines.collect::<String>())
    }

    /// The line that says which data was trained on, and how its files were.
    pub(crate) fn data(&self, built: &Built) -> Result<(Option<Check>, Stamps), GateError> {
        let stamps = built.data.stamps().map_err(GateError::Environment)?;
        let check = built.data.check(&stamps, &self.repo.state_dir());
        Ok((check.map_err(GateError::Environment)?, stamps))
    }

    /// An error where data changed since `before`: what was measured with it says nothing.
    pub(crate) fn unchanged(
        &self,
        workload: &str,
        built: &Built,
        before: &Stamps,
    ) -> Result<(), GateError> {
        let now = built.data.stamps().map_err(GateError::Environment)?;
        match before.changed(&now) {
            None => Ok(()),
            Some(path) => Err(GateError::Environment(format!(
                "{workload}: {} changed while it was measured with (key `data`). Hint: programs \
                 must not write there",
                path.display()
            ))),
        }
    }

    /// Blocks of a revision against itself.
    ///
    /// # Errors
    /// It does not build or run, or the user asked to stop.
    pub fn measure_noise(
        &mut self,
        workload: &str,
        base: &Commit,
        blocks: usize,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Noise, GateError> {
        let built = self.build_base(workload, base, observer)?;
        let config = self.workload(workload)?;
        let subjects = [&built.run; 2];
        let mut executor = executor(
            self.context,
            config.protocol,
            config.gpu,
            subjects,
            observer,
        )
        .map_err(|error| GateError::of_base(workload, &error))?;
        let settings = self.settings(workload, Rule::default(), seed)?;
        measure_noise(&mut *executor, &settings, blocks, observer)
            .map_err(|error| self.advised(&base.tree, GateError::of_side(workload, &error)))
    }

    /// A revision by itself: `processes` fresh processes. Returns the identity of what was measured
    /// too.
    ///
    /// # Errors
    /// It does not build or run, or the user asked to stop.
    pub fn measure_run(
        &mut self,
        workload: &str,
        base: &Commit,
        processes: usize,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<(Measured, String), GateError> {
        let built = self.build_base(workload, base, observer)?;
        let config = self.workload(workload)?;
        let failed = |error| GateError::of_base(workload, &error);
        let mut executor = executor(
            self.context,
            config.protocol,
            config.gpu,
            [&built.run; 2],
            observer,
        )
        .map_err(failed)?;
        let pairs = pairs_of(config.protocol, self.config.gate.pairs);
        let min_turn_s = self.config.gate.min_turn_ms * 1e-3;
        observer.on(&Event::PilotStarted {
            workload: workload.to_owned(),
        });
        let progress = |n_processes, step_s| {
            observer.on(&Event::ProcessTimed {
                workload: workload.to_owned(),
                n_processes,
                of: processes,
                step_s,
            });
        };
        let measured = measure_run(&mut *executor, processes, pairs, min_turn_s, seed, progress);
        let measured = measured.map_err(|error| self.advised(&base.tree, failed(error)))?;
        Ok((measured, built.identity.clone()))
    }

    /// Where a step's time goes, as the workload's own profiler says; nothing where it has none. It
    /// is help for an agent, and a workload whose profiler fails is still a workload.
    ///
    /// # Errors
    /// The base does not build, or the user asked to stop.
    pub fn profile(
        &mut self,
        workload: &str,
        base: &Commit,
        observer: &mut dyn Observer,
    ) -> Result<Option<Profile>, GateError> {
        let built = self.build_base(workload, base, observer)?;
        let Some(profiler) = &built.profile else {
            return Ok(None);
        };
        let _machine = lock_machine(self.context, MachineUse::Timing, observer)
            .map_err(|error| GateError::of_base(workload, &error))?;
        Ok(profile(self.context, profiler).ok())
    }
}

/// This machine, under the name that the configuration gives to its class.
pub fn machine_of(config: &Config) -> Machine {
    Machine {
        label: config.machine.class.clone(),
        ..machine()
    }
}

pub(crate) fn building(workload: &str, role: Role) -> Event {
    Event::BuildStarted {
        workload: workload.to_owned(),
        role,
    }
}

pub(crate) fn done(workload: &str, role: Role, seconds: f64) -> Event {
    Event::BuildEnded {
        workload: workload.to_owned(),
        role,
        seconds,
    }
}

fn base_failed(error: &BuildError, base: &Commit) -> GateError {
    if error.is_cancelled() {
        return GateError::Interrupted(Vec::new());
    }
    if let BuildError::Data(why) = error {
        return GateError::Environment(why.clone());
    }
    GateError::Environment(format!(
        "the base {} does not build: {}",
        short(&base.id),
        reason_of(&error.to_string())
    ))
}
