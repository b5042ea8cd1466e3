//! One trial's GPUs: the pilot shows which are used and how much memory each side needs, from which follows where the processes of the
//! blocks live; then the GPUs are watched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use outpace_process::{Launcher, Subject};
use outpace_record::{GpuConditions, GpuMode};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;

use super::sampler::{Sampler, conditions};
use super::{Device, Driver, DriverWithTimeout, Fault, Reading, visible};
use crate::{Placement, Side, WorkloadError};

/// Where the driver does not name our processes, a GPU that grew by this much in the pilot is one that they use: a context takes more, and
/// others seldom add as much in a second.
const CONTEXT_MIB: f64 = 200.0;
/// Share of the memory that is not given to the two processes: it is fragmented, and the pilot may not have seen the most they need.
const RESERVE: f64 = 0.03;
/// The driver's averages reach back so far at most; only what it samples later tells of a process that waits.
const SETTLING: Duration = Duration::from_millis(1200);
/// It samples at least once in this time.
const PROBE: Duration = Duration::from_millis(1000);
/// A waiting process may use so much of a GPU: the driver counts whole per cents.
pub(crate) const WAITING_GPU: f64 = 0.02;
/// How a program says that a GPU's memory is full: CUDA, cuBLAS, PyTorch, JAX, candle.
const FULL: [&str; 5] = [
    "out of memory",
    "out_of_memory",
    "alloc_failed",
    "memory allocation failure",
    "resource_exhausted",
];

/// What is known of where the processes live.
#[derive(Debug, Clone, PartialEq)]
enum State {
    /// The pilot runs.
    Looking,
    /// The workload uses no GPU, or nobody shall look.
    Off,
    /// Settled: on these GPUs.
    Placed {
        mode: GpuMode,
        devices: Vec<Device>,
        /// Where each side's process goes when each has one of its own.
        seats: [usize; 2],
    },
}

/// The GPUs of one trial; what a machine without any does not have.
pub struct Gpus {
    driver: DriverWithTimeout,
    visible: Vec<Device>,
    asked: GpuMode,
    state: State,
    sampler: Sampler,
    /// The visible GPUs before the side of the pilot was started, and the MiB that each side added at most.
    before: Vec<Reading>,
    needs_mib: [Option<Vec<f64>>; 2],
    /// Numbers of the visible GPUs that the pilot used.
    used: BTreeSet<usize>,
    /// The driver names our processes by the numbers that we know.
    named: bool,
    /// Knows whether the user wants to stop.
    launcher: Launcher,
}

