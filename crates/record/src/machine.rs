//! The machine that a number was measured on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is known of a machine. Two numbers may be compared only when their machine class is the
/// same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// CPU model, as the kernel names it.
    pub cpu: String,
    /// Logical CPUs that this process may use.
    pub cpus: usize,
    /// Family, model and stepping, where the system says so; a hypervisor often hides the model's
    /// name but not these.
    pub cpu_signature: String,
    /// Instruction set extensions that kernels choose by (`avx2`, `avx512f`, `neon`, ...).
    pub simd: Vec<String>,
    /// Processor architecture, `x86_64`.
    pub arch: String,
    /// Operating system and kernel release; not part of the class.
    pub os: String,
    /// Memory in MiB, rounded to the GiB in the class.
    pub memory_mib: u64,
    /// Name of the hypervisor, if the machine is virtual.
    pub hypervisor: Option<String>,
    /// Frequency governor, where there is one.
    pub governor: Option<String>,
    /// Whether transparent huge pages are `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// GPUs with driver and power limit, one text each.
    pub gpus: Vec<String>,
    /// The class by name (`[machine] class` of outpace.toml): somebody vouches that all machines of
    /// this label are alike, whatever else differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Machine {
    /// A short name for people plus a hash over everything that must be equal:
    /// `intel-xeon-x2-1f0c2a9b`; or its label, where it has one.
    pub fn class(&self) -> String {
        if let Some(label) = &self.label {
            return label.clone();
        }
        let identity = serde_json::json!([
            self.cpu,
            self.cpus,
            self.cpu_signature,
            self.simd,
            self.arch,
            self.memory_mib.div_ceil(1024),
            self.hypervisor,
            self.governor,
            self.huge_pages,
            self.gpus,
        ]);
        let hash = hex::encode(Sha256::digest(identity.to_string()));
        format!("{}-x{}-{}", self.slug(), self.cpus, &hash[..8])
    }

    /// One line for a person.
    pub fn describe(&self) -> String {
        let gpus = if self.gpus.is_empty() {
            "no GPU".to_owned()
        } else {
            self.gpus.join(", ")
        };
        format!("{} x {}, {gpus}", self.slug(), self.cpus)
    }

    fn slug(&self) -> String {
        let name = self.gpus.first().unwrap_or(&self.cpu).to_lowercase();
        let name = name.replace("(r)", " ").replace("(tm)", " ");
        let skip = ["cpu", "processor", "with", "@"];
        let words = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| !w.is_empty() && !skip.contains(w));
        let slug: Vec<&str> = words.take(3).collect();
        if slug.is_empty() {
            self.arch.clone()
        } else {
            slug.join("-")
        }
    }
}

/// How strongly the measured programs are confined.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SandboxTier {
    /// Clean environment, own session, limits, fresh scratch; nothing that stops a hostile program.
    #[default]
    None,
    /// Landlock, seccomp, limits and an own process group.
    Landlock,
    /// Own user, process, network and IPC namespaces.
    Bubblewrap,
}

impl SandboxTier {
    /// The word that records and messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
            Self::Bubblewrap => "bubblewrap",
        }
    }
}
