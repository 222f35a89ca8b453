// SPDX-License-Identifier: MIT OR Apache-2.0
//! Alarms over an engine that is run by hand: begun once, in time, ended once, and nothing in between.

use lathe_core::analysis::alarms::AlarmSettings;
use lathe_core::analysis::clock::ClockReadings;
use lathe_core::dsp::QUANTUM;
use lathe_core::engine::Ports;

use super::alarms::{AlarmWatch, Board};
use super::rig::Rig;
use super::worker::Worker;
use super::*;
use crate::control::Host as _;

/// What is played to each channel.
#[derive(Clone, Copy)]
enum Sound {
    Silence,
    /// A tone, and the sign of its right side.
    Tone(f64),
    /// Left has it, right repeats one value.
    StuckRight,
}

struct Player(Sound, u64);

impl Ports for Player {
    fn read(&mut self, channel: usize, _: usize, into: &mut [f64]) {
        let frame = self.1;
        for (i, x) in into.iter_mut().enumerate() {
            let tone = 0.25 * ((frame + i as u64) as f64 * 0.1).sin();
            *x = match (self.0, channel) {
                (Sound::Silence, _) => 0.0,
                (Sound::Tone(sign), 1) => tone * sign,
                (Sound::StuckRight, 1) => 0.5,
                _ => tone,
            };
        }
        if channel == 1 {
            self.1 += into.len() as u64;
        }
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

/// A rig with alarms after 2 s of silence and 0.5 s of one value.
fn rig() -> (Rig, Player) {
    let mut rig = Rig::new();
    let alarms = AlarmSettings { silence_dbfs: -60.0, silence_s: 2.0, stuck_s: 0.5 };
    let raise = Raise { silence: true, stuck: true, inverted: true, clock: false };
    let standards = Standards { alarms, raise, ..Standards::default() };
    rig.worker = Worker::new(rig.host.clone(), rig.telemetry.shared.clone(), standards);
    (rig, Player(Sound::Silence, 0))
}

/// Plays so many seconds, polled every 5.3 ms; what was told, with the second at which it was.
fn play(rig: &mut Rig, player: &mut Player, sound: Sound, seconds: f64) -> Vec<(f64, AlarmEvent)> {
    player.0 = sound;
    let (mut told, mut seen) = (Vec::new(), None);
    rig.telemetry.alarm_events(&mut seen);
    for n in 0..(seconds * 48_000.0 / (4.0 * QUANTUM as f64)).ceil() as usize {
        for _ in 0..4 {
            rig.periods.run(QUANTUM, player);
            rig.now += Duration::from_secs_f64(QUANTUM as f64 / 48_000.0);
        }
        rig.host.control().tick();
        rig.poll();
        let at = (n + 1) as f64 * 4.0 * QUANTUM as f64 / 48_000.0;
        told.extend(rig.telemetry.alarm_events(&mut seen).into_iter().map(|e| (at, e)));
    }
    told
}

/// `in/silence/L` and whether it began, of each event, in order.
fn names(told: &[(f64, AlarmEvent)]) -> Vec<(String, bool)> {
    told.iter().flat_map(|(_, e)| e.alarms.iter().map(|a| (a.address(), e.on))).collect()
}

fn on(rig: &Rig) -> Vec<String> {
    rig.telemetry.alarms().into_iter().filter(|(_, on)| *on).map(|(a, _)| a.address()).collect()
}

#[test]
fn silence_is_told_once_in_time_and_once_when_it_ends() {
    let (mut rig, mut player) = rig();
    assert_eq!(play(&mut rig, &mut player, Sound::Tone(0.5), 1.0), []);
    assert_eq!(rig.armed(), 2, "in and out");
    // A whole idle night would be no more.
    let told = play(&mut rig, &mut player, Sound::Silence, 20.0);
    let both = |tap: &str, on| ["L", "R"].map(|c| (format!("{tap}/silence/{c}"), on)).to_vec();
    let late: Vec<f64> = told.iter().map(|(at, _)| at - 2.0).collect();
    println!("{late:?} s late: {}", told[0].1.message);
    assert_eq!(names(&told[..1]), both("in", true));
    assert_eq!(names(&told[1..]), both("out", true), "out is as late as the rack");
    assert!(late[0] > -0.005 && late[0] < 0.02 && late[1] < 0.1, "{late:?}");
    assert_eq!(told[0].1.message, "in: L, R silent for 2 s, no sample above -60 dBFS");
    assert_eq!(on(&rig), ["in/silence/L", "in/silence/R", "out/silence/L", "out/silence/R"]);
    // A reset of the meters, another engine, a server that is gone: nothing of it is news.
    rig.telemetry.reset(Client::LOCAL);
    assert_eq!(play(&mut rig, &mut player, Sound::Silence, 3.0), []);
    rig.restart(48_000);
    assert_eq!(play(&mut rig, &mut player, Sound::Silence, 5.0), []);
    rig.host.audible.store(false, Ordering::Relaxed);
    assert_eq!(play(&mut rig, &mut player, Sound::Tone(0.5), 3.0), []);
    rig.host.audible.store(true, Ordering::Relaxed);
    let told = play(&mut rig, &mut player, Sound::Tone(0.5), 3.0);
    assert_eq!((names(&told[..1]), names(&told[1..])), (both("in", false), both("out", false)));
    assert!(told[0].0 < 0.02 && told[1].0 < 0.1, "{told:?}");
    assert_eq!((on(&rig), rig.telemetry.alarms_raised(AlarmKind::Silence)), (Vec::<String>::new(), 4));
}

#[test]
fn a_stuck_channel_and_an_inverted_one_are_named() {
    let (mut rig, mut player) = rig();
    play(&mut rig, &mut player, Sound::Tone(0.5), 1.0);
    let told = play(&mut rig, &mut player, Sound::StuckRight, 3.0);
    println!("{:?} {}", told[0].0, told[0].1.message);
    assert_eq!(names(&told[..1]), [("in/stuck/R".to_string(), true)]);
    assert!(told[0].0 > 0.5 && told[0].0 < 0.6, "{told:?}");
    let told = play(&mut rig, &mut player, Sound::Tone(-1.0), 12.0);
    let all = names(&told);
    assert_eq!(all[0], ("in/stuck/R".to_string(), false), "{all:?}");
    assert!(all.contains(&("in/inverted".to_string(), true)), "{all:?}");
    let told = play(&mut rig, &mut player, Sound::Tone(1.0), 12.0);
    assert!(names(&told).contains(&("in/inverted".to_string(), false)), "{told:?}");
    assert_eq!(on(&rig), Vec::<String>::new());
}

#[test]
fn without_alarms_nothing_is_tapped() {
    let mut rig = Rig::new();
    rig.run(0.1, &mut []);
    assert_eq!((rig.armed(), rig.telemetry.alarms()), (0, Vec::new()));
}

#[test]
fn a_clock_beside_its_rate_is_told_once_when_it_begins_and_ends() {
    let raise = Raise { clock: true, ..Raise::default() };
    let mut watch = AlarmWatch::new(Standards { raise, ..Standards::default() });
    assert!(watch.taps().is_empty(), "no tap for the clock alone");
    let mut look = |reading: Option<(f64, Option<bool>)>| {
        let of =
            |(d, alarm): (f64, _)| ClockReadings { measured_hz: 48_000.0 * (1.0 + d), deviation: d, alarm };
        watch.look(&[], reading.map(of).as_ref())
    };
    assert_eq!(look(None), []);
    // What is not settled changes nothing.
    assert_eq!(look(Some((-0.081, None))), []);
    let told = look(Some((-0.081, Some(true))));
    println!("{}", told[0].message);
    assert!(
        told[0].on && told[0].alarms[0].address() == "clock" && told[0].message.contains("44112 Hz, -8.10 %")
    );
    for r in [Some((-0.081, Some(true))), None, Some((0.0, None))] {
        assert_eq!(look(r), [], "{r:?}");
    }
    let told = look(Some((0.0, Some(false))));
    assert!(!told[0].on && told.len() == 1, "{told:?}");
    assert_eq!(look(Some((0.0, Some(false)))), []);
}

#[test]
fn who_is_late_gets_what_is_kept_and_who_begins_gets_what_comes() {
    let raise = Raise { clock: true, ..Raise::default() };
    let mut watch = AlarmWatch::new(Standards { raise, ..Standards::default() });
    let (mut board, mut first) = (Board::default(), Some(0));
    for n in 0..300 {
        let deviation = if n % 2 == 0 { 0.01 } else { 0.0 };
        let reading = ClockReadings { measured_hz: 0.0, deviation, alarm: Some(n % 2 == 0) };
        let told = watch.look(&[], Some(&reading));
        board.tell(told, watch.states());
    }
    assert_eq!((board.raised(AlarmKind::Clock), board.since(&mut first).len()), (150, 256));
    assert_eq!(board.since(&mut first), []);
    assert_eq!(board.since(&mut None), []);
    let reading = ClockReadings { measured_hz: 0.0, deviation: 0.01, alarm: Some(true) };
    board.tell(watch.look(&[], Some(&reading)), watch.states());
    assert_eq!((board.since(&mut first).len(), board.all()[0].1), (1, true));
}
