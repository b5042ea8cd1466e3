//! Where a model trains, and in what numbers.

use crate::config::{self, ConfigError, Precision};
use anyhow::Result;
use candle_core::{DType, Device};
use std::path::Path;

/// A device and the dtype of the weights that are multiplied with.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where tensors live.
    pub device: Device,
    /// f32, or bf16 on CUDA.
    pub dtype: DType,
}

impl Place {
    /// The CPU, in f32.
    #[must_use]
    pub const fn cpu() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
        }
    }

    /// What a config asks for, ready to train. `kernels` is a folder of compiled CUDA kernels.
    ///
    /// # Errors
    /// bf16 on the CPU, a program or a machine without CUDA, kernels that do not compile.
    pub fn open(run: &config::Run, kernels: Option<&Path>) -> Result<Self> {
        let dtype = match run.precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
        };
        match run.device {
            config::Device::Cpu if dtype == DType::F32 => Ok(Self::cpu()),
            config::Device::Cpu => {
                let message = "run.precision = \"bf16\" needs run.device = \"cuda\": the CPU trains in f32. \
                               Hint: --device cuda, or --precision f32";
                Err(ConfigError(message.to_owned()).into())
            }
            config::Device::Cuda => Ok(Self {
                device: cuda(kernels)?,
                dtype,
            }),
        }
    }

    /// Whether this is a GPU.
    #[must_use]
    pub fn is_cuda(&self) -> bool {
        self.device.is_cuda()
    }

    /// Waits until all that was queued is done.
    ///
    /// # Errors
    /// What the device reports, of earlier work too.
    pub fn synchronize(&self) -> Result<()> {
        Ok(self.device.synchronize()?)
    }
}

#[cfg(feature = "cuda")]
fn cuda(kernels: Option<&Path>) -> Result<Device> {
    use outpace_kernels::cuda::{compile, device};
    if let Some(folder) = kernels {
        compile::use_folder(folder);
    }
    use anyhow::Context as _;
    let place = Device::new_cuda(0).context(
        "run.device = \"cuda\": no GPU can be used. Hint: `nvidia-smi` shows what the driver sees",
    )?;
    device::prepare(&place)?;
    Ok(place)
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: Option<&Path>) -> Result<Device> {
    let message = "run.device = \"cuda\": this outpace-gpt was built without CUDA. \
                   Hint: cargo build --release -p outpace-gpt --features cuda";
    Err(ConfigError(message.to_owned()).into())
}
