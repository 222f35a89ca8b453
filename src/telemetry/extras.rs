// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readings beyond the usual ones, by symbol: each is one line of [`EXTRAS`], and everyone else reads the table.
//!
//! The instrument behind a symbol is made when somebody wants it, shared, and freed with the last who does.

use lathe_core::analysis::bars::BarSettings;
use lathe_core::analysis::ppm::PpmType;
use lathe_core::analysis::rms::KScale;
use lathe_core::analysis::true_peak::PeakMode;
use lathe_core::analysis::{Instrument, Reader, Running, TapMeter, decibels};
use lathe_core::units::Layout;

use super::alarms::Standards;

/// One reading that may be asked for.
#[derive(Debug)]
pub struct Extra {
    /// As in `/meter/out/vu/L`; never renamed.
    pub symbol: &'static str,
    pub unit: &'static str,
    /// One value for each channel; otherwise one for the tap.
    pub per_channel: bool,
    /// Of two readings that become one the higher stays.
    pub highest: bool,
    /// For people.
    pub doc: &'static str,
    /// Which instrument, by the machine's standards.
    instrument: fn(&Standards) -> Instrument,
    /// The value of a channel (0 where there is one for all), of the time since a moment.
    read: fn(&Running, usize, u64) -> Option<f64>,
}

fn rms(seconds: f64) -> Instrument {
    Instrument::Rms { seconds }
}

fn k_scale(running: &Running, channel: usize, scale: KScale) -> Option<f64> {
    match running {
        Running::Rms(m) => Some(scale.reading(m.read(channel))),
        _ => None,
    }
}

fn ppm_of(s: &Standards, kind: PpmType) -> Instrument {
    Instrument::Ppm { kind, reference_dbfs: s.reference_dbfs }
}

fn ppm(running: &Running, channel: usize, since: u64) -> Option<f64> {
    match running {
        Running::Ppm(m) => Some(m.reading(m.highest(channel, since))),
        _ => None,
    }
}

fn bars(_: &Standards) -> Instrument {
    Instrument::Bars(BarSettings::default())
}

fn clips(_: &Standards) -> Instrument {
    // Full scale of 24 bits: what a converter or a file of floats calls full.
    Instrument::Clips { full_scale: lathe_core::analysis::clips::full_scale(24) }
}

fn alarms(s: &Standards) -> Instrument {
    Instrument::Alarms(s.alarms)
}

fn last(seconds: u32) -> Instrument {
    Instrument::Last { seconds }
}

fn flag(on: bool) -> Option<f64> {
    Some(f64::from(u8::from(on)))
}

