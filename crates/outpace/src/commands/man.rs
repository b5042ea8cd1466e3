//! `outpace man`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Command;

use crate::exit::OK;

/// Print the manual page, or write one a verb into a folder.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  outpace man | man -l -\n  outpace man --out /usr/local/share/man/man1"
)]
pub(crate) struct Args {
    /// Folder for one page a verb.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, command: Command) -> Result<u8> {
    match &args.out {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            crate::out!("{}", String::from_utf8_lossy(&page).trim_end());
        }
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("cannot make {}", dir.display()))?;
            clap_mangen::generate_to(command, dir)
                .with_context(|| format!("cannot write to {}", dir.display()))?;
        }
    }
    Ok(OK)
}
