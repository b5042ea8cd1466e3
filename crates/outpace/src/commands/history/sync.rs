//! `outpace history pull` and `push`.

use anyhow::Result;
use outpace_repo::{Repo, Transfer};
use outpace_text::counted;

use crate::options::Options;
use crate::ui::Terminal;

/// With whom.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name or address of the remote.
    #[arg(default_value = "origin")]
    remote: String,
}

pub(super) fn pull(options: &Options, repo: &Repo, args: &Args) -> Result<()> {
    let mut ui = Terminal::new(options);
    let transfer = repo.history().pull(&args.remote)?;
    let remote = &args.remote;
    match transfer.remote_has {
        true => ui.say("pulled", &pulled(transfer)),
        false => ui.say("pulled", &format!("nothing: {remote} has no history yet")),
    }
    Ok(())
}

pub(super) fn push(options: &Options, repo: &Repo, args: &Args) -> Result<()> {
    let mut ui = Terminal::new(options);
    let transfer = repo.history().push(&args.remote)?;
    if transfer.remote_has {
        let n = counted(repo.history().list()?.len(), "record");
        let remote = &args.remote;
        ui.say(
            "pushed",
            &format!("{remote} has all {n} now; {} pulled", pulled(transfer)),
        );
    } else {
        ui.say(
            "pushed",
            "nothing: the history is empty. Hint: `outpace bench` records a run",
        );
    }
    Ok(())
}

fn pulled(transfer: Transfer) -> String {
    counted(transfer.pulled, "new record")
}
