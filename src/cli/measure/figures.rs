// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures as people read them: their names, units and decimals, for the table and the page alike.

use std::path::Path;

use lathe_core::analysis::decibels;

use super::run::Measured;

/// One figure.
pub struct Row {
    pub name: &'static str,
    /// A number, `-inf` for silence, or `-` for what is not known or not defined.
    pub value: String,
    pub unit: &'static str,
    /// When, where, how many; mostly empty.
    pub more: String,
}

/// A number with so many decimals, `-inf` for silence, `-` for what there is none of.
pub fn number(v: Option<f64>, decimals: usize) -> String {
    match v {
        Some(v) if v == f64::NEG_INFINITY => "-inf".to_string(),
        // Without the sign of −0.00.
        Some(v) if v.is_finite() && v.abs() < 0.5 * 0.1f64.powi(decimals as i32) => format!("{:.decimals$}", 0.0),
        Some(v) if v.is_finite() => format!("{v:.decimals$}"),
        _ => "-".to_string(),
    }
}

/// Hours, minutes and seconds with so many decimals.
pub fn time(seconds: f64, decimals: u32) -> String {
    let per_second = 10u64.pow(decimals);
    let ticks = (seconds * per_second as f64).round().max(0.0) as u64;
    let (whole, part) = (ticks / per_second, ticks % per_second);
    let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
    let head = if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") };
    if decimals == 0 { head } else { format!("{head}.{part:0width$}", width = decimals as usize) }
}

/// Figures that are worked out from the instruments' own.
impl Measured {
    /// −∞: nothing passed the absolute gate. `None`: too short.
    pub fn integrated(&self) -> Option<f64> {
        let l = &self.figures.loudness;
        l.integrated.or(l.momentary_max.map(|_| f64::NEG_INFINITY))
    }

    /// The DR that is quoted: a whole number.
    pub fn dr(&self) -> Option<f64> {
        self.figures.dr.map(f64::round)
    }

    /// Seconds and channel of the highest true peak.
    pub fn peak_at(&self) -> Option<(f64, &str)> {
        let top = self.figures.true_peaks.first()?;
        let seconds = top.frame as f64 / f64::from(self.spec.sample_rate);
        Some((seconds, self.places.names.get(top.channel)?))
    }

    /// The first pair's powers: left and right.
    fn powers(&self) -> Option<(f64, f64)> {
        let (l, r) = self.places.layout.pairs().first().copied()?;
        let power = |c: usize| 10f64.powf(0.1 * self.figures.channels[c].rms);
        let (l, r) = (power(l), power(r));
        (l + r > 0.0).then_some((l, r))
    }

    /// −1 (left alone) … +1 (right alone).
    pub fn balance(&self) -> Option<f64> {
        let (l, r) = self.powers()?;
        Some((r.sqrt() - l.sqrt()) / (r.sqrt() + l.sqrt()))
    }

    /// dB by which the mono sum is below the channels: 0 for equal ones, −3 for unrelated, −∞ for opposite.
    pub fn mono(&self) -> Option<f64> {
        let (l, r) = self.powers()?;
        // Without a correlation one side is silent.
        let product = self.figures.correlation.unwrap_or(0.0) * (l * r).sqrt();
        Some(decibels((0.5 + product / (l + r)).max(0.0).sqrt()))
    }

    /// The mean sample of the channel that is farthest off.
    pub fn dc(&self) -> f64 {
        let dc = self.figures.channels.iter().map(|c| c.dc);
        dc.fold(0.0, |most: f64, dc| if dc.abs() > most.abs() { dc } else { most })
    }

    pub fn clipped(&self) -> u64 {
        self.figures.channels.iter().map(|c| c.clips.samples).sum()
    }

    pub fn flat_tops(&self) -> u64 {
        self.figures.channels.iter().map(|c| c.clips.flat_tops).sum()
    }

    pub fn longest_clip(&self) -> u64 {
        self.figures.channels.iter().map(|c| c.clips.longest).max().unwrap_or(0)
    }

    /// Word length of the integers that hold every sample; `None` for silence, and where it takes floats.
    pub fn bits(&self) -> Option<u32> {
        let word = self.figures.channels.iter().map(|c| c.word.word).max()?;
        (1..=32).contains(&word).then_some(word)
    }

    /// Most significant bits of any sample: 24 for single precision.
    pub fn significant_bits(&self) -> u32 {
        self.figures.channels.iter().map(|c| c.word.significant).max().unwrap_or(0)
    }
}

