//! `outpace completions`.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::OK;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace completions bash > ~/.local/share/bash-completion/completions/outpace"
)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "outpace", &mut script);
    crate::out!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(OK)
}
