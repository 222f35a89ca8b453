// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernels for any magnitude: linear phase, minimum phase at low frequencies, or minimum phase. Control side.
//!
//! |H| is taken on a grid at least 8 times as dense as the kernel is long (16 times where a phase is worked
//! out), transformed back and cut with a Kaiser window, β = 8. A kernel of N taps blurs the curve by about
//! 4 rate/N Hz, which is what it costs at low frequencies: [`realised`] tells.
//!
//! | kernel at 48 kHz | delay | 6 dB bell at 30 Hz, Q 2 | Butterworth high-pass 24 dB/oct at 40 Hz |
//! |---|---|---|---|
//! | low, 4095 taps | 43 ms | 2.5 dB off | 15 dB off |
//! | medium, 16,383 | 171 ms | 0.5 dB | 1.8 dB |
//! | high, 65,535 | 683 ms | 0.05 dB | 0.13 dB |
//!
//! Linear phase rings before a sound as long as after it, audibly so below some 200 Hz. *Mixed* has the
//! minimum phase of the same magnitude below one frequency and none above another; between them the share
//! of the minimum phase falls along a quintic in log f. The minimum phase is the Hilbert transform of
//! ln |H|, by folding its cepstrum; |H| is taken as no lower than −120 dB of its maximum. What it saves in
//! ringing before, it rings longer after, so the same length is half as much again off at low frequencies.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs filters")]

use super::fft::{Complex, RealFft};
use super::math::kaiser;
use std::f64::consts::PI;

const BETA: f64 = 8.0;
/// −120 dB as an amplitude.
const FLOOR: f64 = 1e-6;

/// How long a kernel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Low,
    Medium,
    High,
}

impl Length {
    /// Taps: odd, and as many seconds at every rate.
    pub fn taps(self, sample_rate: f64) -> usize {
        let at_48k = match self {
            Length::Low => 4096.0,
            Length::Medium => 16_384.0,
            Length::High => 65_536.0,
        };
        2 * libm::round(at_48k * sample_rate / 96_000.0) as usize - 1
    }
}

/// The phase a kernel has beside its delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Linear,
    /// Minimum below `from` Hz, linear above `to` Hz.
    Mixed {
        from: f64,
        to: f64,
    },
    Minimum,
}

/// A designed kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Fir {
    pub taps: Vec<f64>,
    /// Frames: half the length, 0 for minimum phase.
    pub delay: usize,
}

/// A kernel of about `taps` (the next odd number, at least 3) for the amplitude that `magnitude` wants at each
/// frequency in Hz, up to half the rate.
pub fn design(magnitude: impl Fn(f64) -> f64, taps: usize, sample_rate: f64, phase: Phase) -> Fir {
    let half = (taps.max(2)) / 2;
    let taps = 2 * half + 1;
    let fft = RealFft::new(taps * if phase == Phase::Linear { 8 } else { 16 });
    let hz = |k: usize| k as f64 * sample_rate / fft.size() as f64;
    let wanted: Vec<f64> = (0..=fft.size() / 2).map(|k| magnitude(hz(k)).abs()).collect();
    let bins: Vec<Complex> = match phase {
        Phase::Linear => wanted.iter().map(|m| (*m, 0.0)).collect(),
        _ => {
            let angles = minimum_phase(&fft, &wanted);
            let turned = |(k, (m, a)): (usize, (&f64, &f64))| {
                let a = a * minimum_share(phase, hz(k));
                (m * libm::cos(a), m * libm::sin(a))
            };
            wanted.iter().zip(&angles).enumerate().map(turned).collect()
        }
    };
    let h = fft.signal(&bins);
    if phase == Phase::Minimum {
        let tap = |n: usize| h[n] * kaiser(n as f64 / taps as f64, BETA);
        return Fir { taps: (0..taps).map(tap).collect(), delay: 0 };
    }
    let window = |n: usize| kaiser(n as f64 / (half + 1) as f64, BETA);
    let after = (0..=half).map(|n| h[n] * window(n));
    // What is before the centre lies at the end. Linear phase is mirrored, not worked out twice.
    let before = |n: usize| if phase == Phase::Linear { h[n] } else { h[fft.size() - n] };
    let taps = (1..=half).rev().map(|n| before(n) * window(n)).chain(after).collect();
    Fir { taps, delay: half }
}

/// How much of the minimum phase stays at `hz`: 1 to 0.
fn minimum_share(phase: Phase, hz: f64) -> f64 {
    let t = match phase {
        Phase::Linear => 1.0,
        Phase::Minimum => 0.0,
        Phase::Mixed { from, .. } if hz <= from => 0.0,
        Phase::Mixed { to, .. } if hz >= to => 1.0,
        Phase::Mixed { from, to } => libm::log(hz / from) / libm::log(to / from),
    };
    1.0 - t * t * t * (10.0 + t * (6.0 * t - 15.0))
}

