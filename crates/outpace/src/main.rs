//! The command `outpace`. One file a subcommand; each tells its whole story in one function.

mod cli;
mod commands;
mod exit;
mod options;
mod proposal;
mod report_data;
mod setup;
mod tracking;
mod ui;
mod verdicts;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Before anything else: the supervisor must be a small, single-threaded process.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|arg| arg == setup::SUPERVISE) {
        return outpace_process::supervise::main(args);
    }
    let cli = cli::Cli::parse();
    let color = cli
        .options
        .paints(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if let Some(dir) = &cli.options.directory
        && let Err(error) = std::env::set_current_dir(dir)
    {
        crate::err!("error: cannot go to {}: {error}", dir.display());
        return ExitCode::from(exit::USAGE);
    }
    match commands::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let label = ui::print::paint(color, ui::print::RED, "error:");
            // Names of files and logs of programs may be part of it.
            let text = outpace_text::lines(&exit::whole(&error), usize::MAX);
            crate::err!("{label} {text}");
            ExitCode::from(exit::code_of(&error))
        }
    }
}
