//! The turn of the ratchet and the campaign that repeats it: an agent proposes, the gate judges, what is proven is merged.
//!
//! Nothing here prints; progress goes to an observer. Nothing here decides by itself what "faster" means: that is the rule
//! of proof in `outpace-stats`, with the samples that `outpace-trial` measured.

mod agent;
mod briefing;
mod campaign;
mod command_agent;
mod commands;
mod edit;
mod error;
mod gate;
mod merge;
mod noise;
mod replay;
mod store;
mod sweep;
mod tune;

pub use agent::{Agent, Idea, View};
pub use campaign::{CampaignObserver, Limits, Order, run_campaign, same_rules};
pub use command_agent::CommandAgent;
pub use commands::{Commands, compare_commands};
pub use edit::{set_constant, set_toml_key};
pub use error::ResearchError;
pub use gate::{Answer, Bench, Question, RepoSources, Surroundings, gate, refusal};
pub use merge::{Merged, merge_proven};
pub use noise::{Noise, Sample, measure_noise};
pub use replay::Replay;
pub use store::{CampaignStore, Sitting};
pub use sweep::sweep_leftovers;
pub use tune::Tune;
