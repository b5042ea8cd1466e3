//! Tests of outpace-record: documents, their schemas, and the configuration.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod config;
mod documents;
mod examples;
mod schemas;