/// The angles of the minimum phase of these magnitudes.
fn minimum_phase(fft: &RealFft, magnitudes: &[f64]) -> Vec<f64> {
    let floor = FLOOR * magnitudes.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(*v));
    let logs: Vec<Complex> = magnitudes.iter().map(|m| (libm::log(m.max(floor)), 0.0)).collect();
    let mut cepstrum = fft.signal(&logs);
    let middle = cepstrum.len() / 2;
    cepstrum[1..middle].iter_mut().for_each(|c| *c *= 2.0);
    cepstrum[middle + 1..].fill(0.0);
    fft.spectrum(&cepstrum).iter().map(|(_, angle)| *angle).collect()
}

/// Level in dB that a kernel has at each frequency (Hz), no lower than −300 dB: what to show, and to judge by.
pub fn realised(taps: &[f64], sample_rate: f64, frequencies: &[f64]) -> Vec<f64> {
    let level = |hz: &f64| {
        let (re, im) = response(taps, hz / sample_rate);
        10.0 * libm::log10((re * re + im * im).max(1e-30))
    };
    frequencies.iter().map(level).collect()
}

/// Σ h(n) e^(−2πi f n), f a share of the rate.
fn response(taps: &[f64], f: f64) -> Complex {
    const SPAN: usize = 64;
    let turn = |n: usize| {
        let t = f * n as f64;
        let a = 2.0 * PI * (t - libm::floor(t));
        (libm::cos(a), -libm::sin(a))
    };
    // The turns within a span are worked out once, its sum is then turned as a whole.
    let inner: Vec<Complex> = (0..SPAN).map(turn).collect();
    let mut sum = (0.0, 0.0);
    for (k, span) in taps.chunks(SPAN).enumerate() {
        let (mut re, mut im) = (0.0, 0.0);
        for (h, w) in span.iter().zip(&inner) {
            re += h * w.0;
            im += h * w.1;
        }
        let w = turn(k * SPAN);
        sum = (sum.0 + re * w.0 - im * w.1, sum.1 + re * w.1 + im * w.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 48_000.0;

    fn bell(hz: f64, q: f64, db: f64) -> impl Fn(f64) -> f64 {
        let a = 10f64.powf(db / 40.0);
        move |f| {
            let w = f / hz;
            let d = 1.0 - w * w;
            ((d * d + (a / q * w).powi(2)) / (d * d + (w / a / q).powi(2))).sqrt()
        }
    }

    /// A low shelf, or with `high` a high one.
    fn shelf(hz: f64, q: f64, db: f64, high: bool) -> impl Fn(f64) -> f64 {
        let a = 10f64.powf(db / 40.0);
        move |f| {
            let w = if high { f / hz } else { hz / f.max(1e-9) };
            let side = (a.sqrt() / q * w).powi(2);
            a * (((1.0 - a * w * w).powi(2) + side) / ((a - w * w).powi(2) + side)).sqrt()
        }
    }

    fn highpass(hz: f64, order: i32) -> impl Fn(f64) -> f64 {
        move |f| {
            let w = (f / hz).powi(order);
            w / (1.0 + w * w).sqrt()
        }
    }

    /// Frequencies from `low` to 0.48 of the rate, evenly in log f.
    fn grid(low: f64) -> Vec<f64> {
        (0..150).map(|k| low * (0.48 * RATE / low).powf(f64::from(k) / 149.0)).collect()
    }

    /// Largest error in dB from `low` Hz, where more than −40 dB are wanted.
    fn error(want: &impl Fn(f64) -> f64, taps: &[f64], low: f64) -> f64 {
        let f = grid(low);
        let wanted = f.iter().map(|f| 20.0 * want(*f).max(1e-30).log10());
        let pairs = realised(taps, RATE, &f).into_iter().zip(wanted);
        pairs.filter(|(_, w)| *w > -40.0).map(|(r, w)| (r - w).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn high_kernels_have_the_wanted_curve() {
        let taps = Length::High.taps(RATE);
        let of = |m: &dyn Fn(f64) -> f64| design(m, taps, RATE, Phase::Linear);
        let mut worst = 0.0f64;
        for (hz, q, db) in [
            (30.0, 2.0, 6.0),
            (30.0, 0.7, -12.0),
            (60.0, 2.0, -6.0),
            (100.0, 1.0, 12.0),
            (1e3, 2.0, 12.0),
            (15e3, 0.5, -9.0),
        ] {
            let want = bell(hz, q, db);
            let e = error(&want, &of(&want).taps, 30.0);
            println!("bell {db} dB, {hz} Hz, Q {q}: {e:.4} dB");
            worst = worst.max(e);
        }
        for (hz, q, db, high) in [(60.0, 0.7, 6.0, false), (100.0, 2.0, -9.0, false), (8e3, 0.7, 12.0, true)]
        {
            let want = shelf(hz, q, db, high);
            let e = error(&want, &of(&want).taps, 30.0);
            println!("shelf {db} dB, {hz} Hz, Q {q}: {e:.4} dB");
            worst = worst.max(e);
        }
        assert!(worst < 0.05, "{worst}");
        let want = highpass(40.0, 4);
        let e = error(&want, &of(&want).taps, 1.0);
        println!("high-pass 24 dB/oct, 40 Hz: {e:.4} dB");
        assert!(e < 0.15, "{e}");
    }

    #[test]
    fn shorter_kernels_are_off_by_what_is_stated() {
        for (length, bell_off, pass_off) in [(Length::Low, 2.7, 15.5), (Length::Medium, 0.6, 2.0)] {
            let (want, pass) = (bell(30.0, 2.0, 6.0), highpass(40.0, 4));
            let of = |m: &dyn Fn(f64) -> f64| design(m, length.taps(RATE), RATE, Phase::Linear);
            let (a, b) = (error(&want, &of(&want).taps, 20.0), error(&pass, &of(&pass).taps, 1.0));
            println!("{length:?}: bell {a:.3} dB, high-pass {b:.2} dB");
            assert!(a < bell_off && a > 0.5 * bell_off && b < pass_off && b > 0.5 * pass_off);
        }
    }

    #[test]
    fn linear_phase_is_linear() {
        for length in [Length::Low, Length::Medium] {
            let fir = design(bell(200.0, 3.0, 9.0), length.taps(44_100.0), 44_100.0, Phase::Linear);
            let n = fir.taps.len();
            assert!(n % 2 == 1 && fir.delay == n / 2);
            assert!((0..n).all(|k| fir.taps[k] == fir.taps[n - 1 - k]), "not symmetric");
            // Group delay against the centre: Re(Σ (n − c) h e / Σ h e).
            let ramp: Vec<f64> = (0..n).map(|k| (k as f64 - fir.delay as f64) * fir.taps[k]).collect();
            let mut worst = 0.0f64;
            for f in [0.0, 1e-4, 3e-3, 0.0045, 0.01, 0.1, 0.25, 0.49] {
                let ((a, b), (c, d)) = (response(&ramp, f), response(&fir.taps, f));
                worst = worst.max(((a * c + b * d) / (c * c + d * d)).abs());
            }
            println!("{length:?}: group delay within {worst:.1e} frames of {}", fir.delay);
            assert!(worst < 1e-9, "{worst}");
        }
    }

    #[test]
    fn minimum_phase_is_that_of_the_analog_bell() {
        let (hz, q, db) = (1000.0, 1.0, 9.0);
        let fir = design(bell(hz, q, db), 8191, RATE, Phase::Minimum);
        assert_eq!(fir.delay, 0);
        assert!(error(&bell(hz, q, db), &fir.taps, 30.0) < 0.02);
        let a = 10f64.powf(db / 40.0);
        for f in [200.0, 700.0, 1000.0, 1500.0, 4000.0] {
            let (w, (re, im)) = (f / hz, response(&fir.taps, f / RATE));
            let want = (a * w / q).atan2(1.0 - w * w) - (w / a / q).atan2(1.0 - w * w);
            let off = (im.atan2(re) - want).to_degrees();
            println!("{f} Hz: {:.3} degrees, {off:.3} from the analog bell", im.atan2(re).to_degrees());
            // The analog curve goes on above half the rate, which minimum phase notices.
            assert!(off.abs() < 0.5, "{off}");
        }
    }

    #[test]
    fn mixed_phase_rings_less_before_and_is_linear_above() {
        let want = |f: f64| bell(60.0, 2.0, 9.0)(f) * bell(3000.0, 2.0, -6.0)(f);
        let of = |phase| design(want, Length::Medium.taps(RATE), RATE, phase);
        let (linear, mixed) = (of(Phase::Linear), of(Phase::Mixed { from: 150.0, to: 300.0 }));
        let early = |fir: &Fir| fir.taps[..fir.delay - 480].iter().map(|h| h * h).sum::<f64>();
        let (before, after) = (10.0 * early(&linear).log10(), 10.0 * early(&mixed).log10());
        println!("energy more than 10 ms before the centre: {before:.1} dB, mixed {after:.1} dB");
        assert!(mixed.delay == linear.delay && after < before - 20.0);
        let (a, b) = (error(&want, &linear.taps, 30.0), error(&want, &mixed.taps, 30.0));
        println!("curve within {a:.3} dB, mixed {b:.3} dB");
        assert!(b < 2.0 * a + 0.05, "{a} {b}");
        for f in [400.0, 2500.0, 3000.0, 12_000.0] {
            let ((a, b), (c, d)) = (response(&mixed.taps, f / RATE), response(&linear.taps, f / RATE));
            let off = (b * c - a * d).atan2(a * c + b * d).to_degrees();
            assert!(off.abs() < 0.05, "{f} Hz: {off} degrees");
        }
    }

    #[test]
    fn lengths_are_odd_and_last_as_long_at_every_rate() {
        for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
            for (length, seconds) in [(Length::Low, 0.0853), (Length::Medium, 0.3413), (Length::High, 1.3653)]
            {
                let n = length.taps(rate);
                assert!(n % 2 == 1 && n <= crate::dsp::convolver::MOST_TAPS);
                assert!((n as f64 / rate - seconds).abs() < 1e-4, "{rate} {length:?}: {n}");
            }
        }
    }
}
