//! What is asked of a driver, so that placement and watching are tested without one.

use outpace_text::plain;

/// Why a driver has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// There is no driver, or none that can be used.
    #[error("{0}")]
    None(String),
    /// It or a GPU was there and is not any more.
    #[error("{0}")]
    Lost(String),
}

/// A GPU, or an instance of one that MIG has divided.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Device {
    /// Number of the GPU, in the order of the PCI bus.
    pub(crate) index: u32,
    /// Number of the instance on it.
    pub(crate) instance: Option<u32>,
    /// `GPU-...` or `MIG-...`, as `CUDA_VISIBLE_DEVICES` takes it.
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// Version of the driver.
    pub(crate) driver: String,
    pub(crate) power_limit_w: Option<f64>,
    /// Some that share their memory with the CPU do not say.
    pub(crate) memory_mib: Option<f64>,
    /// A daemon lets several processes share it (MPS).
    pub(crate) mps: bool,
    /// Only one process may use it (compute mode "exclusive process").
    pub(crate) exclusive: bool,
    pub(crate) highest_sm_mhz: Option<f64>,
}

impl Device {
    /// For the machine class: everything that must be equal.
    pub(crate) fn describe(&self) -> String {
        let mut text = format!("{}, {}", self.name, self.driver);
        if let Some(watts) = self.power_limit_w {
            text += &format!(", {watts:.2} W");
        }
        if let Some(mib) = self.memory_mib {
            text += &format!(", {mib:.0} MiB");
        }
        if self.instance.is_some() {
            text += ", MIG";
        }
        if self.mps {
            text += ", MPS";
        }
        plain(&text, 160)
    }

    /// For messages: `GPU 0 (NVIDIA H100)`.
    pub(crate) fn called(&self) -> String {
        let instance = self
            .instance
            .map_or(String::new(), |n| format!(", MIG instance {n}"));
        plain(
            &format!("GPU {}{instance} ({})", self.index, self.name),
            120,
        )
    }
}

/// What a driver says of a GPU at one moment; what it does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) sm_mhz: Option<f64>,
    pub(crate) memory_mhz: Option<f64>,
    pub(crate) power_w: Option<f64>,
    pub(crate) temperature_c: Option<f64>,
    /// Memory in use by everybody, and what is left.
    pub(crate) used_mib: Option<f64>,
    pub(crate) free_mib: Option<f64>,
    /// Share of the last tenths of a second in which any kernel ran.
    pub(crate) busy: Option<f64>,
    /// What holds its clocks down.
    pub(crate) throttled: Option<Vec<&'static str>>,
}

/// A driver of GPUs. An error means that a GPU or the driver is gone, and nothing else does.
pub(crate) trait Driver: Send + Sync {
    /// All that can be used, in the order of the PCI bus, the instances of a divided one in its place.
    fn devices(&self) -> Result<Vec<Device>, Fault>;
    /// How one is now.
    fn read(&self, device: &Device) -> Result<Reading, Fault>;
    /// The processes that hold a context on it.
    fn users(&self, device: &Device) -> Result<Vec<u32>, Fault>;
    /// Share of a GPU that each process used since a moment (microseconds of the Unix clock), sample by sample: averages of up to a second.
    /// None where it does not say.
    fn activity(&self, device: &Device, since_us: u64) -> Result<Option<Vec<(u32, f64)>>, Fault>;
}

/// Those that `CUDA_VISIBLE_DEVICES` leaves, in its order; its numbers count those that can be used. Like CUDA it stops at the first entry that names nothing, and without the variable
/// a divided GPU gives its first instance only.
pub(crate) fn choose(devices: Vec<Device>, visible: Option<&str>) -> Vec<Device> {
    let Some(visible) = visible else {
        return match devices.iter().find(|device| device.instance.is_some()) {
            Some(first) => vec![first.clone()],
            None => devices,
        };
    };
    let named = |entry: &str| {
        let entry = entry.trim();
        let found = match entry.parse::<usize>() {
            Ok(place) => devices.get(place),
            Err(_) if entry.is_empty() => None,
            Err(_) => devices.iter().find(|device| device.uuid.starts_with(entry)),
        };
        found.cloned()
    };
    visible.split(',').map_while(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(index: u32, instance: Option<u32>, uuid: &str) -> Device {
        Device {
            index,
            instance,
            uuid: uuid.into(),
            name: "NVIDIA H100".into(),
            driver: "570.1".into(),
            power_limit_w: Some(700.0),
            memory_mib: Some(81559.0),
            ..Device::default()
        }
    }

    #[test]
    fn visible_devices_are_those_that_cuda_would_see() {
        let whole = [device(0, None, "GPU-aa1"), device(1, None, "GPU-bb2")];
        let divided = [device(0, Some(0), "MIG-cc3"), device(0, Some(1), "MIG-dd4")];
        let check = |devices: &[Device], visible: Option<&str>, expect: &[&str]| {
            let chosen = choose(devices.to_vec(), visible);
            let uuids: Vec<&str> = chosen.iter().map(|d| &*d.uuid).collect();
            assert_eq!(uuids, expect, "{visible:?}");
        };
        check(&whole, None, &["GPU-aa1", "GPU-bb2"]);
        check(&whole, Some("1"), &["GPU-bb2"]);
        check(&whole, Some("1, 0"), &["GPU-bb2", "GPU-aa1"]);
        check(&whole, Some("GPU-b"), &["GPU-bb2"]);
        check(&whole, Some("0,7,1"), &["GPU-aa1"]);
        check(&whole, Some(""), &[]);
        check(&whole, Some("-1"), &[]);
        check(&divided, None, &["MIG-cc3"]);
        check(&divided, Some("MIG-dd4"), &["MIG-dd4"]);
    }

    #[test]
    fn a_machine_class_names_how_a_gpu_is_divided() {
        let mut gpu = device(0, Some(2), "MIG-cc3");
        gpu.mps = true;
        assert_eq!(
            gpu.describe(),
            "NVIDIA H100, 570.1, 700.00 W, 81559 MiB, MIG, MPS"
        );
        assert_eq!(gpu.called(), "GPU 0, MIG instance 2 (NVIDIA H100)");
    }
}
