//! Everything that outpace writes down or sends: records, `outpace.toml`, and their versions. The
//! messages of the step protocol are in `outpace-step`.
//!
//! This is the only place where serde meets the outside. A reader ignores fields that it does not
//! know and fills in those that an older writer did not have, so documents may grow; a document of
//! another major version is refused by name. Nothing here starts a process, reads a clock or
//! touches git.

mod baseline;
mod budget;
mod campaign;
mod config;
mod doctor;
mod document;
mod event;
mod listing;
mod loss;
mod machine;
mod nearest;
mod profile;
mod request;
mod run;
mod schema;
mod test_index;
mod tracking;
mod verdict;

pub use baseline::{Anchor, Baseline};
pub use budget::{Test, TestResult};
pub use campaign::{Attempt, Campaign, CampaignState};
pub use config::{
    AgentConfig, Config, ConfigError, GateConfig, GpuMode, MachineConfig, OWN_AGENTS, PolicyConfig,
    Protocol, STEPS_PER_RUN, SandboxConfig, Track, Tunable, WorkloadConfig, parse_config,
    parse_duration,
};
pub use doctor::{Doctor, Forecast, SeedNoise};
pub use document::{Document, ReadError, Timestamp, ended_at, record_id, sha256_of};
pub use event::{Event, EventLine, NoObserver, Observer, Role};
pub use listing::{
    Audit, AuditedCommit, Baselines, CiResult, HistoryEntry, Report, ReportSummary, Setting,
};
pub use loss::{
    LossCurve, LossTarget, SeedRun, judgement, seed_evidence, step_time_log_ratios, step_time_rule,
};
pub use machine::{Machine, SandboxTier};
pub use nearest::suggestion;
/// Text of programs and people as one safe line: records hold some.
pub use outpace_text::plain;
pub use profile::{Operation, Peaks, Profile};
pub use request::{GateRequest, RequestRule};
pub use run::Run;
pub use schema::{SCHEMAS, json_schema};
pub use test_index::TestIndex;
pub use tracking::{
    BaselineCheck, Beside, Bisection, BisectionStep, Blessing, Bridge, Change, ChangeState,
    Failure, Figures, FoundChange, ImportedFigure, Regressions, Reproduction, Stage,
};
pub use verdict::{
    ANCHOR_CHECK, Block, Check, GPU_CHECK, GpuConditions, Judgement, Kind, PatchStat,
    SCREENING_CHECK, Seeds, TokensPerS, Verdict, judge_twice,
};
