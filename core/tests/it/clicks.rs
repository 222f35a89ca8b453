// SPDX-License-Identifier: MIT OR Apache-2.0
//! Steps of every parameter on full-scale sines: what is left where neither steady sound is.

use std::f64::consts::PI;

use lathe_core::param::Motion;
use lathe_core::rack::plan::{RackPlan, SlotPlan};

use crate::cases::{all_working, name, rack, random_value, shapes};
use crate::rig::{Rig, Rng, peak_db, sine};

const RATE: u32 = 48_000;
/// The step comes here; a multiple of 64.
const STEP: usize = 24_000 / 64 * 64;

/// A high sine that grows into a clipper is cut from one crest on, and that is a corner in time: worked out at 128
/// times the rate, moves of 30 to 60 dB leave −93 to −97 dBFS beside 10 kHz.
/// At four times the rate its own aliases are as loud as that.
const CLIPS_ON: f64 = -92.5;
const CLIPS_ON_ECO: [f64; 2] = [-87.5, -81.0];

/// The corners of the tape's hysteresis leave most at low drives, up to −79 dB of a high sine, and how much hangs closely
/// on the drive: a move of 30 dB down leaves −85 dBFS above 16 kHz, where the drives looked at on its way leave −87.
const TAPE_FALLS: f64 = -84.0;

/// A linear-phase FIR with 200 dB of stop band.
pub struct Fir(Vec<f64>);

impl Fir {
    /// Passes `low`..`high` Hz with edges `edge` Hz wide outside them.
    pub fn band(low: f64, high: f64, edge: f64) -> Fir {
        let rate = f64::from(RATE);
        let beta = 20.0;
        let n = ((200.0 - 8.0) / (2.285 * 2.0 * PI * edge / rate)).ceil() as usize | 1;
        let half = (n / 2) as f64;
        let sinc = |hz: f64, t: f64| {
            let w = 2.0 * hz / rate;
            if t == 0.0 { w } else { (PI * w * t).sin() / (PI * t) }
        };
        let top = (high + edge / 2.0).min(rate / 2.0);
        Fir((0..n)
            .map(|i| {
                let t = i as f64 - half;
                let window = bessel(beta * (1.0 - (t / half).powi(2)).max(0.0).sqrt()) / bessel(beta);
                (sinc(top, t) - sinc(low - edge / 2.0, t)) * window
            })
            .collect())
    }

    /// Peak of the filtered signal in dBFS, edges left out.
    pub fn peak(&self, x: &[f64]) -> f64 {
        let y: Vec<f64> =
            x.windows(self.0.len()).map(|w| w.iter().zip(&self.0).map(|(a, b)| a * b).sum()).collect();
        peak_db(&y)
    }
}

/// Modified Bessel function of the first kind, order 0.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..200 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

/// `tests/soak clicks` asks for the units that have another quality, at that; `None`: all, as they are.
fn quality() -> Option<f64> {
    std::env::var("LATHE_QUALITY").ok().and_then(|v| v.parse().ok())
}

/// From one value of one parameter to another.
#[derive(Clone)]
struct Case {
    name: String,
    from: RackPlan,
    to: RackPlan,
    /// Where a shaper comes through: it makes more of some settings on the way than of those at its ends.
    between: Vec<RackPlan>,
    /// Set live; `None`: install the other plan.
    live: Option<(String, f64)>,
    /// dBFS.
    limit: f64,
}

/// Steps of every parameter of every unit and split: edge to edge, from the default, and at random.
fn cases() -> Vec<Case> {
    let mut r = Rng(4242);
    let mut all = Vec::new();
    let all_units: Vec<SlotPlan> = match quality() {
        None => all_working(),
        Some(q) => all_working()
            .into_iter()
            .filter(|s| s.table.find("quality").is_some())
            .map(|s| s.with("quality", q))
            .collect(),
    };
    for slot in all_units {
        let what = name(&slot);
        let moves = what.ends_with("saturator")
            || ["compressor", "limiter", "clipping limiter"].contains(&what.as_str());
        let limit = if moves { -100.0 } else { -120.0 };
        for (i, spec) in slot.table.clone().iter() {
            if spec.symbol.starts_with("band") && !spec.symbol.starts_with("band1/") {
                continue;
            }
            let now = slot.values.get(i);
            let (a, b) = (random_value(spec, &mut r), random_value(spec, &mut r));
            for (from, to) in
                [(now, spec.min), (now, spec.max), (spec.min, spec.max), (spec.max, spec.min), (a, b)]
            {
                if from == to {
                    continue;
                }
                let with = |v: f64| -> SlotPlan { slot.clone().with(&spec.symbol, v) };
                let way = |n: i32| {
                    let (a, b) = (spec.to_norm(from), spec.to_norm(to));
                    rack("stereo", vec![with(spec.from_norm(a + (b - a) * f64::from(n) / 48.0))])
                };
                let comes_through = shapes(&slot) && spec.change == Motion::Glide;
                all.push(Case {
                    name: format!("{}/{} {} to {}", name(&slot), spec.symbol, spec.show(from), spec.show(to)),
                    from: rack("stereo", vec![with(from)]),
                    to: rack("stereo", vec![with(to)]),
                    between: if comes_through { (1..48).map(way).collect() } else { Vec::new() },
                    live: (spec.change != Motion::Structural).then(|| (spec.symbol.to_string(), to)),
                    limit,
                });
            }
        }
    }
    all
}

