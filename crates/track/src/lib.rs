//! Every commit: series of measured revisions, where they change, what is proven of a change, and
//! which commit is measured next.
//!
//! A series is the history of a workload on a class of machines, each commit measured beside an
//! anchor in the same job. Everything here is a pure function of records: no clock, no process, no
//! git.

mod bisect;
mod changes;
mod point;
mod proof;
mod selection;
mod series;

pub use bisect::{Answer, Bisection, Halves, Next};
pub use changes::{Finding, Standing, findings};
pub use point::Point;
pub use proof::{BUDGET, MIN_CHANGE, Proof, Settled};
pub use selection::{Selection, Todo};
pub use series::{Mark, Series, series_of};
