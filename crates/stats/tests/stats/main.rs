//! Tests of outpace-stats: the vectors of the proof rule, properties, error rates, power and
//! refusals.

mod blocks;
mod clock;
mod decisions;
mod false_rate;
mod null;
mod power;
mod properties;
mod recorded;
mod refusals;
mod segment;
mod simulate;
mod time_to_loss;
mod vectors;
mod words;