/// Runs a case on a sine; returns (with the step, steady before, steady after), first channel.
fn run(case: &Case, hz: f64) -> [Vec<f64>; 3] {
    // A swap may settle for up to 2 s before it fades.
    let after = if case.live.is_some() { 24_000 } else { 120_000 };
    let x = sine(2, STEP + after, hz, 0.0, RATE);
    let mut rig = Rig::new(&case.from, RATE);
    let (head, tail): (Vec<_>, Vec<_>) = x.iter().map(|c| (c[..STEP].to_vec(), c[STEP..].to_vec())).unzip();
    let mut y = rig.run(&head).remove(0);
    match &case.live {
        Some((symbol, value)) => rig.set(&[("u", symbol, *value)], 0),
        None => rig.install(&case.to),
    }
    y.extend(rig.run(&tail).remove(0));
    let steady = |plan: &RackPlan| Rig::new(plan, RATE).run(&x).remove(0);
    [y, steady(&case.from), steady(&case.to)]
}

/// Measures all cases of a seeded share; reports those over their limit, the worst first.
fn measure(hz: f64, filters: &[(&str, Fir)], share: impl Fn(usize) -> bool) {
    let mut over = Vec::new();
    let mut worst = (f64::NEG_INFINITY, String::new());
    let all = cases();
    for case in all.iter().enumerate().filter(|(n, _)| share(*n)).map(|(_, c)| c) {
        let [y, a, b] = run(case, hz);
        let n = y.len();
        let settled = STEP - 9_600;
        for (n_band, (band, fir)) in filters.iter().enumerate() {
            // The steady renders' own content there does not count.
            let steady = fir.peak(&a[settled..STEP]).max(fir.peak(&b[n - 9_600..]));
            let got = fir.peak(&y[settled..]);
            let mut limit = case.limit.max(steady + 1.0);
            if hz > 1_000.0 && case.name.starts_with("clipper/") {
                let eco = quality() == Some(0.0);
                limit = limit.max(if eco { CLIPS_ON_ECO[n_band] } else { CLIPS_ON });
            }
            if hz > 1_000.0 && case.name.starts_with("tape saturator/drive") {
                limit = limit.max(TAPE_FALLS);
            }
            if got > limit {
                let x = sine(2, STEP, hz, 0.0, RATE);
                for plan in &case.between {
                    let still = Rig::new(plan, RATE).run(&x).remove(0);
                    limit = limit.max(fir.peak(&still[settled..]) + 1.0);
                }
            }
            if got - limit > worst.0 {
                worst = (got - limit, format!("{} ({band}): {got:.1} dBFS, steady {steady:.1}", case.name));
            }
            if got > limit {
                over.push((got - limit, format!("{} ({band}): {got:.1} dBFS over {limit:.1}", case.name)));
            }
        }
    }
    println!("{hz} Hz: nearest to its limit: {}", worst.1);
    over.sort_by(|a, b| b.0.total_cmp(&a.0));
    let list: Vec<&str> = over.iter().map(|o| o.1.as_str()).collect();
    assert!(list.is_empty(), "{} of {} cases over:\n{}", list.len(), all.len(), list.join("\n"));
}

#[test]
fn steps_on_a_low_sine_leave_nothing_above_5_khz() {
    measure(100.0, &[("above 5 kHz", Fir::band(5_000.0, 24_000.0, 2_000.0))], |_| true);
}

#[test]
fn steps_on_a_high_sine_leave_nothing_beside_it() {
    let bands = [
        ("1.5 to 4.5 kHz", Fir::band(1_500.0, 4_500.0, 1_000.0)),
        ("above 16 kHz", Fir::band(16_000.0, 24_000.0, 2_000.0)),
    ];
    measure(10_000.0, &bands, |_| true);
}
