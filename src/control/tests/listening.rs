// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is listened to: one slot at a time, at the monitor alone, and in nothing that is stored.

use lathe_core::rack::plan::SlotPlan;
use lathe_core::units::find;

use super::snapshots::Snapshots;
use super::*;

/// DC of 0.25 in; keeps the last quantum of main and monitor, first channel.
#[derive(Default)]
struct Ears {
    main: f64,
    monitor: f64,
}

impl Ports for Ears {
    fn read(&mut self, _: usize, _: usize, into: &mut [f64]) {
        into.fill(0.25);
    }
    fn write_main(&mut self, channel: usize, _: usize, audio: &[f64]) {
        if channel == 0 {
            self.main = audio[QUANTUM - 1];
        }
    }
    fn write_monitor(&mut self, channel: usize, _: usize, audio: &[f64]) {
        if channel == 0 {
            self.monitor = audio[QUANTUM - 1];
        }
    }
}

/// Main and monitor some seconds later. A band-pass leaves nothing of DC, a low-pass all of it.
fn heard(control: &mut Control, periods: &mut Periods) -> (f64, f64) {
    let mut ears = Ears::default();
    for _ in 0..3000 {
        periods.run(QUANTUM, &mut ears);
        control.tick();
    }
    assert!(control.is_settled());
    (ears.main, ears.monitor)
}

/// The rack with a second equalizer, `two`, whose first band is a low shelf without gain.
fn two() -> RackPlan {
    let mut plan = plan();
    plan.slots.insert(2, SlotPlan::unit("two", find("equalizer").unwrap()).with("band1/shape", 1.0));
    plan
}

fn near(a: (f64, f64), b: (f64, f64)) -> bool {
    (a.0 - b.0).abs() < 1e-6 && (a.1 - b.1).abs() < 1e-6
}

#[test]
fn one_slot_at_a_time_is_heard_and_only_at_the_monitor() {
    let mut control = Control::new(two());
    let mut periods = Periods::new(control.start(48_000).unwrap(), QUANTUM);
    let (main, both) = (heard(&mut control, &mut periods), (0.25, 0.25));
    assert!(near(main, both), "{main:?}");
    let changes = control.subscribe();
    let set = |c: &mut Control, a: &str, v: f64| c.edit(&edit(vec![item(a, v)])).unwrap();
    let done = set(&mut control, "monitor/listen/eq", 1.0);
    assert!(near(heard(&mut control, &mut periods), (0.25, 0.0)));
    assert!(control.is_applied(done.revision));
    set(&mut control, "monitor/listen/two", 1.0);
    assert!(near(heard(&mut control, &mut periods), (0.25, 0.25)));
    let told: Vec<Kind> = std::iter::from_fn(|| changes.next()).map(|c| c.kind.clone()).collect();
    let pair = |a: &str, v: f64| (a.to_string(), v);
    let both = vec![pair("monitor/listen/two", 1.0), pair("monitor/listen/eq", 0.0)];
    assert_eq!(told, [Kind::Values(vec![pair("monitor/listen/eq", 1.0)]), Kind::Values(both)]);
    assert_eq!((value(&control, "monitor/listen/eq"), value(&control, "monitor/listen/two")), (0.0, 1.0));
    // Nothing to undo, and 0 of a slot that is not heard changes nothing.
    assert_eq!(control.history().steps().count(), 0);
    set(&mut control, "monitor/listen/eq", 0.0);
    assert_eq!(value(&control, "monitor/listen/two"), 1.0);
    // Another engine hears the same; a band of the first equalizer now.
    set(&mut control, "monitor/listen/eq", 24.0);
    periods = Periods::new(control.start(96_000).unwrap(), QUANTUM);
    assert!(near(heard(&mut control, &mut periods), (0.25, 0.0)));
    // A rack without that slot hears its source again.
    let mut without = two();
    without.slots.retain(|s| s.id != "eq");
    control.reload(without).unwrap();
    assert!(near(heard(&mut control, &mut periods), (0.25, 0.25)));
    control.reload(two()).unwrap();
    assert_eq!(value(&control, "monitor/listen/eq"), 0.0, "forgotten");
}

#[test]
fn what_cannot_be_listened_to_is_refused_with_what_can() {
    let (mut control, _periods) = started();
    for (address, value, words) in [
        ("monitor/listen/a", 1.0, "can be listened to: eq"),
        ("monitor/listen/none", 1.0, "can be listened to: eq"),
        ("monitor/listen/eq", 25.0, "0 to 24"),
        ("monitor/listen/eq", 1.5, "0 to 24"),
        ("monitor/source", 3.0, "main"),
    ] {
        let Err(EditError::Items(errors)) = control.edit(&edit(vec![item(address, value)])) else {
            panic!("{address} = {value} accepted")
        };
        assert!(errors[0].2.to_string().contains(words), "{}", errors[0].2);
    }
}

#[test]
fn a_slot_can_be_heard_as_soon_as_its_chain_has_come() {
    let (mut control, mut periods) = started();
    run(&mut control, &mut periods, 10);
    // Two installs: the second waits for the first.
    control.edit(&edit(vec![item("bands/slope", 1.0)])).unwrap();
    control.reload(two()).unwrap();
    control.edit(&edit(vec![item("monitor/listen/two", 2.0)])).unwrap();
    assert!(near(heard(&mut control, &mut periods), (0.25, 0.0)));
}

#[test]
fn nothing_that_is_stored_knows_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let (host, _periods) = bench();
    let library = library(&host, dir.path());
    host.control().edit(&edit(vec![item("monitor/listen/eq", 2.0), item("monitor/source", 2.0)])).unwrap();
    let stored = library.create("Verse", "", "me", Client(1)).unwrap();
    assert!(stored.values.keys().all(|k| !k.starts_with("monitor")), "{:?}", stored.values);
    let text = lathe_core::rack::export(host.control().plan());
    assert!(!text.contains("listen") && !text.contains("source"), "{text}");
    let state = host.control().last_state();
    assert_eq!(state.monitor.get("monitor/source"), Some(&2.0), "a source stays, as level and mute do");
    assert!(state.monitor.keys().chain(state.values.keys()).all(|k| !k.contains("listen")));
    library.recall("Verse", 0.0, Client(1)).unwrap();
    assert_eq!(host.control().get("monitor/listen/eq").unwrap().1, 2.0, "a recall leaves it");
}
