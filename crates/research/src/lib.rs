//! The campaign: an agent proposes, a judge judges, what is proven is merged, under one error
//! budget.
//!
//! Nothing here prints, measures or checks a patch: progress goes to an observer, patches go to an
//! [`outpace_gate::Judge`].

mod agents;
mod attempts;
mod campaign;
mod ledger;
mod store;

pub use agents::{Agent, AgentContext, CommandAgent, Proposal, Replay, Tune};
pub use campaign::{Parties, run_campaign};
pub use ledger::Ledger;
pub use store::{CampaignDir, CampaignStore};
