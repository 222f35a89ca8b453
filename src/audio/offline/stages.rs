// SPDX-License-Identifier: MIT OR Apache-2.0
//! What audio goes through on its way to a file: a rack, or a rack, a conversion and another rack.
//!
//! Each stage takes whatever frames come, gives what they complete, and owes nothing when it has finished: its
//! latency is out of the audio, and frame 0 stays frame 0.

use std::path::Path;

use lathe_core::dsp::QUANTUM;
use lathe_core::rack::plan::RackPlan;

use super::delivery::{Cut, Delivery};
use super::{RenderError, Renderer};
use crate::files::Converter;

/// One vector a channel.
type Planes = Vec<Vec<f64>>;

pub(super) struct Stages {
    stages: Vec<Stage>,
}

struct Stage {
    work: Work,
    /// What it gave last.
    given: Planes,
}

enum Work {
    Rack(Box<Rack>),
    Convert(Converter),
}

/// A renderer that takes any number of frames.
struct Rack {
    renderer: Renderer,
    rate: u32,
    /// Input of a quantum that is not whole yet.
    pending: Planes,
    scratch: Planes,
    /// Frames of latency that are still to be left out.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Stages {
    /// `file` is only named in errors.
    pub fn new(delivery: &Delivery, channels: usize, file: &Path) -> Result<Stages, RenderError> {
        let rack = |plan: &RackPlan, rate| Ok(Work::Rack(Box::new(Rack::new(plan, rate)?)));
        let mut work: Vec<Result<Work, RenderError>> = vec![rack(&delivery.head, delivery.from)];
        if delivery.cut != Cut::Nowhere {
            let convert = Converter::new(delivery.from, delivery.to, channels);
            let refused = |source| RenderError::Ratio { file: file.to_path_buf(), source };
            work.push(convert.map(Work::Convert).map_err(refused));
            work.push(rack(&delivery.tail, delivery.to));
        }
        let stage = |w: Result<Work, RenderError>| Ok(Stage { work: w?, given: vec![Vec::new(); channels] });
        Ok(Stages { stages: work.into_iter().map(stage).collect::<Result<_, RenderError>>()? })
    }

    /// Takes `frames` of every plane; `last`: no more will come. What comes out of the last stage.
    pub fn run(&mut self, input: &[Vec<f64>], frames: usize, last: bool) -> &[Vec<f64>] {
        for n in 0..self.stages.len() {
            let (before, from) = self.stages.split_at_mut(n);
            match before.last() {
                None => from[0].run(input, frames, last),
                Some(b) => from[0].run(&b.given, b.given.first().map_or(0, Vec::len), last),
            }
        }
        self.stages.last().map_or(&[], |s| &s.given)
    }

    fn racks(&self) -> impl Iterator<Item = &Rack> {
        self.stages.iter().filter_map(|s| match &s.work {
            Work::Rack(r) => Some(&**r),
            Work::Convert(_) => None,
        })
    }

    /// The racks' latency, already removed, in frames of the delivered rate.
    pub fn latency(&self) -> usize {
        let to = self.racks().last().map_or(0, |r| u64::from(r.rate));
        let frames = |r: &Rack| r.renderer.latency() as u64 * to * 2 / u64::from(r.rate);
        (self.racks().map(frames).sum::<u64>()).div_ceil(2) as usize
    }

    /// Samples that were not audio and became silence.
    pub fn refused_samples(&self) -> u64 {
        self.racks().map(|r| r.renderer.refused_samples()).sum()
    }
}

impl Stage {
    fn run(&mut self, input: &[Vec<f64>], frames: usize, last: bool) {
        self.given.iter_mut().for_each(Vec::clear);
        match &mut self.work {
            Work::Rack(r) => {
                r.push(input, frames, &mut self.given);
                if last {
                    r.finish(&mut self.given);
                }
            }
            Work::Convert(c) => {
                c.push(input, frames, &mut self.given);
                if last {
                    c.finish(&mut self.given);
                }
            }
        }
    }
}

impl Rack {
    fn new(plan: &RackPlan, rate: u32) -> Result<Rack, RenderError> {
        let renderer = Renderer::new(plan, rate).map_err(|source| RenderError::Build { rate, source })?;
        let none = vec![Vec::new(); renderer.channels];
        Ok(Rack {
            skip: renderer.latency(),
            renderer,
            rate,
            pending: none.clone(),
            scratch: none,
            taken: 0,
            given: 0,
        })
    }

    fn push(&mut self, input: &[Vec<f64>], frames: usize, output: &mut Planes) {
        for (p, x) in self.pending.iter_mut().zip(input) {
            p.extend_from_slice(&x[..frames]);
        }
        self.taken += frames as u64;
        let whole = self.pending.first().map_or(0, |p| p.len() / QUANTUM * QUANTUM);
        self.process(whole, u64::MAX, output);
    }

    /// Silence after the input, for as long as something of it is still under way.
    fn finish(&mut self, output: &mut Planes) {
        let owed = self.taken - self.given;
        let feed = (owed as usize + self.skip).next_multiple_of(QUANTUM);
        self.pending.iter_mut().for_each(|p| p.resize(feed, 0.0));
        self.process(feed, owed, output);
    }

    /// Runs `frames` of what is pending; appends at most `most` of what comes out.
    fn process(&mut self, frames: usize, most: u64, output: &mut Planes) {
        if frames == 0 {
            return;
        }
        self.scratch.iter_mut().for_each(|s| s.resize(frames.max(s.len()), 0.0));
        self.renderer.process(&self.pending, &mut self.scratch, frames);
        self.pending.iter_mut().for_each(|p| drop(p.drain(..frames)));
        let first = self.skip.min(frames);
        self.skip -= first;
        let count = (frames - first).min(usize::try_from(most).unwrap_or(usize::MAX));
        for (o, s) in output.iter_mut().zip(&self.scratch) {
            o.extend_from_slice(&s[first..first + count]);
        }
        self.given += count as u64;
    }
}
