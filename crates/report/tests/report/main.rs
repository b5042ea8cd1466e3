//! What a report says, and that no text in it can become anything but text.

mod captions;
mod commands;
mod common;
mod files;
mod hostile;
