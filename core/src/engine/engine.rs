// SPDX-License-Identifier: MIT OR Apache-2.0
//! One quantum: commands, chain, guard, outputs, taps. Audio thread, but for `new`.

use std::sync::atomic::Ordering::Relaxed;

use super::Frame;
use super::chain::Chain;
use super::link::{AudioLink, Batch, Command, Event, Install, Write};
use super::listen::Ask;
use super::monitor::Monitor;
use super::output::{MainFade, Quiet, guard_input};
use super::spec::SlotIndex;
use super::swap::Swap;
use super::tap::{Tap, TapId, TapPoint};
use crate::dsp::wide::Width;
use crate::dsp::{Frames, QUANTUM};

/// Most commands taken in one quantum, most batches waiting for their frame, most taps.
const COMMANDS_A_QUANTUM: usize = 16;
const MAX_WAITING: usize = 64;
pub const MAX_TAPS: usize = 64;

/// The signals of one quantum: main and sidechain inputs together, then the two outputs.
pub struct Io<'a> {
    /// Main channels, then those of each sidechain port.
    pub inputs: &'a [Frames],
    pub main: &'a mut [Frames],
    pub monitor: &'a mut [Frames],
}

/// Runs one chain. Never without one.
pub struct Engine {
    link: AudioLink,
    chain: Box<Chain>,
    swap: Option<Swap>,
    #[allow(clippy::vec_box, reason = "the boxes go home as they came")]
    waiting: Vec<Box<Batch>>,
    #[allow(clippy::vec_box, reason = "the boxes go home as they came")]
    taps: Vec<Box<Tap>>,
    fade: MainFade,
    monitor: Monitor,
    frame: Frame,
    /// Channels of each input.
    inputs: Vec<usize>,
    sample_rate: u32,
    width: Width,
}

impl Engine {
    /// Control side.
    #[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
    pub fn new(built: super::Built, link: AudioLink) -> Self {
        link.status.latency.store(built.spec.latency, Relaxed);
        Engine {
            chain: built.chain,
            swap: None,
            waiting: Vec::with_capacity(MAX_WAITING),
            taps: Vec::with_capacity(MAX_TAPS),
            fade: MainFade::new(built.spec.sample_rate, link.status.panic.load(Relaxed)),
            monitor: Monitor::new(&built.spec.layout, built.spec.sample_rate),
            frame: 0,
            inputs: built.spec.inputs.clone(),
            sample_rate: built.spec.sample_rate,
            width: Width::widest(),
            link,
        }
    }

    /// Control side, while no driver runs it. Main begins in silence and fades in, as when a driver takes
    /// over in the middle of a programme.
    pub fn fade_in(&mut self) {
        self.fade.begin_silent();
    }

    /// Channels of main in and out.
    pub fn channels(&self) -> usize {
        self.inputs.first().copied().unwrap_or(0)
    }

    /// Channels of main in and of every sidechain port together.
    pub fn input_channels(&self) -> usize {
        self.inputs.iter().sum()
    }

    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// What this engine shows of itself.
    pub fn status(&self) -> &super::Status {
        &self.link.status
    }

    /// The frame of the next quantum.
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// Frames from main in to main out.
    pub fn latency(&self) -> usize {
        self.chain.latency
    }

    /// Audio thread. One quantum.
    pub fn process(&mut self, io: &mut Io<'_>) {
        self.take_commands();
        self.release_batches();
        self.read_inputs(io.inputs);
        self.run_chain();
        self.write_outputs(io);
        self.finish_swap();
        self.frame += QUANTUM as u64;
        self.link.status.frame.store(self.frame, Relaxed);
    }

    #[allow(clippy::disallowed_methods, reason = "pushes only below the capacity reserved in new")]
    fn take_commands(&mut self) {
        for _ in 0..COMMANDS_A_QUANTUM {
            let room = match self.link.peek() {
                None => return,
                Some(Command::Apply(b)) => self.due(b) || self.waiting.len() < MAX_WAITING,
                Some(Command::Install(_)) => self.swap.is_none(),
                Some(_) => true,
            };
            if !room {
                return;
            }
            match self.link.take() {
                Some(Command::Apply(b)) if self.due(&b) => self.apply(b),
                Some(Command::Apply(b)) => self.waiting.push(b),
                Some(Command::Install(i)) => self.install(i),
                Some(Command::Arm(t)) if self.taps.len() < MAX_TAPS => {
                    self.taps.push(t);
                    self.link.status.taps.store(self.taps.len(), Relaxed);
                }
                Some(Command::Disarm(id)) => self.disarm(id),
                Some(other) => self.link.home(Event::Refused(other)),
                None => return,
            }
        }
    }

    fn due(&self, batch: &Batch) -> bool {
        batch.at < self.frame + QUANTUM as u64
    }

    fn release_batches(&mut self) {
        let mut i = 0;
        while i < self.waiting.len() {
            if self.due(&self.waiting[i]) {
                let batch = self.waiting.remove(i);
                self.apply(batch);
            } else {
                i += 1;
            }
        }
    }

