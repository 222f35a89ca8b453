// SPDX-License-Identifier: MIT OR Apache-2.0
//! The quintic ramp: every value that moves, moves along it, evaluated per frame.
//!
//! From rest it is `u³(10 − 15u + 6u²)`; started in motion it goes on with the velocity and
//! acceleration it finds, so a dragged fader has no corner at any update. A 20 ms ramp of 6 dB on a
//! full-scale 100 Hz sine leaves −159 dBFS above 5 kHz.

use super::QUANTUM;

/// A quintic in u = position / length, constant first.
#[derive(Clone, Copy, Debug)]
struct Curve {
    c: [f64; 6],
    len: u32,
}

impl Curve {
    const NONE: Curve = Curve { c: [0.0; 6], len: 0 };

    /// From `from` with velocity and acceleration (per frame) to `to` at rest.
    fn new(from: f64, velocity: f64, acceleration: f64, to: f64, len: u32) -> Self {
        let n = f64::from(len);
        let (d, v, a) = (to - from, velocity * n, acceleration * n * n);
        let c3 = 10.0 * d - 6.0 * v - 1.5 * a;
        let c4 = -15.0 * d + 8.0 * v + 1.5 * a;
        Curve { c: [from, v, 0.5 * a, c3, c4, 6.0 * d - 3.0 * v - 0.5 * a], len }
    }

    #[inline(always)]
    fn at(&self, pos: u32) -> f64 {
        let (u, c) = (f64::from(pos) / f64::from(self.len), &self.c);
        c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * c[5]))))
    }

    /// Velocity and acceleration per frame; none once it has ended.
    fn motion(&self, pos: u32) -> (f64, f64) {
        if pos >= self.len {
            return (0.0, 0.0);
        }
        let n = f64::from(self.len);
        let (u, c) = (f64::from(pos) / n, &self.c);
        let v = c[1] + u * (2.0 * c[2] + u * (3.0 * c[3] + u * (4.0 * c[4] + u * 5.0 * c[5])));
        let a = 2.0 * c[2] + u * (6.0 * c[3] + u * (12.0 * c[4] + u * 20.0 * c[5]));
        (v / n, a / (n * n))
    }
}

/// A value under way to a target. All times are frames.
///
/// Two curves are added: the way from rest to the target, and the stopping of the motion it was found
/// in, which takes no longer than the ramp that was under way, so that a long ramp cannot carry the old
/// velocity far past both ends.
#[derive(Clone, Copy, Debug)]
pub struct Quintic {
    /// Value where it stands now; the target once `pos == way.len`.
    value: f64,
    target: f64,
    way: Curve,
    stop: Curve,
    pos: u32,
}

impl Quintic {
    pub const fn at(value: f64) -> Self {
        Quintic { value, target: value, way: Curve::NONE, stop: Curve::NONE, pos: 0 }
    }

    /// Sets out for `target`, to arrive after `frames` (0: at once). Audio thread.
    pub fn go(&mut self, target: f64, frames: u32) {
        let under_way = if self.is_moving() { self.way.len } else { 0 };
        let (v, a) = self.way.motion(self.pos);
        let (w, b) = self.stop.motion(self.pos);
        self.target = target;
        self.pos = 0;
        if frames == 0 || (target == self.value && under_way == 0) {
            self.value = target;
            (self.way, self.stop) = (Curve::NONE, Curve::NONE);
            return;
        }
        self.way = Curve::new(self.value, 0.0, 0.0, target, frames);
        self.stop = Curve::new(0.0, v + w, a + b, 0.0, under_way.min(frames));
    }

    pub fn is_moving(&self) -> bool {
        self.pos < self.way.len
    }

    pub fn value(&self) -> f64 {
        self.value
    }

    pub fn target(&self) -> f64 {
        self.target
    }

    /// The next frame's value; the first frame after [`go`](Self::go) already moves. Audio thread.
    pub fn next_frame(&mut self) -> f64 {
        if self.pos < self.way.len {
            self.pos += 1;
            self.value = if self.pos == self.way.len {
                self.target
            } else {
                let stop = if self.pos < self.stop.len { self.stop.at(self.pos) } else { 0.0 };
                self.way.at(self.pos) + stop
            };
        }
        self.value
    }

    /// Writes one quantum; false if the value stood still (then `out` is not written). Audio thread.
    pub fn quantum(&mut self, out: &mut [f64; QUANTUM]) -> bool {
        if !self.is_moving() {
            return false;
        }
        for o in out.iter_mut() {
            *o = self.next_frame();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_arrives_exactly_and_rises_monotonically() {
        let mut q = Quintic::at(0.0);
        q.go(1.0, 960);
        let mut last = 0.0;
        for _ in 0..960 {
            let v = q.next_frame();
            assert!(v >= last, "{v} after {last}");
            last = v;
        }
        assert_eq!(last, 1.0);
        assert!(!q.is_moving());
    }

    /// A retargeted value goes little beyond where it was going, however long the new ramp is.
    #[test]
    fn a_new_target_is_not_overshot() {
        for (frames, to) in [(5_280, -60.0), (48_000, 0.0), (480_000, 0.0), (960, 0.0)] {
            let mut q = Quintic::at(0.0);
            q.go(6.0, 960);
            (0..256).for_each(|_| _ = q.next_frame());
            q.go(to, frames);
            let peak = (0..frames).map(|_| q.next_frame()).fold(f64::MIN, f64::max);
            println!("0 to 6, then {to} in {frames} frames: highest {peak:.2}");
            assert!(peak < 3.0, "{peak} on the way to {to}");
            assert_eq!(q.value(), to);
        }
    }

    #[test]
    fn a_drag_has_no_corner() {
        // A new target every 8 ms: the third difference stays that of a smooth curve.
        let mut q = Quintic::at(0.0);
        let mut v = Vec::new();
        for k in 0..40 {
            q.go(f64::from(k % 7) / 7.0, 960);
            v.extend((0..400).map(|_| q.next_frame()));
        }
        let worst = v.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0, f64::max);
        assert!(worst < 3e-5, "second difference {worst}");
    }
}
