//! What a started program can reach: a plan is made from what it is given and how strongly this
//! machine can confine it, and is put on by a process that then becomes the program.

mod bubblewrap;
mod confine;
mod cuda;
mod landlock;
mod plan;
mod probe;
mod syscalls;
mod system;

use std::path::PathBuf;

pub(crate) use confine::{CONFINE, main as confine, packed};
pub(crate) use cuda::{CUDA, main as cuda};
pub(crate) use landlock::keep_signals_in;
pub(crate) use plan::Plan;
pub use probe::Probed;
pub(crate) use probe::{PROBE, main as probe, try_out};
pub(crate) use system::homes;

/// How strongly programs are confined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Not at all.
    #[default]
    None,
    /// Landlock and seccomp.
    Landlock,
    /// Namespaces of its own, made by `bwrap`, and seccomp.
    Bubblewrap,
}

impl Tier {
    /// Those that confine.
    pub(crate) const STRONGEST_FIRST: [Self; 2] = [Self::Bubblewrap, Self::Landlock];

    /// The tier of a word.
    pub fn named(word: &str) -> Option<Self> {
        let tiers = [Self::None, Self::Landlock, Self::Bubblewrap];
        tiers.into_iter().find(|tier| word == tier.as_str())
    }

    /// The word that plans, records and messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
            Self::Bubblewrap => "bubblewrap",
        }
    }
}

/// What a program is given besides the system, its compilers and its scratch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Files and folders that it may read.
    pub read: Vec<PathBuf>,
    /// Files and folders that it may also write.
    pub write: Vec<PathBuf>,
    /// Whether it may use the network.
    pub network: bool,
}

/// How this outpace confines programs.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    /// The strongest that held when it was tried, with the GPU if there is one that works in any.
    pub tier: Tier,
    /// The user wants none, and knows it.
    pub waived: bool,
    /// What was tried until then, and what came of it.
    pub probed: Vec<Probed>,
}

impl Sandbox {
    /// Whether programs that nobody vouches for may be started here.
    ///
    /// # Errors
    /// The tier is lower than the least one that is wanted: why, and the way out.
    pub fn demand(&self, least: Tier) -> Result<(), String> {
        if self.waived || self.tier >= least {
            return Ok(());
        }
        let tried = self.probed.iter().filter(|probed| probed.tier >= least);
        let tried: String = tried.map(|probed| format!("\n{probed}")).collect();
        Err(format!(
            "this machine cannot confine programs as [sandbox] require = \"{}\" wants it{tried}\n\
             Hint: {}. `--unsafe-no-sandbox` goes on without: programs of a patch then run as you, \
             with your files and your network",
            least.as_str(),
            system::way_out()
        ))
    }
}