    fn apply(&mut self, mut batch: Box<Batch>) {
        let at = batch.at.saturating_sub(self.frame) as usize;
        for write in &mut batch.writes {
            match write {
                Write::Glide { slot: SlotIndex::MONITOR, param, to, frames } => {
                    self.monitor.set(*param, *to, *frames, at);
                }
                Write::Glide { slot, param, to, frames } => {
                    if let Some(s) = self.chain.slots.get_mut(slot.0 as usize) {
                        s.glides.go(*param, *to, *frames, at);
                    }
                }
                Write::Listen { slot, what } => {
                    let serial = self.chain.serials.get(slot.0 as usize);
                    let ask = serial.map(|slot| Ask { slot: *slot, what: *what });
                    self.monitor.ear.want(ask.filter(|a| a.what > 0));
                }
                Write::Parts { slot, parts } => self.chain.exchange(slot.0 as usize, &mut **parts, at),
            }
        }
        self.link.applied(batch.revision);
        self.link.home(Event::Applied(batch));
    }

    fn install(&mut self, install: Box<Install>) {
        self.link.applied(install.revision);
        self.link.status.chain.store(install.revision, Relaxed);
        self.monitor.ear.begin_swap(&self.chain, &install.transition.seats);
        let swap = Swap::begin(install, &mut self.chain);
        if !swap.install.transition.silence {
            self.link.status.latency.store(self.chain.latency, Relaxed);
        }
        self.swap = Some(swap);
    }

    /// The tap came as a box of its own and goes home; the command itself has none.
    fn disarm(&mut self, id: TapId) {
        match self.taps.iter().position(|t| t.id == id) {
            Some(i) => {
                let tap = self.taps.remove(i);
                self.link.status.taps.store(self.taps.len(), Relaxed);
                self.link.done();
                self.link.home(Event::Disarmed(tap));
            }
            None => self.link.home(Event::Refused(Command::Disarm(id))),
        }
    }

    fn read_inputs(&mut self, inputs: &[Frames]) {
        let mut rest = inputs;
        let mut refused = 0;
        for (bus, channels) in self.chain.buses.iter_mut().zip(&self.inputs) {
            let (own, others) = rest.split_at(rest.len().min(*channels));
            refused += guard_input(self.width, own, bus);
            rest = others;
        }
        if refused > 0 {
            self.link.status.refused_input.fetch_add(refused, Relaxed);
        }
    }

    fn run_chain(&mut self) {
        let Engine { chain, swap, fade, link, monitor, .. } = self;
        monitor.ear.advance(chain, swap.as_mut().map(|s| &mut *s.install.chain));
        chain.advance();
        let mut resets = 0;
        match swap {
            None => resets += (0..chain.steps.len()).filter(|&s| chain.run_step(s)).count() as u64,
            Some(swap) => {
                swap.install.chain.advance();
                if swap.advance(fade.is_silent()) {
                    link.status.latency.store(chain.latency, Relaxed);
                }
                let ops = swap.install.transition.ops.len();
                let mut next = 0;
                for step in 0..=chain.steps.len() {
                    while let Some((_, op)) =
                        swap.install.transition.ops.get(next).copied().filter(|(before, _)| *before <= step)
                    {
                        resets += swap.guest(op, chain);
                        next += 1;
                        debug_assert!(next <= ops);
                    }
                    resets += u64::from(chain.run_step(step));
                }
            }
        }
        if resets > 0 {
            link.status.resets.fetch_add(resets, Relaxed);
        }
        chain.show_reductions(&link.status.reductions);
    }

    fn write_outputs(&mut self, io: &mut Io<'_>) {
        let status = &self.link.status;
        let quiet = Quiet {
            panic: status.panic.load(Relaxed),
            closing: status.closing.load(Relaxed),
            swap: self.swap.as_ref().is_some_and(Swap::wants_silence),
        };
        let bus = self.chain.buses.get(self.chain.main_out).map_or(&[][..], |b| b.as_slice());
        for (o, x) in io.main.iter_mut().zip(bus) {
            *o = *x;
        }
        self.fade.process(quiet, io.main);
        status.silent.store(self.fade.is_silent(), Relaxed);
        let heard = match &self.swap {
            Some(swap) if self.monitor.ear.is_in_guest() => swap.install.chain.heard(),
            _ => self.chain.heard(),
        };
        let dry = bus_at(&self.chain, Some(self.chain.dry));
        self.monitor.process(io.main, dry, heard, &self.fade, io.monitor);
        for tap in &mut self.taps {
            let audio: &[Frames] = match tap.point {
                TapPoint::In => bus_at(&self.chain, Some(0)),
                TapPoint::Out => io.main,
                TapPoint::Monitor => io.monitor,
                TapPoint::SlotIn(s) => bus_at(&self.chain, slot_io(&self.chain, s).map(|io| io.0)),
                TapPoint::SlotOut(s) => bus_at(&self.chain, slot_io(&self.chain, s).map(|io| io.1)),
            };
            tap.write(self.frame, audio);
        }
    }

    fn finish_swap(&mut self) {
        if self.swap.as_ref().is_some_and(Swap::is_done)
            && let Some(swap) = self.swap.take()
        {
            self.monitor.ear.end_swap();
            let install = swap.finish(&mut self.chain);
            self.link.status.latency.store(self.chain.latency, Relaxed);
            self.link.status.installs.fetch_add(1, Relaxed);
            self.link.home(Event::Installed(install));
        }
    }
}

fn slot_io(chain: &Chain, serial: u32) -> Option<(usize, usize)> {
    let place = chain.serials.iter().position(|s| *s == serial)?;
    chain.slot_io.get(place).copied()
}

fn bus_at(chain: &Chain, bus: Option<usize>) -> &[Frames] {
    bus.and_then(|b| chain.buses.get(b)).map_or(&[][..], |b| b.as_slice())
}
