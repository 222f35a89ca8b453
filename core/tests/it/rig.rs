// SPDX-License-Identifier: MIT OR Apache-2.0
//! A test rig around one engine: feed it signals, command it, measure what comes out.

#![allow(dead_code, reason = "shared by two test binaries")]

use std::sync::Arc;

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::monitor::MonitorParam;
use lathe_core::engine::{
    self, Batch, ChainSpec, Command, Engine, Event, Install, Link, Periods, Ports, SlotIndex, Write, build,
    transition,
};
use lathe_core::param::Motion;
use lathe_core::rack::plan::RackPlan;
use lathe_core::units::{Notes, glide_frames};

/// Planar f64 in and out.
pub struct Buffers<'a> {
    pub input: &'a [Vec<f64>],
    pub offset: usize,
    pub main: Vec<Vec<f64>>,
    /// Empty: nobody listens.
    pub monitor: Vec<Vec<f64>>,
}

impl Ports for Buffers<'_> {
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        let at = self.offset + from;
        into.copy_from_slice(&self.input[channel][at..at + into.len()]);
    }
    fn write_main(&mut self, channel: usize, from: usize, audio: &[f64]) {
        let at = self.offset + from;
        self.main[channel][at..at + audio.len()].copy_from_slice(audio);
    }
    fn write_monitor(&mut self, channel: usize, from: usize, audio: &[f64]) {
        let at = self.offset + from;
        if let Some(m) = self.monitor.get_mut(channel) {
            m[at..at + audio.len()].copy_from_slice(audio);
        }
    }
}

/// One engine, its control side and the plan it runs.
pub struct Rig {
    pub periods: Periods,
    pub link: Link,
    pub plan: RackPlan,
    pub spec: Arc<ChainSpec>,
    revision: u64,
}

impl Rig {
    pub fn new(plan: &RackPlan, rate: u32) -> Rig {
        let built = build(plan, rate).unwrap_or_else(|e| panic!("{e}"));
        let spec = built.spec.clone();
        let (link, audio) = engine::link();
        let periods = Periods::new(Engine::new(built, audio), QUANTUM);
        Rig { periods, link, plan: plan.clone(), spec, revision: 0 }
    }

    /// Runs planar input in periods of 64 and returns main.
    pub fn run(&mut self, input: &[Vec<f64>]) -> Vec<Vec<f64>> {
        self.run_in(input, &mut || QUANTUM)
    }

    /// Runs planar input in periods of 64 and returns main and monitor.
    pub fn run_both(&mut self, input: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        self.exchange(input, &mut || QUANTUM)
    }

    /// Runs planar input in periods that `period` chooses.
    pub fn run_in(&mut self, input: &[Vec<f64>], period: &mut dyn FnMut() -> usize) -> Vec<Vec<f64>> {
        self.exchange(input, period).0
    }

    /// Main and monitor.
    pub fn exchange(
        &mut self,
        input: &[Vec<f64>],
        period: &mut dyn FnMut() -> usize,
    ) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let frames = input[0].len();
        let channels = self.spec.layout.len();
        let silence = || vec![vec![0.0; frames]; channels];
        let mut b = Buffers { input, offset: 0, main: silence(), monitor: silence() };
        while b.offset < frames {
            let n = period().min(frames - b.offset);
            self.periods.run(n, &mut b);
            b.offset += n;
        }
        self.collect();
        (b.main, b.monitor)
    }

    /// Takes home what has come home.
    pub fn collect(&mut self) -> Vec<Event> {
        self.link.collect()
    }

    /// Sets values live, as one batch at the engine's frame `at`.
    pub fn set(&mut self, changes: &[(&str, &str, f64)], at: u64) {
        self.revision += 1;
        let rate = self.spec.sample_rate;
        let mut writes = Vec::new();
        let mut designed = Vec::new();
        for (slot, symbol, value) in changes {
            let index = self.spec.find_slot(slot).unwrap();
            let plan = find_slot(&mut self.plan, slot);
            let param = plan.table.find(symbol).unwrap_or_else(|| panic!("{slot} has no {symbol}"));
            let from = plan.values.get(param);
            plan.values.set(param, *value);
            match plan.table[param].change {
                Motion::Glide => writes.push(Write::Glide {
                    slot: index,
                    param,
                    to: *value,
                    frames: glide_frames(&plan.table[param], from, *value, rate),
                }),
                Motion::Designed if !designed.contains(&slot.to_string()) => designed.push(slot.to_string()),
                Motion::Designed => {}
                Motion::Structural => panic!("{slot}/{symbol} is structural: use install"),
            }
        }
        for slot in designed {
            let index = self.spec.find_slot(&slot).unwrap();
            let format = &self.spec.slots[index.0 as usize].format;
            let plan = find_slot(&mut self.plan, &slot);
            let parts = engine::design_slot(plan, format, &mut Notes::default()).unwrap().unwrap();
            writes.push(Write::Parts { slot: index, parts });
        }
        let batch = Batch { revision: self.revision, at, writes: writes.into() };
        assert!(self.link.send(Command::Apply(Box::new(batch))).is_ok());
    }

    /// Sends writes as one batch, for the coming quantum.
    pub fn send(&mut self, writes: Vec<Write>) {
        self.revision += 1;
        let batch = Batch { revision: self.revision, at: 0, writes: writes.into() };
        assert!(self.link.send(Command::Apply(Box::new(batch))).is_ok());
    }

    /// Listens to this of a slot, 0 to nothing.
    pub fn listen(&mut self, slot: &str, what: u16) {
        let slot = self.spec.find_slot(slot).unwrap();
        self.send(vec![Write::Listen { slot, what }]);
    }

    /// Sets one of the monitor's own values.
    pub fn set_monitor(&mut self, param: MonitorParam, to: f64) {
        self.send(vec![Write::Glide { slot: SlotIndex::MONITOR, param: param.into(), to, frames: 960 }]);
    }

    /// Installs another plan with the same ports.
    pub fn install(&mut self, plan: &RackPlan) {
        self.revision += 1;
        let built = build(plan, self.spec.sample_rate).unwrap_or_else(|e| panic!("{e}"));
        let (spec, mut chain) = (built.spec, built.chain);
        let transition = transition(&self.spec, &spec, &mut chain);
        let install = Install { revision: self.revision, chain, transition };
        assert!(self.link.send(Command::Install(Box::new(install))).is_ok());
        self.plan = plan.clone();
        self.spec = spec;
    }
}

