//! NVML: the management library that comes with every NVIDIA driver, loaded at run time.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use nvml_wrapper::Device as Handle;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, ComputeMode, TemperatureSensor};
use nvml_wrapper::error::NvmlError;

use super::{Device, Driver, Fault, Reading};

/// The name that drivers install it under; the one without a version comes with developers'
/// packages only.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Where the MPS daemon listens unless CUDA_MPS_PIPE_DIRECTORY says otherwise.
const MPS_FOLDER: &str = "/tmp/nvidia-mps";
const TRIES: usize = 3;
const RETRY: Duration = Duration::from_millis(100);
const MIB: f64 = (1 << 20) as f64;

/// What holds clocks down, in words. "Hardware slowdown" is also shown for a moment when clocks
/// change, which the share of the samples tells.
const REASONS: [(ThrottleReasons, &str); 5] = [
    (ThrottleReasons::SW_POWER_CAP, "power cap"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake"),
    (ThrottleReasons::HW_SLOWDOWN, "hardware slowdown"),
];

pub(super) struct Nvml(nvml_wrapper::Nvml);

impl Nvml {
    pub(super) fn load() -> Result<Self, Fault> {
        let loaded = nvml_wrapper::Nvml::builder()
            .lib_path(OsStr::new(LIBRARY))
            .init();
        match loaded {
            Ok(nvml) => Ok(Self(nvml)),
            Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) => Err(Fault::None(
                format!("there is no NVIDIA driver: {LIBRARY} cannot be loaded"),
            )),
            Err(error) => Err(Fault::Lost(format!("NVIDIA driver: {error}"))),
        }
    }

    /// The GPU, and the instance of it, which is the same where it is not divided.
    fn handle(&self, device: &Device) -> Result<[Handle<'_>; 2], NvmlError> {
        let gpu = self.0.device_by_index(device.index)?;
        let part = match device.instance {
            Some(number) => gpu.mig_device_by_index(number)?,
            None => self.0.device_by_index(device.index)?,
        };
        Ok([gpu, part])
    }

    /// A GPU, or the instances that it is divided into.
    fn list(&self, index: u32, driver: &str) -> Result<Vec<Device>, NvmlError> {
        let gpu = self.0.device_by_index(index)?;
        let about = |part: &Handle<'_>, instance| -> Result<Device, NvmlError> {
            Ok(Device {
                index,
                instance,
                uuid: part.uuid()?,
                name: part.name()?,
                driver: driver.to_owned(),
                power_limit_w: told(gpu.power_management_limit())?.map(|mw| f64::from(mw) / 1e3),
                memory_mib: told(part.memory_info())?.map(|m| (m.total as f64 / MIB).floor()),
                mps: serves_mps(&gpu)?,
                exclusive: matches!(
                    told(gpu.compute_mode())?,
                    Some(ComputeMode::ExclusiveProcess | ComputeMode::ExclusiveThread)
                ),
                highest_sm_mhz: told(gpu.max_clock_info(Clock::SM))?.map(f64::from),
            })
        };
        if told(gpu.mig_mode())?.is_none_or(|mode| mode.current == 0) {
            return Ok(vec![about(&gpu, None)?]);
        }
        let mut parts = Vec::new();
        // Places of instances that were not made answer "not found".
        for number in 0..told(gpu.mig_device_count())?.unwrap_or(0) {
            if let Some(part) = told(gpu.mig_device_by_index(number))? {
                parts.push(about(&part, Some(number))?);
            }
        }
        Ok(parts)
    }
}

impl Driver for Nvml {
    fn devices(&self) -> Result<Vec<Device>, Fault> {
        let list = || {
            let driver = self.0.sys_driver_version()?;
            let mut all = Vec::new();
            for index in 0..self.0.device_count()? {
                // One that is broken, or not ours, is none for CUDA either.
                all.extend(self.list(index, &driver).unwrap_or_default());
            }
            Ok(all)
        };
        patiently(list).map_err(|error| fault("the GPUs of this machine", &error))
    }

    fn read(&self, device: &Device) -> Result<Reading, Fault> {
        let read = || {
            let [gpu, part] = self.handle(device)?;
            let memory = told(part.memory_info())?;
            let mib = |bytes: u64| bytes as f64 / MIB;
            Ok(Reading {
                sm_mhz: told(gpu.clock_info(Clock::SM))?.map(f64::from),
                memory_mhz: told(gpu.clock_info(Clock::Memory))?.map(f64::from),
                power_w: told(gpu.power_usage())?.map(|mw| f64::from(mw) / 1e3),
                temperature_c: told(gpu.temperature(TemperatureSensor::Gpu))?.map(f64::from),
                used_mib: memory.as_ref().map(|m| mib(m.used)),
                free_mib: memory.as_ref().map(|m| mib(m.free)),
                busy: told(part.utilization_rates())?.map(|share| f64::from(share.gpu) / 100.0),
                throttled: told(gpu.current_throttle_reasons())?.map(words),
            })
        };
        patiently(read).map_err(|error| fault(&device.called(), &error))
    }

    fn users(&self, device: &Device) -> Result<Vec<u32>, Fault> {
        let ask = || {
            let [_, part] = self.handle(device)?;
            told(part.running_compute_processes())
        };
        let users = patiently(ask).map_err(|error| fault(&device.called(), &error))?;
        Ok(users.into_iter().flatten().map(|user| user.pid).collect())
    }

    fn activity(&self, device: &Device, since_us: u64) -> Result<Option<Vec<(u32, f64)>>, Fault> {
        let ask = || {
            let [gpu, _] = self.handle(device)?;
            match gpu.process_utilization_stats(since_us) {
                Ok(samples) => {
                    // Some drivers hand out older samples than were asked for, and some of nothing.
                    let fresh = samples
                        .iter()
                        .filter(|s| s.timestamp >= since_us && s.sm_util <= 100);
                    let shares = fresh.map(|s| (s.pid, f64::from(s.sm_util) / 100.0));
                    Ok(Some(shares.collect()))
                }
                // Nothing ran since then.
                Err(NvmlError::NotFound) => Ok(Some(Vec::new())),
                Err(error) => told(Err(error)),
            }
        };
        patiently(ask).map_err(|error| fault(&device.called(), &error))
    }
}

fn words(held: ThrottleReasons) -> Vec<&'static str> {
    let hold = REASONS.iter().filter(|(reason, _)| held.contains(*reason));
    let mut words: Vec<&str> = hold.map(|(_, word)| *word).collect();
    words.dedup();
    words
}

/// A driver has hiccups: one refusal is no lost GPU.
fn patiently<T>(ask: impl Fn() -> Result<T, NvmlError>) -> Result<T, NvmlError> {
    for _ in 1..TRIES {
        match ask() {
            Err(error) if !matches!(error, NvmlError::GpuLost) => std::thread::sleep(RETRY),
            answer => return answer,
        }
    }
    ask()
}

/// What this GPU or this driver does not tell, or not at this moment, is absent; an error is a GPU
/// that is gone.
fn told<T>(answer: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error @ (NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::Uninitialized)) => {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

fn serves_mps(gpu: &Handle<'_>) -> Result<bool, NvmlError> {
    let folder = std::env::var_os("CUDA_MPS_PIPE_DIRECTORY")
        .map_or_else(|| PathBuf::from(MPS_FOLDER), PathBuf::from);
    let serves = told(gpu.mps_running_compute_processes())?.is_some_and(|list| !list.is_empty());
    Ok(serves || folder.join("control").exists())
}

fn fault(what: &str, error: &NvmlError) -> Fault {
    Fault::Lost(format!("{what}: {error}"))
}
