//! A driver that hangs must not hang outpace: it is asked in a thread of its own, which is left behind if no answer comes.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::{Device, Driver, Fault, Reading};

/// The first answer of a driver without persistence mode takes some seconds for each GPU.
const PATIENCE: Duration = Duration::from_secs(20);

/// Any driver, with a limit to every answer.
#[derive(Clone)]
pub(crate) struct DriverWithTimeout(Arc<dyn Driver>);

impl DriverWithTimeout {
    pub(crate) fn load(
        load: impl FnOnce() -> Result<Box<dyn Driver>, Fault> + Send + 'static,
    ) -> Result<Self, Fault> {
        within(load).map(|driver| Self(driver.into()))
    }

    /// The driver itself, for a thread that may hang.
    pub(super) fn inner(&self) -> Arc<dyn Driver> {
        Arc::clone(&self.0)
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Driver) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let driver = self.inner();
        within(move || question(&*driver))
    }
}

fn within<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = answer.send(work());
    });
    answered.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        Err(Fault::Lost(format!(
            "the NVIDIA driver does not answer within {} s",
            PATIENCE.as_secs()
        )))
    })
}

impl Driver for DriverWithTimeout {
    fn devices(&self) -> Result<Vec<Device>, Fault> {
        self.ask(|driver| driver.devices())
    }

    fn read(&self, device: &Device) -> Result<Reading, Fault> {
        let device = device.clone();
        self.ask(move |driver| driver.read(&device))
    }

    fn users(&self, device: &Device) -> Result<Vec<u32>, Fault> {
        let device = device.clone();
        self.ask(move |driver| driver.users(&device))
    }

    fn activity(&self, device: &Device, since_us: u64) -> Result<Option<Vec<(u32, f64)>>, Fault> {
        let device = device.clone();
        self.ask(move |driver| driver.activity(&device, since_us))
    }
}
