//! Plain lines for a log: one when a stage begins, one when it ends, and one a minute in between,
//! so that a log is never silent for longer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use outpace_record::Event;
use outpace_report::format::duration;

use super::text::Stage;

/// Longest silence.
const MINUTE: Duration = Duration::from_secs(60);

type Print = fn(&str);

pub(in crate::ui) struct PlainLines {
    shared: Arc<Shared>,
    /// Wakes once a minute at most: that disturbs no measurement.
    ticker: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
    print: Print,
    silence: Duration,
}

struct State {
    stage: Option<(Stage, Instant)>,
    last_line: Instant,
    end: bool,
}

impl PlainLines {
    pub(super) fn new() -> Self {
        Self::with(MINUTE, |line| crate::err!("{line}"))
    }

    fn with(silence: Duration, print: Print) -> Self {
        let state = State {
            stage: None,
            last_line: Instant::now(),
            end: false,
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                ended: Condvar::new(),
                print,
                silence,
            }),
            ticker: None,
        }
    }

    pub(super) fn on(&mut self, event: &Event) {
        let Some(stage) = Stage::of(event) else {
            if Stage::is_ended_by(event) {
                self.shared.lock().stage = None;
            }
            return;
        };
        if let Some(begins) = &stage.begins {
            self.print(begins);
        }
        let mut state = self.shared.lock();
        // A stage goes on through the events that only bring news of it.
        let since = match &state.stage {
            Some((old, since)) if old.name == stage.name => *since,
            _ => Instant::now(),
        };
        state.stage = Some((stage, since));
        drop(state);
        if self.ticker.is_none() {
            let shared = Arc::clone(&self.shared);
            self.ticker = Some(std::thread::spawn(move || shared.tick()));
        }
    }

    pub(super) fn print(&self, line: &str) {
        let mut state = self.shared.lock();
        (self.shared.print)(line);
        state.last_line = Instant::now();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut state = self.lock();
        while !state.end {
            let silent = state.last_line.elapsed();
            if let Some(left) = self.silence.checked_sub(silent).filter(|d| !d.is_zero()) {
                let waited = self.ended.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            if let Some((stage, since)) = &state.stage {
                let seconds = duration(since.elapsed().as_secs_f64());
                (self.print)(&format!("{:<10} {}, {seconds}", "", stage.goes_on));
            }
            state.last_line = Instant::now();
        }
    }
}

impl Drop for PlainLines {
    fn drop(&mut self) {
        self.shared.lock().end = true;
        self.shared.ended.notify_all();
        if let Some(ticker) = self.ticker.take() {
            // It prints and waits, and cannot panic.
            let _ = ticker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outpace_record::Role;

    static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn record(line: &str) {
        PRINTED.lock().unwrap().push(line.to_owned());
    }

    #[test]
    fn a_long_stage_is_never_silent_for_longer_than_it_may_be() {
        let mut lines = PlainLines::with(Duration::from_millis(1), record);
        lines.on(&Event::BuildStarted {
            workload: "toy".into(),
            role: Role::Base,
        });
        let begin = Instant::now();
        let still = || {
            let printed = PRINTED.lock().unwrap();
            printed
                .iter()
                .filter(|l| l.contains("still building the base"))
                .count()
        };
        while still() < 2 && begin.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        assert!(still() >= 2);
        lines.on(&Event::BuildEnded {
            workload: "toy".into(),
            role: Role::Base,
            seconds: 1.0,
        });
        let before = still();
        drop(lines);
        assert!(still() <= before + 1, "it ends with the stage");
        assert_eq!(PRINTED.lock().unwrap()[0], "building   base of toy");
    }
}
