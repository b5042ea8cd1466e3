//! The workload's side of the step protocol, for whatever comes from the other one.
#![no_main]

use std::io::{Cursor, Read, Result, Write};

use outpace_step::{Hello, Start, Workload, WorkloadError, serve_stream};

struct Nothing;

impl Workload for Nothing {
    fn hello(&self) -> Hello {
        Hello::default()
    }

    fn start(&mut self, _: &Start) -> std::result::Result<(), WorkloadError> {
        Ok(())
    }

    fn steps(&mut self, n: u32) -> std::result::Result<Vec<f64>, WorkloadError> {
        // A judge that is trusted asks for no more than it wants; memory is not what is tested.
        Ok(vec![f64::NAN; n.min(1000) as usize])
    }
}

struct Stream<'a>(Cursor<&'a [u8]>);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        assert!(!buffer.is_empty());
        Ok(buffer.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = serve_stream(&mut Nothing, Stream(Cursor::new(bytes)));
});
