// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instruments that are there only while they are wanted.

use super::signals::{Kind, Programme as Source};
use crate::analysis::alarms::AlarmSettings;
use crate::analysis::bars::BarSettings;
use crate::analysis::ppm::PpmType;
use crate::analysis::true_peak::PeakMode;
use crate::analysis::{Instrument, IntegratorSettings, Reader, Running, TapMeter};
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

const VU: Instrument = Instrument::Vu { reference_dbfs: -18.0 };
const PPM: Instrument = Instrument::Ppm { kind: PpmType::IIb, reference_dbfs: -18.0 };

fn every() -> Vec<Instrument> {
    let bars = Instrument::Bars(BarSettings::default());
    vec![
        Instrument::Loudness,
        Instrument::Last { seconds: 60 },
        Instrument::Peaks(PeakMode::Exact),
        Instrument::Peaks(PeakMode::Itu),
        Instrument::Levels,
        Instrument::Rms { seconds: 0.6 },
        VU,
        PPM,
        Instrument::Ppm { kind: PpmType::Digital, reference_dbfs: -18.0 },
        bars,
        Instrument::Clips { full_scale: 1.0 },
        Instrument::WordLength,
        Instrument::Alarms(AlarmSettings::default()),
        Instrument::Polarity,
        Instrument::Integrated(IntegratorSettings::default()),
    ]
}

fn stereo() -> Layout {
    Layout::named("stereo").unwrap()
}

fn audio(seconds: usize) -> Vec<[Frames; 2]> {
    let mut sources = [1, 2].map(|c| Source::new(48_000, Kind::Music, c));
    (0..750 * seconds).map(|_| sources.each_mut().map(|s| std::array::from_fn(|_| s.next()))).collect()
}

#[test]
fn all_together_read_as_each_alone() {
    let audio = audio(5);
    let mut all = TapMeter::empty(48_000, &stereo());
    let mut usual = TapMeter::new(48_000, &stereo());
    every().into_iter().for_each(|w| all.instruments_mut().add_fresh(w).unwrap());
    for a in &audio {
        all.process(a);
        usual.process(a);
    }
    let mut start = [Reader::new(&TapMeter::new(48_000, &stereo())); 2];
    assert_eq!(all.read(&mut start[0]), usual.read(&mut start[1]));
    for what in every() {
        let mut alone = what.build(48_000, &stereo()).unwrap();
        audio.iter().enumerate().for_each(|(q, a)| alone.process(a, q as u64 + 1, true));
        let (a, b) = (format!("{alone:?}"), format!("{:?}", all.instruments().get(&what).unwrap()));
        assert!(a == b, "{what:?} reads otherwise among others");
    }
}

#[test]
fn they_come_and_go() {
    let mut m = TapMeter::empty(48_000, &stereo());
    let mut reader = Reader::new(&m);
    let tone: Frames = [0.125_892_541; QUANTUM];
    (0..750).for_each(|_| m.process(&[tone, tone]));
    let r = m.read(&mut reader);
    assert_eq!(
        (r.integrated, r.true_peak, r.correlation),
        (None, f64::NEG_INFINITY, None),
        "nobody measures"
    );
    m.add(VU).unwrap();
    m.add(VU).unwrap();
    m.add(Instrument::Levels).unwrap();
    assert_eq!(m.instruments().list().count(), 2, "equal ones are one");
    (0..2000).for_each(|_| m.process(&[tone, tone]));
    let Some(Running::Vu(vu)) = m.instruments().get(&VU) else { panic!("it is there") };
    assert!((vu.read(0) - 3.92).abs() < 0.05, "DC of −18 dBFS reads as a rectifier has it: {}", vu.read(0));
    assert!((m.read(&mut reader).channels[1].rms + 18.0).abs() < 0.01);
    m.remove(&VU);
    assert!(m.instruments().get(&VU).is_none() && m.instruments().list().count() == 1);
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let mut m = TapMeter::empty(48_000, &Layout::named("mono").unwrap());
    let mut refused = |w| m.add(w).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(refused(Instrument::Rms { seconds: 20.0 }), "a window of 20 s is outside 0.05 to 10 s");
    assert_eq!(refused(Instrument::Polarity), "the layout mono has no pair to compare");
    assert_eq!(
        refused(Instrument::Vu { reference_dbfs: 3.0 }),
        "a reference level of 3 dBFS is outside -40 to 0 dBFS"
    );
    assert_eq!(refused(Instrument::Last { seconds: 0 }), "a look back of 0 s is outside 1 to 3600 s");
    assert!(refused(Instrument::Clips { full_scale: f64::NAN }).contains("NaN"));
    assert!(m.instruments().is_empty());
}

#[test]
fn a_gap_reaches_every_one() {
    let audio = audio(4);
    for what in every() {
        let mut broken = what.build(48_000, &stereo()).unwrap();
        audio.iter().enumerate().for_each(|(q, a)| broken.process(a, q as u64 + 1, true));
        broken.gap(4800);
        match &broken {
            Running::Loudness(i) => assert_eq!(i.read().momentary, None),
            Running::Levels(i) => assert_eq!(i.rms(0), 0.0),
            Running::Rms(i) => assert_eq!(i.read(0), f64::NEG_INFINITY),
            Running::Vu(i) => assert_eq!(i.level(0), f64::NEG_INFINITY),
            Running::Ppm(i) => assert_eq!(i.level(0), f64::NEG_INFINITY),
            Running::Polarity(i) => assert_eq!(i.correlation(), None),
            Running::Integrated(i) => {
                assert_eq!((i.figures().missed, i.figures().loudness.momentary), (4800, None))
            }
            Running::Alarms(i) => assert_eq!(i.read(0).silent_s, 0.0),
            Running::Peaks(_) | Running::Bars(_) | Running::Clips(_) | Running::WordLength(_) => {}
        }
    }
}
