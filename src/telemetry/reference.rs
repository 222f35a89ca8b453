// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page of all readings, made from the tables that are used.

use super::extras::EXTRAS;
use super::views::BUDGET_NS;

/// `docs/meters.md`.
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    for e in EXTRAS {
        let each = if e.per_channel { "channel" } else { "tap" };
        let doc = e.doc.trim_end_matches('.');
        let since = if e.highest { "; the highest since your last reading" } else { "" };
        out += &format!("| `{}` | {each} | {} | {doc}{since}. |\n", e.symbol, e.unit);
    }
    out += &STREAMS.replace("{budget}", &format!("{BUDGET_NS:.0}"));
    out
}

const HEAD: &str = "\
<!-- Made from the program's tables; `LATHE_UPDATE=1 cargo test` writes it anew. -->

# Meters

A reading is of a *tap*: `in`, `out`, `monitor`, `<slot>/in` or `<slot>/out`. Nothing here runs on the audio thread:
it copies samples out, and instruments read the copies. An instrument is made for the first who asks, shared by all
who ask for the same, and freed with the last. What a slow reader missed is merged into the next reading, so a
maximum is never lost; audio that was missed is counted and no window spans it.

Over OSC a reading is `/meter/<tap>/<name>` (silence and what is not known are -200), over gRPC it is in
`WatchMeters` (silence is -infinity, what is not known is not set). Channels are called as the rack's layout calls
them: `L`, `R`, `C`, ...

## Always there

| name | of each | unit | what it is |
|---|---|---|---|
| `momentary`, `short_term` | tap | LUFS | BS.1770-5 over 400 ms and 3 s |
| `integrated` | tap | LUFS | since the reset, with both gates |
| `loudness_range` | tap | LU | since the reset (EBU Tech 3342) |
| `momentary_max`, `short_term_max` | tap | LUFS | since the reset |
| `true_peak`, `true_peak_max` | tap, channel | dBTP | since your last reading, and since the reset; within 0.01 dB up to 0.47 of the rate |
| `peak`, `peak_max` | channel | dBFS | samples, likewise |
| `rms`, `dc` | channel | dBFS, 1 | over 300 ms; a sine of full scale reads -3.01 |
| `correlation`, `balance` | tap | -1 to +1 | of the first pair, over 300 ms |
| `gain_reduction` | slot | dB | deepest since your last reading: `/meter/<slot>/gain_reduction` |

## For those who name them

In gRPC's `readings`, or as an OSC address (`/subscribe s /meter/out/vu`). The reference level is `[levels]
reference_dbfs` of the machine's settings, -18 dBFS unless it says otherwise.

| symbol | of each | unit | what it is |
|---|---|---|---|
";

const STREAMS: &str = "
## Spectra and pairs

| what | gRPC | OSC, big-endian `f32` in a blob |
|---|---|---|
| lines of one transform, 1024 to 65536 points, dBFS or dBFS/Hz | `WatchSpectrum` `lines` | |
| even grid of octaves from three transforms | `WatchSpectrum` `octaves` | |
| bands of 1/1 to 1/48 octave | `WatchSpectrum` `bands` | `/meter/<tap>/spectrum`: 1/6 octave from 20 Hz to 20 kHz, the loudest channel |
| 1/1 and 1/3 octave through filters of class 1, fast, slow, equal | `WatchSpectrum` `filter_bands` | |
| gated long-term average with percentiles | `WatchSpectrum` `long_term` | |
| rows of a spectrogram, a byte a point | `WatchSpectrum` `spectrogram` | |
| from one tap to another: magnitude, phase, coherence | `WatchSpectrum` `transfer` | |
| what each channel of a tap resembles of another tap's: channel, sign, likeness over 10 s | `WatchSpectrum` `wiring` | `/meter/<tap>/wiring`: a float a channel, against `in`: the channel it is like, from 1, negative if inverted, 0 if none |
| goniometer points, correlation, balance, mono loss, by bands too | `WatchScope` | `/meter/<tap>/scope`: left and right in turn, at most 128 points |

All streams together may cost {budget} ns a frame at 48 kHz, a quarter of a core; what goes beyond is refused with the
figures. Rates are 1 to 60 Hz for each reader.
";
