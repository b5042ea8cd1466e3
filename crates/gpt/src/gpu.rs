//! What is known of a GPU: its name, its memory, and the peak that model FLOPs utilisation is a
//! share of.

use crate::place::Place;
use anyhow::Result;
use candle_core::DType;

/// Dense matrix products in bf16 with f32 sums, FLOP/s, without sparsity, as NVIDIA's data sheets
/// give them for boost clocks. The first name that is contained in the driver's counts.
const PEAKS: [(&str, f64); 17] = [
    ("GB300", 2500e12),
    ("GB200", 2500e12),
    ("B300", 2250e12),
    ("B200", 2250e12),
    ("GH200", 989.4e12),
    ("H200 NVL", 835.5e12),
    ("H200", 989.4e12),
    ("H100 PCIe", 756.5e12),
    ("H100 NVL", 835.5e12),
    ("H100", 989.4e12),
    ("H800", 989.4e12),
    ("A100", 312e12),
    ("A800", 312e12),
    ("L40S", 362e12),
    ("L4", 121e12),
    ("RTX 4090", 165.2e12),
    ("A10", 125e12),
];

/// A GPU, and what this process has used of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// As its driver calls it.
    pub name: String,
    /// The most memory that tensors of this process held at once.
    pub peak_memory_bytes: Option<u64>,
    /// The peak of its data sheet; none for f32, which has no tensor cores here, and for a GPU that
    /// is not in the table.
    pub peak_flops_per_s: Option<f64>,
}

impl Gpu {
    /// The GPU of a place; none on the CPU.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn of(place: &Place) -> Result<Option<Self>> {
        if !place.is_cuda() {
            return Ok(None);
        }
        let (name, peak_memory_bytes) = ask(place)?;
        let peak = (place.dtype == DType::BF16).then(|| peak(&name)).flatten();
        Ok(Some(Self {
            name,
            peak_memory_bytes,
            peak_flops_per_s: peak,
        }))
    }

    /// Model FLOPs utilisation (Chowdhery et al. 2022, PaLM): what training does over the peak of
    /// the data sheet.
    #[must_use]
    pub fn utilisation(&self, flops_per_s: f64) -> Option<f64> {
        Some(flops_per_s / self.peak_flops_per_s?)
    }
}

fn peak(name: &str) -> Option<f64> {
    let known = PEAKS.iter().find(|(part, _)| {
        // `L4` is not in `L40`.
        name.match_indices(part).any(|(at, _)| {
            !name[at + part.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        })
    });
    known.map(|&(_, peak)| peak)
}

#[cfg(feature = "cuda")]
fn ask(place: &Place) -> Result<(String, Option<u64>)> {
    use outpace_kernels::cuda::device;
    let about = device::about(&place.device)?;
    Ok((about.name, device::peak_memory_bytes(&place.device)?))
}

#[cfg(not(feature = "cuda"))]
fn ask(_: &Place) -> Result<(String, Option<u64>)> {
    anyhow::bail!("this outpace-gpt was built without CUDA")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_found_by_its_name() {
        for (name, expected) in [
            ("NVIDIA H100 80GB HBM3", Some(989.4e12)),
            ("NVIDIA H100 PCIe", Some(756.5e12)),
            ("NVIDIA A100-SXM4-40GB", Some(312e12)),
            ("NVIDIA A10G", None),
            ("NVIDIA L40", None),
            ("NVIDIA L4", Some(121e12)),
            ("NVIDIA GB200", Some(2500e12)),
            ("NVIDIA GeForce GTX 1080", None),
        ] {
            assert_eq!(peak(name), expected, "{name}");
        }
    }
}
