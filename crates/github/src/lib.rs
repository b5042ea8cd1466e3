//! What outpace does on GitHub: what an event says, and comments, checks, issues and pull requests
//! by its REST API.
//!
//! Everything that comes from an artifact or an event is hostile data. Whom a result is about is
//! taken from the event and the API, never from the artifact.
#![forbid(unsafe_code)]

mod api;
mod artifact;
mod event;
mod place;
mod result;

pub use api::{Error, GitHub};
pub use artifact::{Refused, read_result};
pub use event::{Event, WorkflowRun};
pub use place::{Conclusion, Placed, PullRequest};
pub use result::{Shown, shown};