/// One line each. Channels' readings first, as consoles have them.
#[rustfmt::skip]
pub static EXTRAS: &[Extra] = &[
    Extra { symbol: "vu", unit: "VU", per_channel: true, highest: false,
        doc: "Volume indicator (IEC 60268-17): 99 % after 300 ms; 0 is a sine at the reference level.",
        instrument: |s| Instrument::Vu { reference_dbfs: s.reference_dbfs },
        read: |i, c, _| if let Running::Vu(m) = i { Some(m.read(c)) } else { None } },
    Extra { symbol: "ppm_1", unit: "dB", per_channel: true, highest: true,
        doc: "Quasi-peak, type I (DIN, Nordic; IEC 60268-10): dB below the permitted maximum, 9 dB over the reference level.",
        instrument: |s| ppm_of(s, PpmType::I), read: ppm },
    Extra { symbol: "ppm_2a", unit: "mark", per_channel: true, highest: true,
        doc: "Quasi-peak, type IIa (BBC): marks 1 to 7, 4 dB apart, the reference level at 4.",
        instrument: |s| ppm_of(s, PpmType::IIa), read: ppm },
    Extra { symbol: "ppm_2b", unit: "dB", per_channel: true, highest: true,
        doc: "Quasi-peak, type IIb (EBU): dB about the reference level.",
        instrument: |s| ppm_of(s, PpmType::IIb), read: ppm },
    Extra { symbol: "ppm", unit: "dB", per_channel: true, highest: true,
        doc: "The same as ppm_2b.",
        instrument: |s| ppm_of(s, PpmType::IIb), read: ppm },
    Extra { symbol: "ppm_digital", unit: "dBFS", per_channel: true, highest: true,
        doc: "Sample peaks with a return of 20 dB in 1.7 s.",
        instrument: |s| ppm_of(s, PpmType::Digital), read: ppm },
    Extra { symbol: "k12", unit: "dB", per_channel: true, highest: false,
        doc: "RMS of 600 ms on the scale K-12: 0 is a sine of -12 dBFS.",
        instrument: |_| rms(KScale::WINDOW_SECONDS), read: |i, c, _| k_scale(i, c, KScale::K12) },
    Extra { symbol: "k14", unit: "dB", per_channel: true, highest: false,
        doc: "RMS of 600 ms on the scale K-14: 0 is a sine of -14 dBFS.",
        instrument: |_| rms(KScale::WINDOW_SECONDS), read: |i, c, _| k_scale(i, c, KScale::K14) },
    Extra { symbol: "k20", unit: "dB", per_channel: true, highest: false,
        doc: "RMS of 600 ms on the scale K-20: 0 is a sine of -20 dBFS.",
        instrument: |_| rms(KScale::WINDOW_SECONDS), read: |i, c, _| k_scale(i, c, KScale::K20) },
    Extra { symbol: "rms_aes17", unit: "dBFS", per_channel: true, highest: false,
        doc: "RMS of 300 ms after AES17: a sine of full scale reads 0.",
        instrument: |_| rms(0.3),
        read: |i, c, _| if let Running::Rms(m) = i { Some(m.read_aes17(c)) } else { None } },
    Extra { symbol: "rms_3s", unit: "dBFS", per_channel: true, highest: false,
        doc: "RMS of 3 s; a sine of full scale reads -3.01.",
        instrument: |_| rms(3.0),
        read: |i, c, _| if let Running::Rms(m) = i { Some(m.read(c)) } else { None } },
    Extra { symbol: "bar", unit: "dBFS", per_channel: true, highest: false,
        doc: "Sample peak that falls by 20 dB in 1.7 s.",
        instrument: bars, read: |i, c, _| if let Running::Bars(m) = i { Some(m.level(c)) } else { None } },
    Extra { symbol: "mark", unit: "dBFS", per_channel: true, highest: false,
        doc: "The highest sample peak, held for 1.5 s.",
        instrument: bars, read: |i, c, _| if let Running::Bars(m) = i { Some(m.mark(c)) } else { None } },
    Extra { symbol: "true_peak_itu", unit: "dBTP", per_channel: true, highest: true,
        doc: "True peak since the last reading by the interpolator that BS.1770-5 prints in Annex 2, with its errors.",
        instrument: |_| Instrument::Peaks(PeakMode::Itu),
        read: |i, c, since| if let Running::Peaks(m) = i { Some(decibels(m.true_peak(c, since).0)) } else { None } },
    Extra { symbol: "clips", unit: "count", per_channel: true, highest: false,
        doc: "Samples at full scale since the reset.",
        instrument: clips, read: |i, c, _| if let Running::Clips(m) = i { Some(m.read(c).samples as f64) } else { None } },
    Extra { symbol: "flat_tops", unit: "count", per_channel: true, highest: false,
        doc: "Runs of three and more samples at full scale since the reset.",
        instrument: clips, read: |i, c, _| if let Running::Clips(m) = i { Some(m.read(c).flat_tops as f64) } else { None } },
    Extra { symbol: "bits", unit: "bit", per_channel: true, highest: false,
        doc: "Word length whose grid holds every sample since the reset.",
        instrument: |_| Instrument::WordLength,
        read: |i, c, _| if let Running::WordLength(m) = i { Some(f64::from(m.read(c).word)) } else { None } },
    Extra { symbol: "silent", unit: "0 or 1", per_channel: true, highest: false,
        doc: "1 after so long below a level: 10 s and -60 dBFS, unless `[alarms]` says otherwise.",
        instrument: alarms, read: |i, c, _| if let Running::Alarms(m) = i { flag(m.read(c).silent) } else { None } },
    Extra { symbol: "stuck", unit: "0 or 1", per_channel: true, highest: false,
        doc: "1 after half a second of one and the same value that is not zero, unless `[alarms]` says otherwise.",
        instrument: alarms, read: |i, c, _| if let Running::Alarms(m) = i { flag(m.read(c).stuck) } else { None } },
    Extra { symbol: "inverted", unit: "0 or 1", per_channel: false, highest: false,
        doc: "1 where one channel of the first pair looks like the other one turned over.",
        instrument: |_| Instrument::Polarity,
        read: |i, _, _| if let Running::Polarity(m) = i { flag(m.suspicious()) } else { None } },
    Extra { symbol: "integrated_60s", unit: "LUFS", per_channel: false, highest: false,
        doc: "Gated loudness of the last minute.",
        instrument: |_| last(60), read: |i, _, _| last_integrated(i, 60.0) },
    Extra { symbol: "integrated_10min", unit: "LUFS", per_channel: false, highest: false,
        doc: "Gated loudness of the last ten minutes.",
        instrument: |_| last(600), read: |i, _, _| last_integrated(i, 600.0) },
];

