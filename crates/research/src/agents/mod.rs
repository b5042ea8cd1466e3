//! Who proposes patches: two agents that need no model, and any command.

mod agent;
mod briefing;
mod command;
mod edit;
mod replay;
mod tune;

pub use agent::{Agent, AgentContext, Proposal};
pub use command::CommandAgent;
pub use replay::Replay;
pub use tune::Tune;
