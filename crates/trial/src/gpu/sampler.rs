//! Asks the driver many times a second, in a thread of its own. It does so for both sides alike,
//! and as long as it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outpace_record::{Check, GPU_CHECK, GpuConditions};

use super::{Device, Driver, Reading};

/// A turn takes 20 ms and more, a block of GPU work seconds: at this rate a block has dozens of
/// samples.
const INTERVAL: Duration = Duration::from_millis(50);

type Readings = Arc<Mutex<Vec<(usize, Reading)>>>;

/// A thread that reads some GPUs while it is on; it ends when this is dropped.
pub(super) struct Sampler {
    switch: mpsc::Sender<bool>,
    readings: Readings,
}

impl Sampler {
    /// Begins off.
    pub(super) fn start(driver: Arc<dyn Driver>, devices: Vec<Device>) -> Self {
        let readings = Readings::default();
        let (switch, switched) = mpsc::channel();
        let list = Arc::clone(&readings);
        std::thread::spawn(move || {
            let mut on = false;
            loop {
                let told = match on {
                    true => switched.recv_timeout(INTERVAL),
                    false => switched.recv().map_err(RecvTimeoutError::from),
                };
                match told {
                    Ok(now) => on = now,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if on {
                    let now = read_all(&*driver, &devices);
                    locked(&list).extend(now);
                }
            }
        });
        Self { switch, readings }
    }

    /// The first reading comes at once.
    pub(super) fn switch(&self, on: bool) {
        // The thread lives as long as this does.
        let _ = self.switch.send(on);
    }

    /// What was read since it was last asked: number of the device in the list, and the reading.
    pub(super) fn take(&self) -> Vec<(usize, Reading)> {
        std::mem::take(&mut *locked(&self.readings))
    }
}

fn locked(readings: &Readings) -> MutexGuard<'_, Vec<(usize, Reading)>> {
    readings.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A GPU that cannot be read is missing here; whether it is lost is asked when a program fails.
fn read_all(driver: &dyn Driver, devices: &[Device]) -> Vec<(usize, Reading)> {
    let read = |(n, device)| Some((n, driver.read(device).ok()?));
    devices.iter().enumerate().filter_map(read).collect()
}

/// The readings of one GPU as a record keeps them.
pub(super) fn conditions(
    device: &Device,
    side: Option<&str>,
    readings: &[&Reading],
) -> GpuConditions {
    let of = |figure: fn(&Reading) -> Option<f64>| {
        spread(readings.iter().filter_map(|r| figure(r)).collect())
    };
    let told = readings.iter().filter_map(|r| r.throttled.as_ref());
    let throttled = told.clone().next().is_some().then(|| {
        let mut shares = BTreeMap::new();
        for word in told.flatten() {
            *shares.entry((*word).to_owned()).or_insert(0.0) += 1.0 / readings.len() as f64;
        }
        let rounded = |share: f64| (share * 1e3).round() / 1e3;
        shares
            .into_iter()
            .map(|(word, share)| (word, rounded(share)))
            .collect()
    });
    GpuConditions {
        device: device.uuid.clone(),
        side: side.map(str::to_owned),
        samples: readings.len(),
        sm_mhz: of(|r| r.sm_mhz),
        memory_mhz: of(|r| r.memory_mhz),
        power_w: of(|r| r.power_w),
        temperature_c: of(|r| r.temperature_c),
        memory_mib: of(|r| r.used_mib),
        throttled,
    }
}

/// Lowest, median and highest, to a tenth.
fn spread(mut values: Vec<f64>) -> Option<[f64; 3]> {
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    Some([first, values[values.len() / 2], last].map(|v| (v * 10.0).round() / 10.0))
}

/// One line about all blocks, which only tells: a throttled GPU slows both sides, and the evidence
/// decides all the same.
pub fn conditions_of<'a>(
    blocks: impl Iterator<Item = &'a [GpuConditions]> + Clone,
) -> Option<Check> {
    let n = blocks.clone().filter(|gpus| !gpus.is_empty()).count();
    let all = || blocks.clone().flatten();
    let (low, high) = all()
        .filter_map(|gpu| gpu.sm_mhz)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), mhz| {
            (low.min(mhz[0]), high.max(mhz[2]))
        });
    let held = |gpu: &GpuConditions| {
        gpu.throttled
            .as_ref()
            .is_some_and(|words| !words.is_empty())
    };
    let throttled = blocks.clone().filter(|gpus| gpus.iter().any(held)).count();
    let words: BTreeSet<&str> = all()
        .filter_map(|gpu| gpu.throttled.as_ref())
        .flat_map(|words| words.keys().map(String::as_str))
        .collect();
    let clocks = match high > 0.0 {
        true => format!("multiprocessors at {low:.0} to {high:.0} MHz"),
        false => "the driver tells no clocks".into(),
    };
    let held = match throttled {
        0 if all().all(|gpu| gpu.throttled.is_none()) => "nor whether it was throttled".to_owned(),
        0 => "never throttled".to_owned(),
        _ => format!(
            "throttled in {throttled} of {n} blocks ({})",
            words.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    (n > 0).then(|| Check {
        name: GPU_CHECK.into(),
        passed: true,
        value: Some(throttled as f64 / n as f64),
        allowed: None,
        detail: format!("{clocks}, {held}"),
    })
}
