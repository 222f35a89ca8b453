// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readings of the instruments, ours to theirs: pure, no sockets.

use lathe_core::analysis::{ChannelReadings, TapReadings};

use super::v1;
use crate::telemetry::ExtraReading;

/// All readings of one tap.
pub fn tap(name: &str, r: &TapReadings, extras: &[ExtraReading]) -> v1::TapReadings {
    v1::TapReadings {
        tap: name.to_string(),
        momentary: r.momentary,
        short_term: r.short_term,
        integrated: r.integrated,
        loudness_range: r.loudness_range,
        momentary_max: r.momentary_max,
        short_term_max: r.short_term_max,
        true_peak: r.true_peak,
        true_peak_max: r.true_peak_max,
        channels: r.channels.iter().map(channel).collect(),
        correlation: r.correlation,
        balance: r.balance,
        frames_missed: r.frames_missed,
        frames_missed_total: r.frames_missed_total,
        non_finite: r.non_finite,
        readings: extras.iter().map(|e| v1::Reading { name: e.name.clone(), value: e.value }).collect(),
    }
}

fn channel(r: &ChannelReadings) -> v1::ChannelReadings {
    let &ChannelReadings { true_peak, true_peak_max, peak, peak_max, rms, dc } = r;
    v1::ChannelReadings { true_peak, true_peak_max, peak, peak_max, rms, dc }
}

/// Gain reduction of the slots that were asked for; `*` means all.
pub fn slots(
    wanted: &[String],
    all: &[(String, f64)],
    trails: &[(String, Vec<f32>)],
) -> Vec<v1::SlotReadings> {
    let is_wanted = |id: &String| wanted.iter().any(|w| w == "*" || w == id);
    let history = |slot: &String| trails.iter().find(|(id, _)| id == slot).map(|(_, t)| t.clone());
    let reading = |(slot, db): &(String, f64)| v1::SlotReadings {
        slot: slot.clone(),
        gain_reduction: *db,
        history: history(slot).unwrap_or_default(),
    };
    all.iter().filter(|(id, _)| is_wanted(id)).map(reading).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_by_name_or_all() {
        let all = [("comp".to_string(), 1.5), ("limiter".to_string(), 0.0)];
        let ids = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|w| w.to_string()).collect();
            slots(&wanted, &all, &[]).into_iter().map(|s| s.slot).collect::<Vec<_>>()
        };
        assert_eq!(ids(&["limiter"]), ["limiter"]);
        assert_eq!(ids(&["*"]), ["comp", "limiter"]);
        assert_eq!(ids(&[]), [""; 0]);
    }
}
