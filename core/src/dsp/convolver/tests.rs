// SPDX-License-Identifier: MIT OR Apache-2.0
//! The convolver against direct convolution.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use super::*;

fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn run(shape: &Shape, kernels: &[&[f64]], inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let kernel = Kernel::new(shape, kernels);
    let (mut c, mut v) = (Convolver::new(shape, inputs.len()), Voice::new(shape, inputs.len()));
    let mut out = vec![Vec::new(); inputs.len()];
    let (mut x, mut y) = (vec![SILENCE; inputs.len()], vec![SILENCE; inputs.len()]);
    for q in 0..inputs[0].len() / QUANTUM {
        for (x, i) in x.iter_mut().zip(inputs) {
            x.copy_from_slice(&i[q * QUANTUM..][..QUANTUM]);
        }
        c.process(shape, &x);
        v.process(shape, &kernel, &c, &[0, 1, 2, 3][..inputs.len()], &mut y);
        out.iter_mut().zip(&y).for_each(|(o, y)| o.extend(y));
    }
    out
}

/// Largest error in dB of the largest output, at `places` frames spread over the output.
fn error(taps: &[f64], x: &[f64], y: &[f64], latency: usize, places: usize) -> f64 {
    let (mut worst, mut top) = (0.0f64, 0.0f64);
    for p in 0..places {
        // Dense at first, where partitions begin, then to the end.
        let n = if p < places / 2 { p * 37 % y.len() } else { p * (y.len() - 1) / (places - 1) };
        let newest = n.wrapping_sub(latency);
        let mut want = 0.0;
        if n >= latency {
            // In parts, or the sum itself would round more than what is tested.
            let products: Vec<f64> = taps.iter().zip(x[..=newest].iter().rev()).map(|(h, x)| h * x).collect();
            want = products.chunks(256).map(|part| part.iter().sum::<f64>()).sum();
        }
        worst = worst.max((y[n] - want).abs());
        top = top.max(want.abs());
    }
    20.0 * (worst / top).max(1e-40).log10()
}

#[test]
fn every_count_of_taps_is_direct_convolution() {
    let mut counts: Vec<usize> = (1..=130).collect();
    for edge in [192, 256, 448, 512, 960, 1024, 1088, 1536, 2048, 4096, 7168, 8192, 12_288, 16_384] {
        counts.extend([edge - 1, edge, edge + 1]);
    }
    let mut s = 1u64;
    counts.extend((0..60).map(|_| {
        s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        1 + (s >> 33) as usize % 20_000
    }));
    counts.extend([32_768, 65_535, 65_536, 100_001, 131_071, 131_072, 262_144]);
    let mut worst = f64::NEG_INFINITY;
    for (n, taps) in counts.iter().enumerate() {
        let delay = [Delay::None, Delay::Short, Delay::Long][n % 3];
        let shape = Shape::new(*taps, delay);
        let kernel = noise(7 + n as u64, *taps);
        let frames = (taps + shape.latency() + 9000).next_multiple_of(QUANTUM);
        let x = noise(n as u64 + 1, frames);
        let y = run(&shape, &[&kernel], std::slice::from_ref(&x)).remove(0);
        let e = error(&kernel, &x, &y, shape.latency(), 600);
        assert!(e < -280.0, "{taps} taps, {delay:?}: {e:.1} dB");
        worst = worst.max(e);
    }
    println!("{} counts of taps, worst error {worst:.1} dB", counts.len());
}

#[test]
fn every_tap_stands_at_its_place() {
    for delay in [Delay::None, Delay::Short, Delay::Long] {
        let shape = Shape::new(20_000, delay);
        let kernel = noise(3, 20_000);
        let mut x = vec![0.0; 20_000 + 9984 + 64];
        x[77] = 1.0;
        let y = run(&shape, &[&kernel], std::slice::from_ref(&x)).remove(0);
        let from = 77 + shape.latency();
        for (n, v) in y.iter().enumerate() {
            let want = n.checked_sub(from).and_then(|t| kernel.get(t)).copied().unwrap_or(0.0);
            assert!((v - want).abs() < 1e-14, "{delay:?}, frame {n}: {v} and not {want}");
        }
    }
}

