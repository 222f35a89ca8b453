// SPDX-License-Identifier: MIT OR Apache-2.0
//! Analog filters as transfer functions: what a digital design is measured against.
//!
//! A prototype is a gain and up to eight stages, each a first- or second-order factor over another. All
//! frequencies are in Hz and may lie above half of any sample rate; gains are in dB. `s` below stands for
//! `j·f/hz`.
//!
//! Bells, shelves and the simple second-order shapes are those of Bristow-Johnson's "Cookbook"; Butterworth
//! and Linkwitz–Riley (JAES 1976) as everywhere; the first-order shelves are those of a Baxandall tone
//! control (Wireless World 1952) with its corners free.

use std::f64::consts::{LN_10, PI};

/// Most stages of a prototype: a filter of order 16.
pub const MAX_STAGES: usize = 8;

/// A polynomial in s, at most of second order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// 1
    One,
    /// s
    S { hz: f64 },
    /// s²
    SS { hz: f64 },
    /// s + 1
    First { hz: f64 },
    /// s² + k s + 1
    Second { hz: f64, k: f64 },
}

impl Factor {
    /// Complex value at `freq` Hz.
    pub fn value(&self, freq: f64) -> (f64, f64) {
        match *self {
            Factor::One => (1.0, 0.0),
            Factor::S { hz } => (0.0, freq / hz),
            Factor::SS { hz } => (-(freq / hz) * (freq / hz), 0.0),
            Factor::First { hz } => (1.0, freq / hz),
            // (1 − x)(1 + x) keeps its digits near the zero of a notch.
            Factor::Second { hz, k } => ((1.0 - freq / hz) * (1.0 + freq / hz), k * (freq / hz)),
        }
    }

    /// Squared magnitude at `freq` Hz.
    pub fn power(&self, freq: f64) -> f64 {
        let (re, im) = self.value(freq);
        re * re + im * im
    }
}

/// One factor over another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    pub zeros: Factor,
    pub poles: Factor,
}

/// Errors of bells, shelves and tilts that need no further work, dB.
pub const AIM_DB: f64 = 0.015;
/// The same of filters that remove something.
pub const FILTER_AIM_DB: f64 = 0.04;

/// A gain and a few stages in series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prototype {
    pub gain: f64,
    /// A digital design this near is good enough, dB.
    pub aim_db: f64,
    stages: [Stage; MAX_STAGES],
    len: usize,
}

/// Amplitude of half a level in dB, the `A` of bells and shelves: gain = A².
pub fn root_gain(gain_db: f64) -> f64 {
    libm::exp(gain_db * (LN_10 / 40.0))
}

/// The Q of a shelf of slope `slope` (0..=1; 1 is the steepest that is monotone) and `gain_db`.
pub fn slope_q(slope: f64, gain_db: f64) -> f64 {
    let a = root_gain(gain_db);
    1.0 / ((a + 1.0 / a) * (1.0 / slope - 1.0) + 2.0).sqrt()
}

/// Gain at which proportional Q reaches what was asked, dB.
pub const PROPORTIONAL_TOP_DB: f64 = 24.0;
/// Share of the asked Q that is left at 0 dB.
const PROPORTIONAL_LEAST: f64 = 0.25;

/// The Q of a bell that becomes narrower with its gain: a quarter of `q` at 0 dB, growing evenly in
/// octaves to `q` at [`PROPORTIONAL_TOP_DB`]; never below 0.1.
pub fn proportional_q(q: f64, gain_db: f64) -> f64 {
    let share = (gain_db.abs() / PROPORTIONAL_TOP_DB).min(1.0);
    (q * libm::pow(PROPORTIONAL_LEAST, 1.0 - share)).max(0.1_f64.min(q))
}

/// 1/Q of each second-order section of a Butterworth filter.
fn butterworth(order: usize) -> impl Iterator<Item = f64> {
    (1..=order / 2).map(move |k| 2.0 * libm::sin((2 * k - 1) as f64 * PI / (2 * order) as f64))
}

impl Prototype {
    fn none() -> Prototype {
        Prototype {
            gain: 1.0,
            aim_db: AIM_DB,
            stages: [Stage { zeros: Factor::One, poles: Factor::One }; MAX_STAGES],
            len: 0,
        }
    }

    fn one(gain: f64, zeros: Factor, poles: Factor) -> Prototype {
        let mut p = Prototype::none();
        p.gain = gain;
        p.add(zeros, poles);
        p
    }

    fn filter(gain: f64, zeros: Factor, poles: Factor) -> Prototype {
        let mut p = Prototype::one(gain, zeros, poles);
        p.aim_db = FILTER_AIM_DB;
        p
    }

    fn add(&mut self, zeros: Factor, poles: Factor) {
        if let Some(seat) = self.stages.get_mut(self.len) {
            *seat = Stage { zeros, poles };
            self.len += 1;
        }
    }

    pub fn stages(&self) -> &[Stage] {
        &self.stages[..self.len]
    }

    /// Complex response at `freq` Hz.
    pub fn response(&self, freq: f64) -> (f64, f64) {
        self.stages().iter().fold((self.gain, 0.0), |(re, im), stage| {
            let (n, d) = (stage.zeros.value(freq), stage.poles.value(freq));
            let size = d.0 * d.0 + d.1 * d.1;
            let q = ((n.0 * d.0 + n.1 * d.1) / size, (n.1 * d.0 - n.0 * d.1) / size);
            (re * q.0 - im * q.1, re * q.1 + im * q.0)
        })
    }