impl std::fmt::Debug for Gpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpus")
            .field("asked", &self.asked)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Gpus {
    /// None where nothing is to be watched: nobody wants it, or there is no GPU and none is demanded.
    ///
    /// # Errors
    /// `asked` demands GPUs and there are none, or the driver does not answer.
    pub(crate) fn find(
        asked: GpuMode,
        workload: &Subject,
        launcher: &Launcher,
    ) -> Result<Option<Self>, WorkloadError> {
        if asked == GpuMode::None {
            return Ok(None);
        }
        let found = super::driver().and_then(|driver| {
            let chosen = workload.env.get("CUDA_VISIBLE_DEVICES");
            let devices = visible(&driver, chosen.map(String::as_str))?;
            match devices.is_empty() {
                true => Err(Fault::None("the NVIDIA driver shows no GPU".into())),
                false => Ok((driver, devices)),
            }
        });
        match found {
            Ok((driver, devices)) => Ok(Some(Self::new(driver, devices, asked, launcher))),
            // What needs no GPU runs without; what does will say so itself, and `doctor` says what is wrong with the driver.
            Err(_) if asked == GpuMode::Auto => Ok(None),
            Err(fault) => Err(lost(format!(
                "{fault}, and the workload wants one (gpu = \"{}\")",
                asked.as_str()
            ))),
        }
    }

    fn new(
        driver: DriverWithTimeout,
        visible: Vec<Device>,
        asked: GpuMode,
        launcher: &Launcher,
    ) -> Self {
        Self {
            sampler: Sampler::start(driver.inner(), visible.clone()),
            driver,
            visible,
            asked,
            state: State::Looking,
            before: Vec::new(),
            needs_mib: [None, None],
            used: BTreeSet::new(),
            named: false,
            launcher: launcher.clone(),
        }
    }

    /// Variables for a process of `side`: as long for one side as for the other.
    pub(crate) fn environment(&self, side: Side) -> BTreeMap<String, String> {
        let seat = match &self.state {
            State::Placed {
                mode: GpuMode::Apart,
                devices,
                seats,
            } => devices.get(seats[side.index()]),
            _ => None,
        };
        seat.map(|device| ("CUDA_VISIBLE_DEVICES".to_owned(), device.uuid.clone()))
            .into_iter()
            .collect()
    }

    /// A side of the pilot is about to be started.
    ///
    /// # Errors
    /// A GPU does not answer.
    pub(crate) fn pilot_started(&mut self) -> Result<(), WorkloadError> {
        self.before = self.read_visible()?;
        self.sampler.take();
        self.sampler.switch(true);
        Ok(())
    }

    /// A side of the pilot is about to be ended.
    ///
    /// # Errors
    /// A GPU does not answer.
    pub(crate) fn pilot_ended(
        &mut self,
        side: Side,
        processes: &[u32],
    ) -> Result<(), WorkloadError> {
        self.sampler.switch(false);
        let mut readings = self.sampler.take();
        readings.extend(self.read_visible()?.into_iter().enumerate());
        let mut grown = vec![0.0_f64; self.visible.len()];
        for (n, reading) in readings {
            let before = self.before[n].used_mib.unwrap_or(0.0);
            grown[n] = grown[n].max(reading.used_mib.unwrap_or(0.0) - before);
        }
        for (n, device) in self.visible.iter().enumerate() {
            let named = self
                .driver
                .users(device)?
                .iter()
                .any(|pid| processes.contains(pid));
            self.named |= named;
            if named || grown[n] > CONTEXT_MIB {
                self.used.insert(n);
            }
        }
        self.needs_mib[side.index()] = Some(grown);
        Ok(())
    }

    /// The pilot is over: where the processes of the blocks live, and a line about it. `whole`: turns are whole commands, which never live at once.
    ///
    /// # Errors
    /// What was asked for is not possible.
    pub(crate) fn choose_placement(
        &mut self,
        whole: bool,
    ) -> Result<(Placement, Option<String>), WorkloadError> {
        if self.used.is_empty() && self.asked == GpuMode::Auto {
            self.state = State::Off;
            return Ok((Placement::CoResident, None));
        }
        // A driver that shows neither processes nor memory (of virtual GPUs some do not) still shows clocks.
        let devices: Vec<Device> = match self.used.is_empty() {
            true => self.visible.clone(),
            false => self.used.iter().map(|n| self.visible[*n].clone()).collect(),
        };
        let (mode, devices) = if whole {
            (GpuMode::Alternating, devices)
        } else {
            self.choose(devices)?
        };
        self.sampler = Sampler::start(self.driver.inner(), devices.clone());
        let line = self.line(mode, &devices, whole);
        self.state = State::Placed {
            mode,
            devices,
            seats: [0, 0],
        };
        let placement = match mode {
            GpuMode::Alternating if !whole => Placement::Alternating,
            _ => Placement::CoResident,
        };
        Ok((placement, Some(line)))
    }

    fn choose(&self, used: Vec<Device>) -> Result<(GpuMode, Vec<Device>), WorkloadError> {
        let equal = self.equal_to(&used[0]);
        let can_be_apart = used.len() == 1 && equal.len() > 1;
        let full = self.cannot_share();
        match (self.asked, full) {
            (GpuMode::Auto | GpuMode::Shared, None) => Ok((GpuMode::Shared, used)),
            (GpuMode::Shared, Some(why)) => Err(lost(format!(
                "{why}. Hint: gpu = \"auto\" lets them live one after the other"
            ))),
            (GpuMode::Auto | GpuMode::Apart, _) if can_be_apart => Ok((GpuMode::Apart, equal)),
            (GpuMode::Apart, _) => Err(lost(format!(
                "gpu = \"apart\" needs two equal GPUs and a workload that uses one; {} can be seen, the workload used {}",
                self.visible
                    .iter()
                    .map(Device::called)
                    .collect::<Vec<_>>()
                    .join(", "),
                used.len()
            ))),
            _ => Ok((GpuMode::Alternating, used)),
        }
    }

    /// Whether the processes of both sides are there at once, so that one could work in the other's turns.
    pub(crate) fn are_co_resident(&self) -> bool {
        matches!(self.mode(), GpuMode::Shared | GpuMode::Apart)
    }

    /// How the processes live; `None` before that is settled, and where no GPU is used.
    fn mode(&self) -> GpuMode {
        match self.state {
            State::Placed { mode, .. } => mode,
            State::Looking | State::Off => GpuMode::None,
        }
    }

    /// Before every block: each side's GPU, where each has its own, and one for both where they live one after the other. The draw comes from the trial's
    /// generator, so that a seed replays it.
    pub(crate) fn place(&mut self, placement: Placement, rng: &mut ChaCha20Rng) {
        if let State::Placed {
            mode: GpuMode::Apart,
            devices,
            seats,
        } = &mut self.state
        {
            let first = rng.random_range(0..devices.len());
            let step = match placement {
                Placement::CoResident => rng.random_range(1..devices.len()),
                Placement::Alternating => 0,
            };
            *seats = [first, (first + step) % devices.len()];
        }
    }

    /// From now on the GPUs are read, or not.
    pub(crate) fn record(&self, on: bool) {
        self.sampler.switch(on && self.mode() != GpuMode::None);
    }

    /// How they were since this was last asked.
    pub(crate) fn conditions(&self) -> Vec<GpuConditions> {
        let State::Placed {
            mode,
            devices,
            seats,
        } = &self.state
        else {
            return Vec::new();
        };
        let readings = self.sampler.take();
        let of = |n: usize, side: Option<&str>| {
            let own: Vec<_> = readings
                .iter()
                .filter(|(d, _)| *d == n)
                .map(|(_, r)| r)
                .collect();
            (!own.is_empty()).then(|| conditions(&devices[n], side, &own))
        };
        match mode {
            GpuMode::Apart if seats[0] == seats[1] => of(seats[0], None).into_iter().collect(),
            GpuMode::Apart => Side::BOTH
                .into_iter()
                .filter_map(|side| of(seats[side.index()], Some(side.as_str())))
                .collect(),
            _ => (0..devices.len()).filter_map(|n| of(n, None)).collect(),
        }
    }

    /// Both processes wait: the share of the GPUs that each uses all the same. None where there is nothing to idle_probe to.
    ///
    /// # Errors
    /// A GPU is busy and the driver does not say who it is; the user asked to stop.
    pub(crate) fn idle_probe(
        &self,
        processes: &[Vec<u32>; 2],
    ) -> Result<Option<[f64; 2]>, WorkloadError> {
        let State::Placed { devices, .. } = &self.state else {
            return Ok(None);
        };
        if !self.are_co_resident() {
            return Ok(None);
        }
        self.pause(SETTLING)?;
        let since_us = unix_us();
        let (mut busy, steps) = (None, 4);
        for _ in 0..steps {
            self.pause(PROBE / steps)?;
            for device in devices {
                busy = max(busy, self.driver.read(device)?.busy);
            }
        }
        let mut shares = [0.0_f64; 2];
        for device in devices {
            let activity = self
                .driver
                .activity(device, since_us)?
                .filter(|_| self.named);
            let Some(activity) = activity else {
                return self.unnamed(busy, device);
            };
            for (pid, share) in activity {
                match processes.iter().position(|pids| pids.contains(&pid)) {
                    Some(side) => shares[side] = shares[side].max(share),
                    None if share > WAITING_GPU => return Err(disturbed(device, share, Some(pid))),
                    None => {}
                }
            }
        }
        Ok(Some(shares))
    }

    /// The GPU as a whole has to be idle where the driver does not say who uses it.
    fn unnamed(
        &self,
        busy: Option<f64>,
        device: &Device,
    ) -> Result<Option<[f64; 2]>, WorkloadError> {
        match busy {
            Some(share) if share > WAITING_GPU => Err(disturbed(device, share, None)),
            // Of the instances of a divided GPU no driver says anything.
            busy => Ok(busy.map(|share| [share; 2])),
        }
    }

    /// Who is to attribute for a failure: the GPU where it is gone, or where it was full with both on it; otherwise whoever failed.
    pub(crate) fn attribute(&self, error: WorkloadError) -> WorkloadError {
        if error.is_cancelled() || error.is_machine() || self.state == State::Off {
            return error;
        }
        let devices = match &self.state {
            State::Placed { devices, .. } => devices,
            _ => &self.visible,
        };
        if let Some(fault) = devices.iter().find_map(|d| self.driver.read(d).err()) {
            return lost(format!(
                "{fault}. Hint: `nvidia-smi` and `dmesg | grep -i xid` tell more\nThe program: {error}"
            ));
        }
        let text = error.to_string().to_lowercase();
        if self.mode() == GpuMode::Shared && FULL.iter().any(|words| text.contains(words)) {
            return passing(format!(
                "{} is full with both programs on it, though the pilot fitted. Hint: gpu = \"alternating\" in the workload's section\nThe program: {error}",
                devices[0].called()
            ));
        }
        error
    }

    fn pause(&self, time: Duration) -> Result<(), WorkloadError> {
        let begin = Instant::now();
        while let Some(left) = time.checked_sub(begin.elapsed()) {
            if self.launcher.cancelled() {
                return Err(WorkloadError::Cancelled);
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Ok(())
    }

    fn read_visible(&self) -> Result<Vec<Reading>, WorkloadError> {
        let read = |device| Ok(self.driver.read(device)?);
        self.visible.iter().map(read).collect()
    }

    /// What a side needs on a visible GPU; of a pilot with one side, what that one does.
    fn need_mib(&self, side: Side, n: usize) -> f64 {
        let own = self.needs_mib[side.index()].as_ref();
        let any = own.or(self.needs_mib.iter().flatten().next());
        any.map_or(0.0, |mib| mib[n])
    }

    fn equal_to(&self, device: &Device) -> Vec<Device> {
        let equal = self.visible.iter().filter(|other| {
            (&other.name, other.memory_mib, other.power_limit_w)
                == (&device.name, device.memory_mib, device.power_limit_w)
        });
        equal.cloned().collect()
    }

    /// Why both cannot be on the same GPUs at once.
    fn cannot_share(&self) -> Option<String> {
        self.used.iter().find_map(|&n| {
            let device = &self.visible[n];
            if device.exclusive && !device.mps {
                return Some(format!(
                    "{} takes one process only (compute mode \"exclusive process\")",
                    device.called()
                ));
            }
            let (Some(all), Some(free)) = (device.memory_mib, self.before[n].free_mib) else {
                return Some(format!(
                    "the driver does not tell the memory of {}",
                    device.called()
                ));
            };
            let needs = Side::BOTH.map(|side| self.need_mib(side, n));
            let free = (free - RESERVE * all).max(0.0);
            (needs[0] + needs[1] > free).then(|| {
                format!(
                    "the two programs need {:.0} and {:.0} MiB of {}, which has {free:.0} to give",
                    needs[0],
                    needs[1],
                    device.called()
                )
            })
        })
    }

    fn line(&self, mode: GpuMode, devices: &[Device], whole: bool) -> String {
        let names = devices
            .iter()
            .map(Device::called)
            .collect::<Vec<_>>()
            .join(", ");
        let needs = Side::BOTH.map(|side| {
            (0..self.visible.len())
                .map(|n| self.need_mib(side, n))
                .fold(0.0, f64::max)
        });
        let of = devices[0]
            .memory_mib
            .map_or(String::new(), |all| format!(" of {all:.0}"));
        let mib = format!("{:.0} and {:.0} MiB{of}", needs[0], needs[1]);
        match mode {
            _ if whole => format!("{names}, whole commands"),
            GpuMode::Shared => format!("both on {names}: {mib}"),
            GpuMode::Apart => format!("one each of {names}, drawn for every block: {mib}"),
            _ => format!("one after the other on {names}: {mib}"),
        }
    }
}

impl From<Fault> for WorkloadError {
    fn from(fault: Fault) -> Self {
        lost(fault.to_string())
    }
}

fn disturbed(device: &Device, share: f64, pid: Option<u32>) -> WorkloadError {
    let (gpu, share) = (device.called(), share * 100.0);
    passing(match pid {
        Some(pid) => format!(
            "process {pid} used {share:.0} % of {gpu} while both programs waited. Hint: let nothing else use it"
        ),
        None => format!(
            "{gpu} was {share:.0} % busy while both programs waited, and the driver does not say by whom. Hint: let nothing else use it; in a container \
             the driver names processes only with the host's process numbers (`docker run --pid=host`)"
        ),
    })
}

fn max(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        _ => a.or(b),
    }
}

fn lost(message: String) -> WorkloadError {
    WorkloadError::Gpu {
        message,
        lost: true,
    }
}

fn passing(message: String) -> WorkloadError {
    WorkloadError::Gpu {
        message,
        lost: false,
    }
}

fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}
