//! What is timed: a command, where it runs, and with what.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::pristine::{InUse, PristineDir};
use crate::tree::copy_file;
use crate::{Limits, Reach};

/// One side's program.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Folder it starts in.
    pub cwd: PathBuf,
    /// Variables on top of the clean environment.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// Longest time for one answer, or for a whole command.
    pub timeout: Duration,
    /// Keep the environment of outpace: commands that the user typed, never a candidate of a gate.
    pub inherit_env: bool,
    /// Exit codes of a whole command that mean success.
    pub ok_exit_codes: Vec<i32>,
    /// Files that are replaced by copies before every start of a block.
    pub fresh: Vec<PathBuf>,
    /// The directory that it runs in, restored before every start; none for commands that the user
    /// typed.
    pub pristine: Option<Arc<PristineDir>>,
    /// Links in its home directory: path there, and target.
    pub home_links: Vec<(PathBuf, PathBuf)>,
    /// What it can reach besides the system and its scratch; none for commands that the user typed,
    /// which are not confined.
    pub reach: Option<Reach>,
    /// What is run before each run of a whole command, and not timed; empty for nothing.
    pub prepare: Vec<String>,
}

impl Subject {
    /// A command that the user typed, in a folder of theirs.
    #[must_use]
    pub fn typed(command: Vec<String>, cwd: PathBuf, timeout: Duration) -> Self {
        Self {
            command,
            cwd,
            env: BTreeMap::new(),
            limits: Limits::default(),
            timeout,
            inherit_env: true,
            ok_exit_codes: vec![0],
            fresh: Vec::new(),
            pristine: None,
            home_links: Vec::new(),
            reach: None,
            prepare: Vec::new(),
        }
    }

    /// Undoes what programs have done to the directory that it runs in; the next one may be started
    /// while the answer lives.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn acquire(&self) -> std::io::Result<Option<InUse>> {
        self.pristine.as_ref().map(PristineDir::acquire).transpose()
    }

    /// Replaces its files by copies. Where a file lies in memory moves the speed of the code in it,
    /// by more than what is to be proven, and it lies there as long as a process uses it: without
    /// new copies two equal programs would differ by the same chance in every block, which no
    /// number of blocks averages out.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn renew(&self) -> std::io::Result<()> {
        if let Some(pristine) = &self.pristine {
            pristine.restore()?;
        }
        for path in &self.fresh {
            let copy = || {
                let mut name = path.clone().into_os_string();
                name.push(".next");
                copy_file(path, Path::new(&name))?;
                std::fs::rename(&name, path)
            };
            match &self.pristine {
                Some(pristine) => pristine.replace(path, copy)?,
                None => copy()?,
            }
        }
        Ok(())
    }
}
