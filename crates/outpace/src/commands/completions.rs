//! `outpace completions`.

use anyhow::Result;
use clap::Command;
use clap_complete::Shell;

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

pub(crate) fn run(args: &Args, mut command: Command) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "outpace", &mut script);
    crate::out!("{}", String::from_utf8_lossy(&script).trim_end());
    Ok(OK)
}
