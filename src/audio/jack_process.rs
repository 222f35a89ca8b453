// SPDX-License-Identifier: MIT OR Apache-2.0
//! What JACK calls: the period, on the audio thread, and the notifications, on JACK's own.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Instant;

use jack::{AudioIn, AudioOut, Client, ClientStatus, Control, Frames, Port, PortId, ProcessScope};
use lathe_core::engine::Ports;

use super::jack::{MAX_PORTS, Shared};
use super::jack_latency::Registered;
use super::seat::{DriverPorts, silence_panics_here};

/// The ports of one client, in channel order.
pub struct OurPorts {
    /// Main channels, then those of the sidechains.
    pub inputs: Vec<Port<AudioIn>>,
    pub main: Vec<Port<AudioOut>>,
    pub monitor: Vec<Port<AudioOut>>,
}

/// The audio thread's half of a session.
pub struct Process {
    ports: OurPorts,
    shared: Arc<Shared>,
    quiet: bool,
    _latency: Registered,
}

/// One period's buffers. JACK mixes the connections of an input each time its buffer is asked for,
/// so each is asked for once.
struct Buffers<'a> {
    inputs: [&'a [f32]; MAX_PORTS],
    main: [&'a mut [f32]; MAX_PORTS],
    monitor: [&'a mut [f32]; MAX_PORTS],
}

impl Process {
    /// Session thread.
    pub fn new(ports: OurPorts, shared: Arc<Shared>, latency: Registered) -> Self {
        Process { ports, shared, quiet: false, _latency: latency }
    }
}

impl Process {
    /// Audio thread. The whole period, under the real-time sanitizer where one is built in.
    #[rtsan_standalone::nonblocking]
    fn period(&mut self, scope: &ProcessScope) {
        let frames = scope.n_frames() as usize;
        let mut buffers = fetch(&mut self.ports, scope);
        if let Some(engine_frame) = self.shared.seat.run(frames, &mut buffers) {
            self.shared.set_origin(engine_frame, scope.last_frame_time());
        }
    }
}

impl jack::ProcessHandler for Process {
    /// Audio thread.
    #[allow(clippy::disallowed_methods, reason = "the driver brings the time, outside of the period")]
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        if !self.quiet {
            silence_panics_here();
            self.quiet = true;
        }
        let begin = Instant::now();
        self.period(scope);
        let rate = self.shared.rate.load(Ordering::Relaxed);
        let load = &self.shared.seat.load;
        load.note(begin.elapsed(), scope.n_frames() as usize, rate);
        load.began(begin);
        Control::Continue
    }

    /// Notification thread, while no period runs. The audio thread sees the new length by itself.
    fn buffer_size(&mut self, _: &Client, size: Frames) -> Control {
        if self.shared.period.swap(size, Ordering::Relaxed) != size {
            self.shared.recompute.store(true, Ordering::Relaxed);
        }
        Control::Continue
    }
}

/// Audio thread.
fn fetch<'a>(ports: &'a mut OurPorts, scope: &'a ProcessScope) -> Buffers<'a> {
    let mut inputs: [&[f32]; MAX_PORTS] = [&[]; MAX_PORTS];
    for (slice, port) in inputs.iter_mut().zip(&ports.inputs) {
        *slice = port.as_slice(scope);
    }
    let mut main = std::array::from_fn(|_| <&mut [f32]>::default());
    for (slice, port) in main.iter_mut().zip(&mut ports.main) {
        *slice = port.as_mut_slice(scope);
    }
    let mut monitor = std::array::from_fn(|_| <&mut [f32]>::default());
    for (slice, port) in monitor.iter_mut().zip(&mut ports.monitor) {
        *slice = port.as_mut_slice(scope);
    }
    Buffers { inputs, main, monitor }
}

/// Audio thread. A copy that cannot go out of bounds.
fn narrow(port: Option<&mut &mut [f32]>, from: usize, audio: &[f64]) {
    if let Some(out) = port.and_then(|p| p.get_mut(from..)) {
        for (o, x) in out.iter_mut().zip(audio) {
            *o = *x as f32;
        }
    }
}

impl Ports for Buffers<'_> {
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        if let Some(input) = self.inputs.get(channel).and_then(|p| p.get(from..)) {
            for (o, x) in into.iter_mut().zip(input) {
                *o = f64::from(*x);
            }
        }
    }
    fn write_main(&mut self, channel: usize, from: usize, audio: &[f64]) {
        narrow(self.main.get_mut(channel), from, audio);
    }
    fn write_monitor(&mut self, channel: usize, from: usize, audio: &[f64]) {
        narrow(self.monitor.get_mut(channel), from, audio);
    }
}

impl DriverPorts for Buffers<'_> {
    fn silence(&mut self) {
        self.main.iter_mut().chain(&mut self.monitor).for_each(|p| p.fill(0.0));
    }
    fn dry(&mut self) {
        for outputs in [&mut self.main, &mut self.monitor] {
            for (out, input) in outputs.iter_mut().zip(&self.inputs) {
                for (o, x) in out.iter_mut().zip(*input) {
                    *o = if x.is_finite() { *x } else { 0.0 };
                }
            }
        }
    }
}

/// JACK's notification thread: only notes what happened.
pub struct Notifications {
    pub shared: Arc<Shared>,
    /// Ports that appeared.
    pub appeared: Sender<PortId>,
}

#[allow(clippy::disallowed_methods, reason = "not the audio thread")]
impl jack::NotificationHandler for Notifications {
    #[allow(unsafe_code, reason = "the trait's signature; the body stores a flag, as a signal handler may")]
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.shared.gone.store(true, Ordering::Release);
    }

    fn sample_rate(&mut self, _: &Client, rate: Frames) -> Control {
        if self.shared.rate.load(Ordering::Relaxed) != rate {
            self.shared.gone.store(true, Ordering::Release);
        }
        Control::Continue
    }

    fn port_registration(&mut self, _: &Client, port: PortId, registered: bool) {
        if registered {
            let _ = self.appeared.send(port);
        }
    }

    fn xrun(&mut self, _: &Client) -> Control {
        self.shared.xruns.fetch_add(1, Ordering::Relaxed);
        Control::Continue
    }
}