    /// Squared magnitude at `freq` Hz.
    pub fn power(&self, freq: f64) -> f64 {
        let of = |stage: &Stage| stage.zeros.power(freq) / stage.poles.power(freq);
        self.gain * self.gain * self.stages().iter().map(of).product::<f64>()
    }

    /// Level at `freq` Hz in dB.
    pub fn db(&self, freq: f64) -> f64 {
        10.0 * libm::log10(self.power(freq))
    }

    /// `(s² + sA/Q + 1)/(s² + s/(AQ) + 1)`: `gain_db` at `hz`, 0 dB far away.
    pub fn bell(hz: f64, gain_db: f64, q: f64) -> Prototype {
        let a = root_gain(gain_db);
        Prototype::one(1.0, Factor::Second { hz, k: a / q }, Factor::Second { hz, k: 1.0 / (a * q) })
    }

    /// `gain_db` far above `hz`, half of it there, 0 dB far below.
    pub fn high_shelf(hz: f64, gain_db: f64, q: f64) -> Prototype {
        let root = root_gain(gain_db).sqrt();
        let (zeros, poles) = (hz / root, hz * root);
        Prototype::one(
            1.0,
            Factor::Second { hz: zeros, k: 1.0 / q },
            Factor::Second { hz: poles, k: 1.0 / q },
        )
    }

    /// `gain_db` far below `hz`, half of it there, 0 dB far above.
    pub fn low_shelf(hz: f64, gain_db: f64, q: f64) -> Prototype {
        let a = root_gain(gain_db);
        let (zeros, poles) = (hz * a.sqrt(), hz / a.sqrt());
        Prototype::one(
            a * a,
            Factor::Second { hz: zeros, k: 1.0 / q },
            Factor::Second { hz: poles, k: 1.0 / q },
        )
    }

    /// First order: −`gain_db`/2 far below `hz`, 0 dB there, +`gain_db`/2 far above.
    pub fn tilt(hz: f64, gain_db: f64) -> Prototype {
        let a = root_gain(gain_db);
        Prototype::one(1.0 / a, Factor::First { hz: hz / a }, Factor::First { hz: hz * a })
    }

    /// First order, `(s + G)/(s + 1)`: a boost of `gain_db` that has lost about 3 dB at `hz`; a cut undoes it.
    pub fn baxandall_low(hz: f64, gain_db: f64) -> Prototype {
        let a = root_gain(gain_db);
        let gain = a * a;
        let wide = hz * gain.max(1.0 / gain);
        let (zeros, poles) = if gain_db < 0.0 { (hz, wide) } else { (wide, hz) };
        Prototype::one(gain, Factor::First { hz: zeros }, Factor::First { hz: poles })
    }

    /// First order, `(G s + 1)/(s + 1)`: a boost of `gain_db` that has lost about 3 dB at `hz`; a cut undoes it.
    pub fn baxandall_high(hz: f64, gain_db: f64) -> Prototype {
        let a = root_gain(gain_db);
        let gain = a * a;
        let wide = hz / gain.max(1.0 / gain);
        let (zeros, poles) = if gain_db < 0.0 { (hz, wide) } else { (wide, hz) };
        Prototype::one(1.0, Factor::First { hz: zeros }, Factor::First { hz: poles })
    }

    /// Zero at `hz`, −3 dB bandwidth `hz`/`q`.
    pub fn notch(hz: f64, q: f64) -> Prototype {
        Prototype::filter(1.0, Factor::Second { hz, k: 0.0 }, Factor::Second { hz, k: 1.0 / q })
    }

    /// Unity at `hz`, −3 dB bandwidth `hz`/`q`.
    pub fn bandpass(hz: f64, q: f64) -> Prototype {
        Prototype::filter(1.0 / q, Factor::S { hz }, Factor::Second { hz, k: 1.0 / q })
    }

    /// Unity everywhere, 180° at `hz`.
    pub fn allpass(hz: f64, q: f64) -> Prototype {
        Prototype::one(1.0, Factor::Second { hz, k: -1.0 / q }, Factor::Second { hz, k: 1.0 / q })
    }

    /// Butterworth, −3.01 dB at `hz`; order 1 to 16.
    pub fn highpass(hz: f64, order: usize) -> Prototype {
        let mut p = Prototype { aim_db: FILTER_AIM_DB, ..Prototype::none() };
        for k in butterworth(order) {
            p.add(Factor::SS { hz }, Factor::Second { hz, k });
        }
        if order % 2 == 1 {
            p.add(Factor::S { hz }, Factor::First { hz });
        }
        p
    }

    /// Butterworth, −3.01 dB at `hz`; order 1 to 16.
    pub fn lowpass(hz: f64, order: usize) -> Prototype {
        let mut p = Prototype { aim_db: FILTER_AIM_DB, ..Prototype::none() };
        for k in butterworth(order) {
            p.add(Factor::One, Factor::Second { hz, k });
        }
        if order % 2 == 1 {
            p.add(Factor::One, Factor::First { hz });
        }
        p
    }

    /// Linkwitz–Riley, −6.02 dB at `hz`: a Butterworth of half the order, twice; order 2, 4, 8 or 16.
    pub fn linkwitz_riley(high: bool, hz: f64, order: usize) -> Prototype {
        let mut p = Prototype { aim_db: FILTER_AIM_DB, ..Prototype::none() };
        let zeros = if high { Factor::SS { hz } } else { Factor::One };
        if order == 2 {
            p.add(zeros, Factor::Second { hz, k: 2.0 });
        }
        for k in butterworth(order / 2) {
            p.add(zeros, Factor::Second { hz, k });
            p.add(zeros, Factor::Second { hz, k });
        }
        p
    }
}
