//! What machine this is.

use std::collections::BTreeMap;
use std::fs;

use outpace_process::{Sandbox, Tier};
use outpace_record::{Machine, SandboxTier};
use outpace_text::plain;

/// Instruction sets that kernels choose by; others do not make a machine class.
const SIMD: [&str; 9] = [
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "asimd",
    "sve",
];

/// Looks at this machine.
pub fn machine() -> Machine {
    let cpu = cpu_fields();
    let field = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| cpu.get(*name))
            .cloned()
            .unwrap_or_default()
    };
    let flags = field(&["flags", "Features"]);
    let flags: Vec<&str> = flags.split_whitespace().collect();
    Machine {
        cpu: field(&["model name", "CPU implementer"]),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        cpu_signature: ["cpu family", "model", "stepping"]
            .map(|name| field(&[name]))
            .join("-"),
        simd: SIMD
            .iter()
            .filter(|name| flags.contains(*name))
            .map(|name| (*name).to_owned())
            .collect(),
        arch: std::env::consts::ARCH.into(),
        os: format!(
            "{} {}",
            std::env::consts::OS,
            line("/proc/sys/kernel/osrelease").unwrap_or_default()
        ),
        memory_mib: memory_mib(),
        hypervisor: flags
            .contains(&"hypervisor")
            .then(|| line("/sys/hypervisor/type").unwrap_or_else(|| "yes".into())),
        governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        huge_pages: huge_pages(),
        gpus: crate::gpu::describe(),
        label: None,
    }
}

/// How strongly programs are confined, as records say it.
pub fn sandbox_tier(sandbox: &Sandbox) -> SandboxTier {
    match sandbox.tier {
        Tier::None => SandboxTier::None,
        Tier::Landlock => SandboxTier::Landlock,
        Tier::Bubblewrap => SandboxTier::Bubblewrap,
    }
}

/// The tier that a configuration demands, as launchers know it.
pub fn demanded(tier: SandboxTier) -> Tier {
    match tier {
        SandboxTier::None => Tier::None,
        SandboxTier::Landlock => Tier::Landlock,
        SandboxTier::Bubblewrap => Tier::Bubblewrap,
    }
}

fn line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(plain(&text, 120)).filter(|text| !text.is_empty())
}

fn cpu_fields() -> BTreeMap<String, String> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let first = text.split("\n\n").next().unwrap_or_default();
    first
        .lines()
        .filter_map(|l| l.split_once(':'))
        .map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()))
        .collect()
}

fn memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|l| {
        l.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) / 1024
}

/// The word in brackets: `always [madvise] never`.
fn huge_pages() -> Option<String> {
    let text = line("/sys/kernel/mm/transparent_hugepage/enabled")?;
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}
