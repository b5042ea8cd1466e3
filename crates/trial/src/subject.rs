//! What is timed: a command, where it runs, and with what.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::laid::{InUse, Laid};
use crate::tree::{copy_file, remove_tree};
use crate::{LaunchSpec, Launcher, Limits};

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
    /// Files that are laid anew before every start of a block.
    pub fresh: Vec<PathBuf>,
    /// The folder that it runs in, made what it was before every start; none for commands that the user typed.
    pub(crate) laid: Option<Arc<Laid>>,
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
            fresh: Vec::new(),
            laid: None,
        }
    }

    /// Undoes what programs have done to the folder that it runs in; the next one may be started while the answer lives.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn enter(&self) -> std::io::Result<Option<InUse>> {
        self.laid.as_ref().map(Laid::enter).transpose()
    }

    /// Replaces its files by copies. Where a file lies in memory moves the speed of the code in it, by more than what is to
    /// be proven, and it lies there as long as anybody uses it: without new copies two equal programs would differ by the
    /// same chance in every block, which no number of blocks averages out.
    pub(crate) fn renew(&self) -> std::io::Result<()> {
        if let Some(laid) = &self.laid {
            laid.restore()?;
        }
        for path in &self.fresh {
            let copy = || {
                let mut name = path.clone().into_os_string();
                name.push(".next");
                copy_file(path, Path::new(&name))?;
                std::fs::rename(&name, path)
            };
            match &self.laid {
                Some(laid) => laid.replace(path, copy)?,
                None => copy()?,
            }
        }
        Ok(())
    }
}

/// A folder for one program, deleted when it is dropped: a long campaign keeps no checkpoint longer than it compares it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be deleted now is deleted with the context.
        let _ = remove_tree(&self.0);
    }
}

/// Where programs are started and how.
#[derive(Debug, Clone)]
pub struct Context {
    /// Starts them.
    pub launcher: Launcher,
    scratch: Arc<tempfile::TempDir>,
    next: Arc<AtomicU64>,
}

impl Context {
    /// A context whose scratch is deleted with it.
    ///
    /// # Errors
    /// The temporary folder cannot be written.
    pub fn new(launcher: Launcher) -> std::io::Result<Self> {
        // Short, because a socket's path has at most 108 bytes.
        // The process id in the name lets a later run find what a killed one left.
        let scratch = tempfile::Builder::new()
            .prefix(&format!("outpace-{}-", std::process::id()))
            .tempdir()?;
        Ok(Self {
            launcher,
            scratch: Arc::new(scratch),
            next: Arc::default(),
        })
    }

    /// A folder that did not exist before. The names are equally long, so that both sides see environments of one size.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn fresh_scratch(&self) -> std::io::Result<Scratch> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.path().join(format!("{n:06}"));
        std::fs::create_dir(&path)?;
        Ok(Scratch(path))
    }

    /// The launch of `subject` with further arguments and variables.
    pub fn spec(
        &self,
        subject: &Subject,
        more: &[String],
        env: &[(&str, OsString)],
        scratch: &Path,
    ) -> LaunchSpec {
        let own = subject
            .env
            .iter()
            .map(|(k, v)| (k.clone(), OsString::from(v)));
        LaunchSpec {
            command: subject.command.iter().chain(more).cloned().collect(),
            cwd: subject.cwd.clone(),
            scratch: scratch.to_owned(),
            env: own
                .chain(env.iter().map(|(k, v)| ((*k).to_owned(), v.clone())))
                .collect(),
            inherit_env: subject.inherit_env,
            limits: subject.limits,
        }
    }
}

/// [`Subject::enter`], for those who start it.
pub(crate) fn entered(subject: &Subject) -> Result<Option<InUse>, crate::PeerError> {
    subject.enter().map_err(|source| crate::PeerError::System {
        what: "cannot lay the program's folder anew",
        source,
    })
}
