//! The tier `landlock`: the kernel refuses every path that was not named, signals and abstract
//! sockets beyond the program's own tree, and TCP.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::thread::{
    CapabilitySet, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use seccompiler::apply_filter;

use super::{Plan, syscalls, system};

/// Linux 6.12: before, a program could signal every process of its user.
const LEAST: ABI = ABI::V6;
/// What root keeps: files of others in its own folders, as in containers.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID);

/// Confines this process, and all that come from it, for good.
///
/// # Errors
/// The kernel lacks a part of it: then nothing is claimed.
pub(super) fn restrict(plan: &Plan) -> io::Result<()> {
    drop_capabilities()?;
    ruleset(plan).map_err(io::Error::other)?;
    for filter in &syscalls::filters(plan)? {
        apply_filter(filter).map_err(io::Error::other)?;
    }
    Ok(())
}

fn ruleset(plan: &Plan) -> Result<(), RulesetError> {
    let (all, read) = (AccessFs::from_all(LEAST), AccessFs::from_read(LEAST));
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(all)?
        .scope(Scope::from_all(LEAST))?;
    let ruleset = match plan.network {
        true => ruleset,
        false => ruleset.handle_access(AccessNet::from_all(LEAST))?,
    };
    // A device file made in a folder of its own would lead to the device.
    let write = all & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut created = ruleset.create()?;
    for path in &plan.read {
        created = allow(created, path, read)?;
    }
    for path in &plan.write {
        created = allow(created, path, write)?;
    }
    for path in system::devices() {
        created = allow(
            created,
            &path,
            read | AccessFs::WriteFile | AccessFs::IoctlDev,
        )?;
    }
    // The names of threads, without which CUDA does not start, also in programs that this one
    // starts. Without a GPU only its own: there are also how soon another process is ended for its
    // memory, and, for root, the kernel's settings.
    let is_root = rustix::process::geteuid().is_root();
    let own = match is_root || system::gpu_devices().is_empty() {
        true => format!("/proc/{}", std::process::id()),
        false => "/proc".to_owned(),
    };
    created = allow(created, Path::new(&own), read | AccessFs::WriteFile)?;
    created.restrict_self()?;
    Ok(())
}

/// What is not there needs no rule.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(descriptor) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    let access = match path.is_dir() {
        true => access,
        false => access & AccessFs::from_file(LEAST),
    };
    ruleset.add_rule(PathBeneath::new(descriptor, access))
}

/// Keeps this process from the abstract sockets of others, and from nothing else.
///
/// # Errors
/// The kernel cannot.
pub(super) fn keep_from_abstract_sockets() -> io::Result<()> {
    keep_in(Scope::AbstractUnixSocket)
}

/// Keeps signals of this process, and of all that come from it, from everybody else.
///
/// # Errors
/// The kernel cannot.
pub(crate) fn keep_signals_in() -> io::Result<()> {
    keep_in(Scope::Signal)
}

fn keep_in(scope: Scope) -> io::Result<()> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .scope(scope)
        .and_then(Ruleset::create)
        .and_then(RulesetCreated::restrict_self);
    let status = ruleset.map_err(io::Error::other)?;
    // Half of it would be none.
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        _ => Err(io::Error::other("Landlock does not keep it")),
    }
}

/// A program of root would get back what it had with its next `exec`, but for this.
fn drop_capabilities() -> io::Result<()> {
    let mut own = capabilities(None)?;
    own.inheritable = CapabilitySet::empty();
    set_capabilities(None, own)?;
    clear_ambient_capability_set()?;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // The right to take rights goes last.
    let last = CapabilitySet::SETPCAP;
    let first = CapabilitySet::all().difference(KEPT).difference(last);
    for capability in first.iter().chain([last]) {
        match remove_capability_from_bounding_set(capability) {
            // A kernel that is older than the capability.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            // A container that never had it.
            Err(_) if !capability_is_in_bounding_set(capability).unwrap_or(true) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