/// Every figure of the whole file.
pub fn rows(m: &Measured) -> Vec<Row> {
    let (f, l) = (&m.figures, &m.figures.loudness);
    let row = |name, value: String, unit| Row { name, value, unit, more: String::new() };
    let level = |name, v: Option<f64>, unit| row(name, number(v, 2), unit);
    let mut peak = level("true peak", Some(f.true_peak), "dBTP");
    if let Some((seconds, channel)) = m.peak_at() {
        peak.more = format!("{channel} at {}", time(seconds, 3));
    }
    let mut clipped = row("at full scale", m.clipped().to_string(), "samples");
    if m.clipped() > 0 {
        let s = if m.flat_tops() == 1 { "" } else { "s" };
        clipped.more = format!("{} flat top{s}, longest {}", m.flat_tops(), m.longest_clip());
    }
    let mut rows = vec![
        level("integrated", m.integrated(), "LUFS"),
        level("momentary max", l.momentary_max, "LUFS"),
        level("short-term max", l.short_term_max, "LUFS"),
        level("loudness range", l.loudness_range, "LU"),
        peak,
        level("sample peak", Some(f.sample_peak), "dBFS"),
        level("peak to loudness", f.plr, "LU"),
        level("lowest PSR", f.psr_min, "LU"),
        level("crest factor", f.crest, "dB"),
        row("dynamic range", number(m.dr(), 0), "DR"),
    ];
    if !m.places.layout.pairs().is_empty() {
        rows.push(row("correlation", number(f.correlation, 3), ""));
        rows.push(row("balance", number(m.balance(), 3), ""));
        rows.push(level("mono sum", m.mono(), "dB"));
    }
    rows.push(row("DC offset", number(Some(100.0 * m.dc()), 4), "%"));
    rows.push(clipped);
    rows.push(match m.bits() {
        Some(bits) => row("bits in use", bits.to_string(), "bits"),
        None if m.significant_bits() == 0 => row("bits in use", "-".into(), "bits"),
        None => Row { more: format!("{} significant", m.significant_bits()), ..row("bits in use", "float".into(), "") },
    });
    rows
}

/// What there is to say of a file besides its figures, one sentence each.
pub fn warnings(m: &Measured) -> Vec<String> {
    let mut all = Vec::new();
    if m.damaged {
        all.push("the file is truncated or damaged; what could be read was measured".to_string());
    }
    if m.not_audio > 0 {
        all.push(format!(
            "{} samples were not audio (NaN, infinite or beyond +80 dBFS) and were measured as silence",
            m.not_audio
        ));
    }
    if !m.places.known {
        let n = m.places.names.len();
        all.push(format!("nothing tells where its {n} channels stand, so each weighs the same in loudness"));
    }
    all
}

/// Rate, layout, encoding and length in one line.
pub fn facts(m: &Measured) -> String {
    let s = if m.spec.channels == 1 { "" } else { "s" };
    let (rate, n, seconds) = (m.spec.sample_rate, m.spec.channels, m.seconds());
    format!("{rate} Hz, {n} channel{s} ({}), {}, {seconds:.3} s", m.places.name(), m.spec.encoding)
}

/// What distinguishes files at one glance: heads with units, and a row for each.
pub fn comparison(files: &[(std::path::PathBuf, Measured)]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let heads = vec![
        "file", "length", "I LUFS", "S max LUFS", "M max LUFS", "LRA LU", "dBTP", "PLR LU", "DR", "corr.", "full scale",
    ];
    let row = |(path, m): &(std::path::PathBuf, Measured)| {
        let (f, l) = (&m.figures, &m.figures.loudness);
        vec![
            short(path),
            time(m.seconds(), 0),
            number(m.integrated(), 2),
            number(l.short_term_max, 2),
            number(l.momentary_max, 2),
            number(l.loudness_range, 2),
            number(Some(f.true_peak), 2),
            number(f.plr, 2),
            number(m.dr(), 0),
            number(f.correlation, 2),
            m.clipped().to_string(),
        ]
    };
    (heads, files.iter().map(row).collect())
}

/// The name alone.
pub fn short(path: &Path) -> String {
    path.file_name().map_or_else(|| super::text(path), |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_as_people_write_them() {
        assert_eq!(number(Some(-22.993), 2), "-22.99");
        assert_eq!(number(Some(-0.004), 2), "0.00");
        assert_eq!(number(Some(f64::NEG_INFINITY), 2), "-inf");
        for v in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(number(v, 2), "-");
        }
        assert_eq!(number(Some(7.6), 0), "8");
        assert_eq!(time(0.0, 0), "0:00");
        assert_eq!(time(59.9996, 3), "1:00.000");
        assert_eq!(time(3725.25, 2), "1:02:05.25");
    }
}
