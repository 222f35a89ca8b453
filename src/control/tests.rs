// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one writer, driving an engine that a test runs by hand.

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::{Periods, Ports};
use lathe_core::rack;

use super::*;

const RACK: &str = r#"
format = 1
[rack]
name = "test"
layout = "stereo"
[[slot]]
id = "a"
unit = "gain"
[[slot]]
id = "eq"
unit = "equalizer"
params = { band1 = { gain = 3 } }
[[slot]]
id = "bands"
split = "bands"
  [[slot.branch]]
  id = "low"
  [[slot.branch]]
  id = "high"
[[slot]]
id = "lim"
unit = "limiter"
"#;

/// Full-scale DC in, both channels; keeps the first channel out.
struct Dc(Vec<f64>);

impl Ports for Dc {
    fn read(&mut self, _: usize, _: usize, into: &mut [f64]) {
        into.fill(0.25);
    }
    fn write_main(&mut self, channel: usize, _: usize, audio: &[f64]) {
        if channel == 0 {
            self.0.extend_from_slice(audio);
        }
    }
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

fn plan() -> RackPlan {
    rack::load(RACK, "test").unwrap_or_else(|e| panic!("{e}")).plan
}

fn started() -> (Control, Periods) {
    let mut control = Control::new(plan());
    let engine = control.start(48_000).unwrap();
    (control, Periods::new(engine, QUANTUM))
}

fn run(control: &mut Control, periods: &mut Periods, quanta: usize) -> Vec<f64> {
    let mut dc = Dc(Vec::new());
    for _ in 0..quanta {
        periods.run(QUANTUM, &mut dc);
        control.tick();
    }
    dc.0
}

fn item(address: &str, value: f64) -> Item {
    Item { address: address.into(), input: Input::Real(value), ramp_ms: None }
}

fn edit(items: Vec<Item>) -> Edit {
    Edit { client: Client(1), items, when: When::Now, validate_only: false }
}

fn value(control: &Control, address: &str) -> f64 {
    control.get(address).unwrap().1
}

#[test]
fn a_batch_is_made_whole_or_not_at_all() {
    let (mut control, _periods) = started();
    let bad = edit(vec![
        item("a/trim", -6.0),
        item("lim/ceiling", 3.0),
        item("eq/band9/gain", 1.0),
        item("eq/band1/gain", f64::NAN),
    ]);
    let Err(EditError::Items(errors)) = control.edit(&bad) else { panic!("accepted") };
    assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), [1, 2, 3], "{errors:?}");
    assert!(errors[0].2.to_string().contains("-24 dB to 0 dB"), "{}", errors[0].2);
    assert_eq!(value(&control, "a/trim"), 0.0);
    assert_eq!(control.revision(), 1, "nothing happened");
    let mut check = edit(vec![item("a/trim", -6.0)]);
    check.validate_only = true;
    assert_eq!(control.edit(&check).unwrap().values, [("a/trim".to_string(), -6.0)]);
    assert_eq!(value(&control, "a/trim"), 0.0);
}

#[test]
fn a_set_reaches_the_sound_and_is_told() {
    let (mut control, mut periods) = started();
    let changes = control.subscribe();
    let done = control.edit(&edit(vec![item("a/trim", -6.020_599_913_279_624)])).unwrap();
    assert!(!control.is_applied(done.revision));
    let y = run(&mut control, &mut periods, 400);
    assert!(control.is_applied(done.revision));
    let end = y.last().unwrap();
    let c = changes.next().unwrap();
    assert_eq!((c.revision, c.client), (done.revision, Client(1)));
    // The equalizer's bell at 1 kHz passes DC.
    assert!((end - 0.125).abs() < 1e-6, "{end}");
}

