//! System calls that no program needs to train, and that reach beyond its files: the rest of the
//! wall, which Landlock and namespaces leave open.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::{Plan, Tier};

/// Always refused: other processes' memory, the kernel itself, keys, mounts, clocks.
const NEVER: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    libc::SYS_bpf,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_reboot,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_userfaultfd,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_vhangup,
];

/// Without an IPC namespace these outlive their program.
const SHARED: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
];

/// Without a process namespace these name any process of the user in an argument, which 0 means the
/// caller itself: number of the argument.
const OF_OTHERS: &[(i64, u8)] = &[
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_prlimit64, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// They look as if the kernel did not know them, so that callers take the older way: flags that no
/// filter can see, and calls that go round filters.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Flags of `clone` that make namespaces.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// `PRIO_USER`: all processes of a user.
const PRIO_USER: u64 = 2;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters of a plan, to be put on one after the other.
///
/// # Errors
/// This processor has no filter.
pub(super) fn filters(plan: &Plan) -> io::Result<[BpfProgram; 2]> {
    let mut refused = Rules::new();
    refuse(&mut refused, NEVER);
    for flag in NAMESPACES {
        let flag = u64::from(flag as u32);
        let has = condition(0, SeccompCmpOp::MaskedEq(flag), flag)?;
        add(&mut refused, libc::SYS_clone, vec![has])?;
    }
    let mut families = vec![libc::AF_UNIX];
    if plan.network || plan.tier == Tier::Bubblewrap {
        families.extend([libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK]);
    }
    let is_other = |family: &i32| condition(0, SeccompCmpOp::Ne, u64::from(*family as u32));
    let other = families.iter().map(is_other).collect::<io::Result<_>>()?;
    add(&mut refused, libc::SYS_socket, other)?;
    if plan.tier == Tier::Landlock {
        refuse(&mut refused, SHARED);
        for (call, argument) in OF_OTHERS {
            let other = condition(*argument, SeccompCmpOp::Ne, 0)?;
            add(&mut refused, *call, vec![other])?;
        }
        let all = condition(0, SeccompCmpOp::Eq, PRIO_USER)?;
        add(&mut refused, libc::SYS_setpriority, vec![all])?;
    }
    let mut unknown = Rules::new();
    refuse(&mut unknown, UNKNOWN);
    Ok([
        compiled(refused, libc::EPERM)?,
        compiled(unknown, libc::ENOSYS)?,
    ])
}

/// A filter as the kernel and `bwrap` read it.
pub(super) fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |i: &seccompiler::sock_filter| {
        let [a, b] = i.code.to_ne_bytes();
        let [k0, k1, k2, k3] = i.k.to_ne_bytes();
        [a, b, i.jt, i.jf, k0, k1, k2, k3]
    };
    program.iter().flat_map(instruction).collect()
}

fn refuse(rules: &mut Rules, calls: &[i64]) {
    for call in calls {
        // No condition: always.
        rules.insert(*call, Vec::new());
    }
}

fn add(rules: &mut Rules, call: i64, conditions: Vec<SeccompCondition>) -> io::Result<()> {
    let rule = SeccompRule::new(conditions).map_err(io::Error::other)?;
    rules.entry(call).or_default().push(rule);
    Ok(())
}

fn condition(argument: u8, op: SeccompCmpOp, value: u64) -> io::Result<SeccompCondition> {
    let length = SeccompCmpArgLen::Dword;
    SeccompCondition::new(argument, length, op, value).map_err(io::Error::other)
}

fn compiled(rules: Rules, error: i32) -> io::Result<BpfProgram> {
    let refused = SeccompAction::Errno(error as u32);
    let here = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, here);
    let filter = filter.map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}
