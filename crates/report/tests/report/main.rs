//! What a report says, and that no text in it can become anything but text.

mod captions;
mod commands;
mod common;
mod files;
mod hostile;
mod night;
mod nightly;
mod nightly_files;
mod nightly_hostile;
mod nightly_scale;
mod to_loss;