/// The slot with this id, wherever it stands.
pub fn find_slot<'a>(plan: &'a mut RackPlan, id: &str) -> &'a mut lathe_core::rack::plan::SlotPlan {
    use lathe_core::rack::plan::{Content, SlotPlan};
    fn go<'a>(slots: &'a mut [SlotPlan], id: &str) -> Option<&'a mut SlotPlan> {
        for s in slots {
            if s.id == id {
                return Some(s);
            }
            if let Content::Split { branches, .. } = &mut s.content {
                for b in branches {
                    if let Some(found) = go(&mut b.slots, id) {
                        return Some(found);
                    }
                }
            }
        }
        None
    }
    go(&mut plan.slots, id).unwrap_or_else(|| panic!("no slot {id}"))
}

/// A sine of `dbfs` on every channel; the phase differs a little from channel to channel.
pub fn sine(channels: usize, frames: usize, hz: f64, dbfs: f64, rate: u32) -> Vec<Vec<f64>> {
    let a = 10f64.powf(dbfs / 20.0);
    let w = 2.0 * std::f64::consts::PI * hz / f64::from(rate);
    (0..channels).map(|c| (0..frames).map(|n| a * (w * n as f64 + 0.3 * c as f64).sin()).collect()).collect()
}

/// Seeded noise and decaying tones: something like music, full of transients. Peaks near −3 dBFS.
pub fn music(channels: usize, frames: usize, rate: u32, seed: u64) -> Vec<Vec<f64>> {
    let mut r = Rng(seed | 1);
    let mut out = vec![vec![0.0; frames]; channels];
    let beat = rate as usize / 4;
    for start in (0..frames).step_by(beat) {
        let (hz, decay) = (40.0 * 2f64.powf(7.0 * r.unit()), 0.02 + 0.3 * r.unit());
        let (level, noise) = (0.3 + 0.4 * r.unit(), r.unit() < 0.4);
        for (c, ch) in out.iter_mut().enumerate() {
            let pan = 0.5 + 0.5 * ((start + c) as f64).sin();
            for (n, x) in ch[start..].iter_mut().take(4 * beat).enumerate() {
                let t = n as f64 / f64::from(rate);
                let tone = (2.0 * std::f64::consts::PI * hz * t + c as f64).sin();
                let v = if noise { 2.0 * r.unit() - 1.0 } else { tone };
                *x += level * pan * v * (-t / decay).exp() * (t * 400.0).min(1.0);
            }
        }
    }
    let peak = out.iter().flatten().fold(1e-9, |m: f64, x| m.max(x.abs()));
    out.iter_mut().flatten().for_each(|x| *x *= 0.7 / peak);
    out
}

/// A small seeded generator (xorshift64*).
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

pub fn peak_db(x: &[f64]) -> f64 {
    20.0 * x.iter().fold(1e-30, |m: f64, v| m.max(v.abs())).log10()
}

/// Peak of the difference in dB.
pub fn null_db(a: &[f64], b: &[f64]) -> f64 {
    let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    peak_db(&d)
}
