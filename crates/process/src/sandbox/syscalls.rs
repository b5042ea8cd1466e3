//! System calls that no program needs to train, and that reach beyond its files: the rest of the
//! wall, which Landlock and namespaces leave open.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
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
    libc::SYS_fanotify_init,
    libc::SYS_name_to_handle_at,
];

/// Notes on files for the next program: Landlock does not ask for them. They look as if the file
/// system had none, which programs that copy files know.
const NOTES: &[i64] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // setxattrat, removexattrat and file_setattr of Linux 6.13 and 6.17.
    463,
    466,
    469,
];

/// Without an IPC namespace these outlive their program.
const SHARED: &[i64] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// Without a process namespace these name any process of the user in an argument, which 0 means the
/// caller itself: number of the argument.
const OF_OTHERS: &[(i64, u8)] = &[
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

/// `PRIO_PROCESS` and `IOPRIO_WHO_PROCESS`; others name a group, or all processes of a user.
const OF_ONE: [(i64, u64); 2] = [(libc::SYS_setpriority, 0), (libc::SYS_ioprio_set, 1)];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters of a plan, to be put on one after the other.
///
/// # Errors
/// This processor has no filter.
pub(super) fn filters(plan: &Plan) -> io::Result<Vec<BpfProgram>> {
    let mut refused = Rules::new();
    refuse(&mut refused, NEVER);
    for flag in NAMESPACES {
        let flag = u64::from(flag as u32);
        let has = condition(0, SeccompCmpOp::MaskedEq(flag), flag)?;
        add(&mut refused, libc::SYS_clone, vec![has])?;
    }
    let unix = [libc::AF_UNIX];
    let network = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let has_network = plan.network || plan.tier == Tier::Bubblewrap;
    let families = if has_network { &network[..] } else { &unix };
    add(&mut refused, libc::SYS_socket, none_of(families)?)?;
    add(&mut refused, libc::SYS_socketpair, none_of(&unix)?)?;
    let mut without_effect = Rules::new();
    if plan.tier == Tier::Landlock {
        refuse(&mut refused, SHARED);
        for (call, argument) in OF_OTHERS {
            let other = condition(*argument, SeccompCmpOp::Ne, 0)?;
            add(&mut refused, *call, vec![other])?;
        }
        for (call, one) in OF_ONE {
            let other = condition(0, SeccompCmpOp::Ne, one)?;
            add(&mut refused, call, vec![other])?;
        }
        // Libraries place their own threads by number, and give up where they cannot.
        let other = condition(0, SeccompCmpOp::Ne, 0)?;
        add(
            &mut without_effect,
            libc::SYS_sched_setaffinity,
            vec![other],
        )?;
    }
    let (mut notes, mut unknown) = (Rules::new(), Rules::new());
    refuse(&mut notes, NOTES);
    refuse(&mut unknown, UNKNOWN);
    let mut filters = vec![
        compiled(refused, libc::EPERM)?,
        compiled(notes, libc::EOPNOTSUPP)?,
        compiled(unknown, libc::ENOSYS)?,
    ];
    if !without_effect.is_empty() {
        filters.push(compiled(without_effect, 0)?);
    }
    filters.extend(other_numbers());
    Ok(filters)
}

/// On x86-64 each call has a second number, for programs with short pointers.
fn other_numbers() -> Option<BpfProgram> {
    const X32: u32 = 0x4000_0000;
    // Instructions of classic BPF (linux/bpf_common.h) and answers of seccomp (linux/seccomp.h).
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_GREATER_OR_EQUAL: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let line = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let program = vec![
        line(LOAD_NUMBER, 0, 0, 0),
        line(JUMP_IF_GREATER_OR_EQUAL, 0, 1, X32),
        line(RETURN, 0, 0, ERRNO | libc::ENOSYS as u32),
        line(RETURN, 0, 0, ALLOW),
    ];
    cfg!(target_arch = "x86_64").then_some(program)
}

fn none_of(families: &[i32]) -> io::Result<Vec<SeccompCondition>> {
    let is_other = |family: &i32| condition(0, SeccompCmpOp::Ne, u64::from(*family as u32));
    families.iter().map(is_other).collect()
}

/// A filter as the kernel and `bwrap` read it.
pub(super) fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |i: &sock_filter| {
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