fn last_integrated(running: &Running, seconds: f64) -> Option<f64> {
    match running {
        Running::Loudness(m) => m.last(seconds)?.integrated,
        _ => None,
    }
}

/// The reading of this symbol.
pub fn find(symbol: &str) -> Option<&'static Extra> {
    EXTRAS.iter().find(|e| e.symbol == symbol)
}

impl Extra {
    /// The instrument it is read from.
    pub fn instrument(&self, standards: &Standards) -> Instrument {
        (self.instrument)(standards)
    }

    /// Its names at a tap of these channels.
    pub fn names(&self, channels: &[&str]) -> Vec<String> {
        match self.per_channel {
            true => channels.iter().map(|c| format!("{}/{c}", self.symbol)).collect(),
            false => vec![self.symbol.to_string()],
        }
    }

    /// Its values at a tap, since a reader's last reading.
    pub(super) fn values(
        &'static self,
        meter: &TapMeter,
        reader: &Reader,
        layout: &Layout,
        standards: &Standards,
    ) -> Vec<ExtraReading> {
        let running = meter.instruments().get(&self.instrument(standards));
        let value = |c: usize| running.and_then(|i| (self.read)(i, c, reader.moment()));
        let names = self.names(&layout.names());
        let each = names.into_iter().enumerate();
        each.map(|(c, name)| ExtraReading { name, value: value(c), highest: self.highest }).collect()
    }
}

/// One value of one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraReading {
    /// Such as `vu/L`.
    pub name: String,
    /// −∞ is silence; `None` is not known.
    pub value: Option<f64>,
    /// Of this and an earlier one the higher stays.
    pub(super) highest: bool,
}

impl ExtraReading {
    /// Makes it reach back to an earlier one.
    pub(super) fn merge(&mut self, before: &ExtraReading) {
        if self.highest {
            self.value = match (self.value, before.value) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn symbols_are_unique_and_read_what_they_name() {
        let symbols: BTreeSet<&str> = EXTRAS.iter().map(|e| e.symbol).collect();
        assert_eq!(symbols.len(), EXTRAS.len());
        let stereo = Layout::named("stereo").unwrap();
        let mut meter = TapMeter::new(48_000, &stereo);
        let (reader, standards) = (Reader::new(&meter), Standards::default());
        for e in EXTRAS {
            meter.add(e.instrument(&standards)).unwrap();
        }
        let tone = |n: usize| 0.125 * (2.0 * std::f64::consts::PI * n as f64 / 48.0).sin();
        for q in 0..48_000 / 64 * 20 {
            let x: lathe_core::dsp::Frames = std::array::from_fn(|i| tone(q * 64 + i));
            meter.process(&[x, x]);
        }
        for e in EXTRAS {
            let values = e.values(&meter, &reader, &stereo, &standards);
            println!("{}: {:?} {}", e.symbol, values[0].value, e.unit);
            assert_eq!(values.len(), if e.per_channel { 2 } else { 1 }, "{}", e.symbol);
            assert!(values.iter().all(|v| v.value.is_some()), "{} reads nothing", e.symbol);
        }
        let of = |symbol: &str| {
            find(symbol).unwrap().values(&meter, &reader, &stereo, &standards)[0].value.unwrap()
        };
        // A sine of −18.06 dBFS.
        for (symbol, wanted) in [
            ("vu", -0.06),
            ("ppm_2b", -0.06),
            ("ppm_2a", 3.98),
            ("ppm_1", -9.06),
            ("k20", 1.94),
            ("rms_aes17", -18.06),
        ] {
            assert!((of(symbol) - wanted).abs() < 0.1, "{symbol} reads {}", of(symbol));
        }
    }
}
