//! GPUs as a trial sees them: which there are, where the two processes live on them, how they were while a block was measured, and whether
//! a process works when it should wait. Everything comes from the driver's management library (NVML); no CUDA is needed here.

mod driver;
mod nvml;
mod sampler;
mod watch;

use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use outpace_record::GpuConditions;

pub(crate) use driver::{Device, Driver, Fault, Reading};
pub(crate) use sampler::conditions_of;
pub use watch::Gpus;
pub(crate) use watch::WAITING_GPU;

/// A driver that does not answer in this time has no GPUs for us.
const PATIENCE: Duration = Duration::from_secs(20);

/// The driver of this machine, asked for once: loading it takes some tenths of a second.
pub(crate) fn driver() -> Result<Arc<dyn Driver>, Fault> {
    static DRIVER: OnceLock<Result<Arc<dyn Driver>, Fault>> = OnceLock::new();
    DRIVER.get_or_init(load).clone()
}

fn load() -> Result<Arc<dyn Driver>, Fault> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = answer.send(nvml::Nvml::load());
    });
    match answered.recv_timeout(PATIENCE) {
        Ok(loaded) => Ok(Arc::new(loaded?)),
        Err(_) => Err(Fault::Lost(format!(
            "the NVIDIA driver does not answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// The GPUs that a program sees which is started here: those that its own `CUDA_VISIBLE_DEVICES` names, or that of outpace.
pub(crate) fn visible(driver: &dyn Driver, own: Option<&str>) -> Result<Vec<Device>, Fault> {
    let inherited = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    Ok(driver::choose(
        driver.devices()?,
        own.or(inherited.as_deref()),
    ))
}

/// The GPUs of this machine for its class, one text each: name, driver, power limit, memory, and how it is divided.
pub(crate) fn describe() -> Vec<String> {
    let Ok(devices) = driver().and_then(|driver| visible(&*driver, None)) else {
        return Vec::new();
    };
    devices.iter().map(Device::describe).collect()
}

/// How the GPUs are at this moment, for people.
pub fn gpus_now() -> Vec<GpuNow> {
    let Ok(driver) = driver() else {
        return Vec::new();
    };
    let now = |device: &Device| {
        let reading = driver.read(device).ok()?;
        Some(GpuNow {
            name: device.called(),
            highest_sm_mhz: device.highest_sm_mhz,
            power_limit_w: device.power_limit_w,
            memory_mib: device.memory_mib,
            shared: device.mps,
            conditions: sampler::conditions(device, None, &[&reading]),
        })
    };
    visible(&*driver, None)
        .unwrap_or_default()
        .iter()
        .filter_map(now)
        .collect()
}

/// A GPU at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuNow {
    /// Its number and name.
    pub name: String,
    /// The highest clock of its multiprocessors, in MHz.
    pub highest_sm_mhz: Option<f64>,
    /// The most power that it may draw, in watts.
    pub power_limit_w: Option<f64>,
    /// All of its memory, in MiB.
    pub memory_mib: f64,
    /// Several processes share it (MPS).
    pub shared: bool,
    /// One reading.
    pub conditions: GpuConditions,
}