#[test]
fn a_scheduled_batch_begins_on_its_frame() {
    let (mut control, mut periods) = started();
    let mut later = edit(vec![item("a/trim", -20.0)]);
    later.when = When::At(10_007);
    control.edit(&later).unwrap();
    let y = run(&mut control, &mut periods, 200);
    let latency = control.spec().unwrap().latency;
    // Settled DC up to the frame; the first ramp frame is already lower.
    let before = y[10_007 + latency - 1];
    let first = (latency + 5_000..y.len()).find(|&n| y[n] != y[n - 1] && n > 9_000).unwrap();
    println!("ramp heard from frame {} ({before})", first - latency);
    assert_eq!(first - latency, 10_007);
}

#[test]
fn a_flood_ends_on_its_last_value() {
    let (mut control, mut periods) = started();
    for n in 0..20_000 {
        control.edit(&edit(vec![item("a/trim", -60.0 + f64::from(n % 840) / 10.0)])).unwrap();
    }
    control.edit(&edit(vec![item("a/trim", -6.020_599_913_279_624)])).unwrap();
    assert!(!control.is_settled(), "the ring cannot have held all of them");
    let y = run(&mut control, &mut periods, 1000);
    assert!(control.is_settled());
    assert!((y.last().unwrap() - 0.125).abs() < 1e-6, "{}", y.last().unwrap());
}

#[test]
fn undo_and_redo_walk_and_a_drag_is_one_step() {
    let (mut control, _periods) = started();
    for n in 0..50 {
        control.edit(&edit(vec![item("a/trim", f64::from(-n) / 10.0)])).unwrap();
    }
    control.edit(&edit(vec![item("eq/band1/gain", 6.0)])).unwrap();
    control.edit(&edit(vec![item("monitor/level", -10.0)])).unwrap();
    assert_eq!(control.history().steps().count(), 2, "a drag, a set; the monitor is outside");
    control.undo(Client(1)).unwrap();
    assert_eq!(value(&control, "eq/band1/gain"), 3.0);
    control.undo(Client(1)).unwrap();
    assert_eq!(value(&control, "a/trim"), 0.0);
    assert_eq!(control.undo(Client(1)).unwrap(), None);
    control.redo(Client(1)).unwrap();
    control.redo(Client(1)).unwrap();
    assert_eq!((value(&control, "a/trim"), value(&control, "eq/band1/gain")), (-4.9, 6.0));
    assert_eq!(value(&control, "monitor/level"), -10.0);
}

#[test]
fn structural_changes_and_sets_may_come_in_any_order() {
    let (mut control, mut periods) = started();
    control.edit(&edit(vec![item("bands/slope", 1.0)])).unwrap();
    // While that install is under way: another one, and sets to kept and to changing slots.
    run(&mut control, &mut periods, 2);
    control.edit(&edit(vec![item("lim/lookahead", 5.0), item("bands/freq1", 500.0)])).unwrap();
    control.edit(&edit(vec![item("a/trim", -6.020_599_913_279_624)])).unwrap();
    control.edit(&edit(vec![item("rack/bypass", 1.0), item("rack/bypass", 0.0)])).unwrap();
    run(&mut control, &mut periods, 6000);
    assert!(control.is_settled());
    let status = control.status().unwrap().clone();
    assert_eq!(status.installs.load(Relaxed), 2);
    assert_eq!(status.latency.load(Relaxed), control.spec().unwrap().latency);
    let y = run(&mut control, &mut periods, 100);
    assert!((y.last().unwrap() - 0.125).abs() < 1e-6, "{}", y.last().unwrap());
}

#[test]
fn a_new_engine_starts_from_what_was_accepted() {
    let (mut control, _lost) = started();
    control.edit(&edit(vec![item("a/trim", -6.020_599_913_279_624), item("monitor/mute", 1.0)])).unwrap();
    control.edit(&edit(vec![item("rack/bypass", 1.0)])).unwrap();
    control.set_panic(true, Client(2));
    let engine = control.start(96_000).unwrap();
    let mut periods = Periods::new(engine, QUANTUM);
    assert!(control.panic());
    run(&mut control, &mut periods, 100);
    control.set_panic(false, Client(2));
    let y = run(&mut control, &mut periods, 400);
    assert_eq!(*y.last().unwrap(), 0.25, "bypassed");
    assert!(control.is_settled());
}
