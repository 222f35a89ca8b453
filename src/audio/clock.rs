// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built-in clock: drives an engine in real time where no server does, heard by nobody.
//!
//! Periods start at absolute deadlines, so lateness does not add up. The thread asks for real-time
//! rights and runs without them too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lathe_core::engine::Ports;

use super::priority;
use super::seat::{DriverPorts, Seat, silence_panics_here};
use super::source::Source;

/// The period while no server drives, and the clock's default.
pub const DEFAULT_PERIOD: usize = 256;
pub const DEFAULT_RATE: u32 = 48_000;

/// A clock under way.
pub struct Clock {
    pub seat: Arc<Seat>,
    pub rate: u32,
    pub period: usize,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Source>,
}

impl Clock {
    /// Starts a clock that feeds `source` to the first `channels` inputs of whatever sits in its seat.
    pub fn start(source: Source, channels: usize, rate: u32, period: usize) -> std::io::Result<Clock> {
        let (seat, stop) = (Arc::new(Seat::default()), Arc::new(AtomicBool::new(false)));
        let (our_seat, our_stop) = (seat.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("clock".into()).spawn(move || {
            priority::ask_for_fifo();
            silence_panics_here();
            run(source, channels, rate, period, &our_seat, &our_stop)
        })?;
        Ok(Clock { seat, rate, period, stop, thread })
    }

    /// Ends it after its period; the source can go on in another. `None` if it does not end in time.
    pub fn stop(self) -> Option<Source> {
        self.stop.store(true, Ordering::Release);
        let end = Instant::now() + self.age_limit();
        while !self.thread.is_finished() {
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        self.thread.join().ok()
    }

    /// A cycle older than this is not merely late.
    pub fn age_limit(&self) -> Duration {
        age_limit(self.rate, self.period)
    }
}

/// The longer of 250 ms and four periods.
pub fn age_limit(rate: u32, period: usize) -> Duration {
    let four = Duration::from_secs_f64(4.0 * period as f64 / f64::from(rate.max(1)));
    four.max(Duration::from_millis(250))
}

/// Later than this, the clock starts counting anew instead of catching up.
const TOO_LATE: Duration = Duration::from_millis(500);

/// Clock thread.
fn run(
    mut source: Source,
    channels: usize,
    rate: u32,
    period: usize,
    seat: &Seat,
    stop: &AtomicBool,
) -> Source {
    let mut ports = ClockPorts { planes: vec![vec![0.0; period]; channels] };
    let (mut start, mut periods) = (Instant::now(), 0u64);
    while !stop.load(Ordering::Acquire) {
        source.fill(&mut ports.planes, period);
        let begin = Instant::now();
        seat.run(period, &mut ports);
        seat.load.note(begin.elapsed(), period, rate);
        seat.load.began(begin);
        periods += 1;
        let due = start + after(periods * period as u64, rate);
        let now = Instant::now();
        match due.checked_duration_since(now) {
            Some(wait) => std::thread::sleep(wait),
            None if now - due > TOO_LATE => (start, periods) = (now, 0),
            None => {}
        }
    }
    source
}

/// The time that `frames` take, exact to a nanosecond however many.
fn after(frames: u64, rate: u32) -> Duration {
    let rate = u64::from(rate);
    Duration::new(frames / rate, (frames % rate * 1_000_000_000 / rate) as u32)
}

/// The clock's buffers: what the source played; what comes out is not kept.
struct ClockPorts {
    planes: Vec<Vec<f64>>,
}

impl Ports for ClockPorts {
    /// Clock thread. Sidechain inputs are silent.
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        match self.planes.get(channel).and_then(|p| p.get(from..from + into.len())) {
            Some(audio) => into.copy_from_slice(audio),
            None => into.fill(0.0),
        }
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl DriverPorts for ClockPorts {
    fn silence(&mut self) {}
    fn dry(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_do_not_drift() {
        let day = 44_100 * 86_400;
        assert_eq!(after(day, 44_100), Duration::from_secs(86_400));
        assert_eq!(after(day + 1, 44_100), Duration::from_nanos(86_400_000_022_675));
    }

    #[test]
    fn the_clock_keeps_real_time() {
        let clock = Clock::start(Source::Silence, 2, 48_000, 96).unwrap();
        let (start, first) = (Instant::now(), clock.seat.cycles());
        while clock.seat.cycles() < first + 250 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = start.elapsed().as_secs_f64();
        println!("250 periods of 2 ms took {:.1} ms", took * 1e3);
        assert!((0.45..0.75).contains(&took), "{took} s");
        assert!(clock.stop().is_some());
    }
}
