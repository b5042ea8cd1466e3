//! Pictures. plotters draws axes and lines; [`marks::Marks`] adds what it cannot draw (hover
//! text, slanted names); [`picture::Picture`] is the result.

pub(crate) mod campaign;
mod chart;
pub(crate) mod history;
mod ink;
mod labels;
mod marks;
pub(crate) mod picture;
pub(crate) mod series;
pub(crate) mod units;
pub(crate) mod verdict;