#[test]
fn channels_have_their_own_kernels() {
    let shape = Shape::new(3000, Delay::None);
    let kernels: Vec<Vec<f64>> = (1..=3).map(|s| noise(s, 3000)).collect();
    let inputs: Vec<Vec<f64>> = (11..=13).map(|s| noise(s, 64 * 200)).collect();
    let y = run(&shape, &[&kernels[0], &kernels[1], &kernels[2]], &inputs);
    for c in 0..3 {
        assert!(error(&kernels[c], &inputs[c], &y[c], 0, 400) < -280.0);
        let alone = run(&shape, &[&kernels[c]], std::slice::from_ref(&inputs[c])).remove(0);
        assert!(y[c] == alone, "channel {c} depends on its neighbours");
    }
}

#[test]
fn a_new_kernel_is_alone_after_it_has_settled() {
    let shape = Shape::new(20_000, Delay::None);
    let (a, b, x) = (noise(1, 20_000), noise(2, 20_000), noise(3, 64 * 1200));
    let (old, new) = (Kernel::new(&shape, &[&a]), Kernel::new(&shape, &[&b]));
    for exchange in [600, 607, 639, 640, 663] {
        let (mut c, mut v) = (Convolver::new(&shape, 1), Voice::new(&shape, 1));
        let mut y = Vec::new();
        for (q, x) in x.as_chunks::<QUANTUM>().0.iter().enumerate() {
            let mut out = [SILENCE];
            c.process(&shape, &[*x]);
            v.process(&shape, if q < exchange { &old } else { &new }, &c, &[0], &mut out);
            y.extend(out[0]);
        }
        let (before, after) = (exchange * QUANTUM, exchange * QUANTUM + shape.settle());
        let (first, then) = (&y[..before], &y[after..]);
        assert!(error(&a, &x, first, 0, 300) < -280.0);
        let direct = run(&shape, &[&b], std::slice::from_ref(&x)).remove(0);
        assert!(then == &direct[after..], "exchanged at quantum {exchange}");
    }
}

#[test]
fn wider_registers_change_no_bit() {
    let mut shape = Shape::new(12_345, Delay::None);
    let (taps, x) = (noise(1, 12_345), noise(2, 64 * 400));
    let widest = run(&shape, &[&taps], std::slice::from_ref(&x));
    for width in Width::all() {
        shape.width = width;
        assert!(run(&shape, &[&taps], std::slice::from_ref(&x)) == widest, "{width:?}");
    }
}

#[test]
fn work_is_spread_evenly_over_the_quanta() {
    // In steps of 64 points, a transform's or a partition's; the clock would also measure the machine's other work.
    for (taps, delay) in [
        (1024, Delay::None),
        (8192, Delay::None),
        (65_536, Delay::None),
        (131_072, Delay::None),
        (65_536, Delay::Short),
        (65_536, Delay::Long),
        (9000, Delay::None),
    ] {
        let shape = Shape::new(taps, delay);
        let kernel = Kernel::new(&shape, &[&noise(1, taps)]);
        let (mut c, mut v) = (Convolver::new(&shape, 1), Voice::new(&shape, 1));
        let mut cost = Vec::new();
        for q in 0..256 {
            let mut out = [SILENCE];
            c.process(&shape, &[SILENCE]);
            v.process(&shape, &kernel, &c, &[0], &mut out);
            cost.push((spent(&shape, &c, &v), q));
        }
        let costs = per_quantum(&shape, &cost);
        let mean = costs.iter().sum::<usize>() as f64 / costs.len() as f64;
        let worst = *costs.iter().max().unwrap() as f64 / mean;
        println!("{taps} taps, {delay:?}: {mean:.1} steps a quantum, worst {worst:.2} times the mean");
        assert!(worst < 2.0, "{worst}");
    }
}

/// Steps done so far in the running blocks, level by level.
fn spent(shape: &Shape, c: &Convolver, v: &Voice) -> Vec<usize> {
    let sides = c.levels.iter().zip(&v.levels);
    let whole = |l: &Level, i: usize, o: usize| {
        let clear = |n: usize| if n == usize::MAX { 0 } else { n };
        assert!(l.quanta > 1 || i == l.transform.passes());
        clear(i) + clear(o)
    };
    shape.levels.iter().zip(sides).map(|(l, (i, o))| whole(l, i[0].done, o[0].done)).collect()
}

/// Differences, from the second full round of the largest block on.
fn per_quantum(shape: &Shape, cost: &[(Vec<usize>, usize)]) -> Vec<usize> {
    let pairs = cost.iter().zip(&cost[1..]).skip(127);
    pairs
        .map(|((before, _), (after, q))| {
            let level = |(n, l): (usize, &Level)| match q % l.quanta {
                0 => after[n],
                _ => after[n] - before[n],
            };
            shape.levels.iter().enumerate().map(level).sum()
        })
        .collect()
}
