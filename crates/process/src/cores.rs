//! Keeping programs on some cores.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this process, and all that it starts, on `cores` of the cores that it may use: the first
/// ones, one processor of each, or more of each where there are too few.
pub(crate) fn stay_on(cores: usize) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|cpu| allowed.is_set(*cpu))
        .collect();
    let mut chosen = CpuSet::new();
    for cpu in choose(&allowed, cores, &first_of_core) {
        chosen.set(cpu);
    }
    Ok(sched_setaffinity(None, &chosen)?)
}

/// The first processor of each core first, then the others.
fn choose(allowed: &[usize], cores: usize, core_of: &dyn Fn(usize) -> usize) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let (mut firsts, mut others) = (Vec::new(), Vec::new());
    for cpu in allowed {
        match seen.insert(core_of(*cpu)) {
            true => firsts.push(*cpu),
            false => others.push(*cpu),
        }
    }
    firsts.extend(others);
    firsts.truncate(cores.max(1));
    firsts
}

/// What names the core of a processor: the first processor that shares it.
fn first_of_core(cpu: usize) -> usize {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let text = fs::read_to_string(path).unwrap_or_default();
    let first = text.trim().split([',', '-']).next();
    first.and_then(|first| first.parse().ok()).unwrap_or(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cores_come_first() {
        let pairs = |cpu: usize| cpu % 4;
        let all: Vec<usize> = (0..8).collect();
        assert_eq!(choose(&all, 3, &pairs), [0, 1, 2]);
        assert_eq!(choose(&all, 6, &pairs), [0, 1, 2, 3, 4, 5]);
        assert_eq!(choose(&[2, 6, 7], 2, &pairs), [2, 7]);
        assert_eq!(choose(&all, 100, &pairs).len(), 8);
    }
}
