// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any period in, whole quanta inside: the one place that knows about periods.
//!
//! While the period is a multiple of 64, quanta are the period's own frames and nothing is delayed.
//! Any other period goes through a quantum of buffering, 64 frames of latency, and stays there. The
//! engine sees the same quanta either way. Denormals are off from the callback's entry to its end.

use super::Engine;
use super::engine::Io;
use crate::dsp::{Frames, QUANTUM, SILENCE};

/// What a driver brings: its own buffers, channel by channel, in its own sample format.
pub trait Ports {
    /// Copies frames `from..from + into.len()` of an input channel (main, then sidechains).
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]);
    /// Takes frames of a main output channel.
    fn write_main(&mut self, channel: usize, from: usize, audio: &[f64]);
    /// Takes frames of a monitor output channel.
    fn write_monitor(&mut self, channel: usize, from: usize, audio: &[f64]);
}

/// The engine behind a driver of any period.
pub struct Periods {
    engine: Engine,
    inputs: Vec<Frames>,
    main: Vec<Frames>,
    monitor: Vec<Frames>,
    /// Frames of the current quantum already exchanged; only when buffering.
    pos: usize,
    buffering: bool,
}

impl Periods {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    /// Control side. `period` is what the driver will mostly bring.
    pub fn new(engine: Engine, period: usize) -> Self {
        let (i, o) = (engine.input_channels(), engine.channels());
        Periods {
            engine,
            inputs: vec![SILENCE; i],
            main: vec![SILENCE; o],
            monitor: vec![SILENCE; o],
            pos: 0,
            buffering: !period.is_multiple_of(QUANTUM),
        }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Control side, while no driver runs it.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Frames that this adds to the engine's latency: 0 or 64.
    pub fn latency(&self) -> usize {
        if self.buffering { QUANTUM } else { 0 }
    }

    /// The driver's period changed: a partly filled quantum is dropped, as the driver dropped its own.
    pub fn set_period(&mut self, period: usize) {
        self.buffering = !period.is_multiple_of(QUANTUM);
        self.pos = 0;
        self.main.iter_mut().chain(&mut self.monitor).for_each(|c| *c = SILENCE);
    }

    /// Audio thread. One period of any length.
    #[rtsan_standalone::nonblocking]
    pub fn run(&mut self, frames: usize, ports: &mut impl Ports) {
        super::denormals::without_denormals(|| self.exchange(frames, ports));
    }

    fn exchange(&mut self, frames: usize, ports: &mut impl Ports) {
        if !self.buffering && !frames.is_multiple_of(QUANTUM) {
            self.set_period(frames);
        }
        let mut from = 0;
        while from < frames {
            let n = (QUANTUM - self.pos).min(frames - from);
            let part = self.pos..self.pos + n;
            if self.buffering {
                write(ports, from, part.clone(), &self.main, &self.monitor);
            }
            for (c, input) in self.inputs.iter_mut().enumerate() {
                ports.read(c, from, &mut input[part.clone()]);
            }
            self.pos += n;
            if self.pos == QUANTUM {
                self.pos = 0;
                let io = &mut Io { inputs: &self.inputs, main: &mut self.main, monitor: &mut self.monitor };
                self.engine.process(io);
                if !self.buffering {
                    write(ports, from, 0..QUANTUM, &self.main, &self.monitor);
                }
            }
            from += n;
        }
    }
}

fn write(
    ports: &mut impl Ports,
    from: usize,
    part: std::ops::Range<usize>,
    main: &[Frames],
    monitor: &[Frames],
) {
    for (c, o) in main.iter().enumerate() {
        ports.write_main(c, from, &o[part.clone()]);
    }
    for (c, o) in monitor.iter().enumerate() {
        ports.write_monitor(c, from, &o[part.clone()]);
    }
}
