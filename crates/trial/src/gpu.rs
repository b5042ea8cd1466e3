//! GPUs as a trial sees them: which there are, where the two processes live on them, how they were while a block was measured, and whether
//! a process works when it should wait. Everything comes from the driver's management library (NVML); no CUDA is needed here.

mod driver;
mod nvml;
mod sampler;
mod timeout;
mod watch;

use std::sync::OnceLock;

use outpace_record::GpuConditions;

pub(crate) use driver::{Device, Driver, Fault, Reading};
pub use sampler::conditions_of;
pub(crate) use timeout::DriverWithTimeout;
pub use watch::Gpus;
pub(crate) use watch::WAITING_GPU;

/// The driver of this machine, asked for once: loading it takes some tenths of a second.
pub(crate) fn driver() -> Result<DriverWithTimeout, Fault> {
    static DRIVER: OnceLock<Result<DriverWithTimeout, Fault>> = OnceLock::new();
    DRIVER
        .get_or_init(|| DriverWithTimeout::load(|| Ok(Box::new(nvml::Nvml::load()?))))
        .clone()
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
    let Ok(devices) = driver().and_then(|driver| visible(&driver, None)) else {
        return Vec::new();
    };
    devices.iter().map(Device::describe).collect()
}

/// How the GPUs are at this moment, and what is wrong with their driver, if there is one.
pub fn gpus_now() -> (Vec<GpuNow>, Option<String>) {
    let look = || {
        let driver = driver()?;
        let now = |device: &Device| {
            let reading = driver.read(device)?;
            Ok(GpuNow {
                name: device.called(),
                highest_sm_mhz: device.highest_sm_mhz,
                power_limit_w: device.power_limit_w,
                memory_mib: device.memory_mib,
                shared: device.mps,
                users: driver.users(device)?.len(),
                conditions: sampler::conditions(device, None, &[&reading]),
            })
        };
        visible(&driver, None)?.iter().map(now).collect()
    };
    match look() {
        Ok(gpus) => (gpus, None),
        // Most machines have none.
        Err(Fault::None(_)) => (Vec::new(), None),
        Err(Fault::Lost(why)) => (Vec::new(), Some(why)),
    }
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
    pub memory_mib: Option<f64>,
    /// Several processes share it (MPS).
    pub shared: bool,
    /// Programs that hold a context on it.
    pub users: usize,
    /// One reading.
    pub conditions: GpuConditions,
}
