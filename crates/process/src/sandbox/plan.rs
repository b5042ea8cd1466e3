//! From what a program is given to what is bound, allowed and forbidden.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Reach, Tier, system};

/// What is put on before a program starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How.
    pub(super) tier: Tier,
    /// What it can read.
    pub(super) read: BTreeSet<PathBuf>,
    /// What it can read and write.
    pub(super) write: BTreeSet<PathBuf>,
    /// Whether it has a network.
    pub(super) network: bool,
    /// Where it starts.
    pub(super) cwd: PathBuf,
}

/// A program and what it is started with.
pub(super) struct Program<'a> {
    /// Its name and arguments.
    pub(super) command: &'a [OsString],
    /// All of its variables.
    pub(super) env: BTreeMap<OsString, OsString>,
}

impl Plan {
    /// For a program that is started in `cwd` and has a scratch folder.
    pub(crate) fn of(tier: Tier, reach: &Reach, program: &str, cwd: &Path, scratch: &Path) -> Self {
        let given = system::with_real(reach.read.iter().cloned());
        let system = system::readable(tier, program, cwd);
        let named: BTreeSet<PathBuf> = system.into_iter().chain(given).collect();
        let mut write: BTreeSet<PathBuf> = reach.write.iter().cloned().collect();
        write.insert(scratch.to_owned());
        let needed = |path: &&PathBuf| !is_there_anyway(path, &named, &write);
        Self {
            tier,
            read: named.iter().filter(needed).cloned().collect(),
            write,
            network: reach.network,
            cwd: cwd.to_owned(),
        }
    }

    /// As arguments of the process that puts it on.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--tier".into(), self.tier.as_str().into()];
        args.extend(["--cwd".into(), self.cwd.clone().into()]);
        let paths = [("--read", &self.read), ("--write", &self.write)];
        for (name, paths) in paths {
            args.extend(paths.iter().flat_map(|path| [name.into(), path.into()]));
        }
        if self.network {
            args.push("--network".into());
        }
        args
    }

    /// Reads them back, up to `--`; None where they are no plan.
    pub(crate) fn parse(args: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let mut plan = Self::default();
        loop {
            let arg = args.next()?;
            match arg.to_str()? {
                "--" => return Some(plan),
                "--tier" => plan.tier = Tier::named(args.next()?.to_str()?)?,
                "--read" => drop(plan.read.insert(args.next()?.into())),
                "--write" => drop(plan.write.insert(args.next()?.into())),
                "--cwd" => plan.cwd = args.next()?.into(),
                "--network" => plan.network = true,
                _ => return None,
            }
        }
    }
}

/// What lies in a folder that may be written, or is one, stays so; and a link in a folder that can
/// be read comes with it, and cannot be bound itself.
fn is_there_anyway(path: &Path, read: &BTreeSet<PathBuf>, write: &BTreeSet<PathBuf>) -> bool {
    let is_link = || path.canonicalize().is_ok_and(|real| real != path);
    let above = |read: &BTreeSet<PathBuf>| path.ancestors().skip(1).any(|up| read.contains(up));
    path.ancestors().any(|folder| write.contains(folder)) || (above(read) && is_link())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_way_through_the_command_line() {
        let reach = Reach {
            read: vec!["/data with space".into()],
            write: vec!["/work".into()],
            network: true,
        };
        let plan = Plan::of(
            Tier::Landlock,
            &reach,
            "sh",
            Path::new("/work/tree"),
            Path::new("/tmp/scratch"),
        );
        assert!(plan.write.contains(Path::new("/tmp/scratch")));
        assert!(plan.read.contains(Path::new("/usr")));
        let more = ["--".into(), "sh".into()];
        let mut args = plan.arguments().into_iter().chain(more);
        assert_eq!(Plan::parse(&mut args).unwrap(), plan);
        assert_eq!(args.collect::<Vec<_>>(), ["sh"]);
        assert_eq!(
            Plan::parse(&mut ["--tier".into(), "thick".into()].into_iter()),
            None
        );
    }
}
