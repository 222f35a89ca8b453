// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one writer, driving an engine that a test runs by hand.

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::{Periods, Ports};
use lathe_core::rack;

use super::*;

mod listening;

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
        item("eq/band25/gain", 1.0),
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

/// A host without a driver: the test runs the engine.
struct Bench(std::sync::Mutex<Control>);

impl Host for Bench {
    fn control(&self) -> std::sync::MutexGuard<'_, Control> {
        self.0.lock().unwrap()
    }
    fn audio(&self) -> AudioState {
        AudioState { audible: true, rate: 48_000, period: 64, ..AudioState::default() }
    }
    fn reopen(&self) {}
}

fn bench() -> (Arc<Bench>, Periods) {
    let (control, periods) = started();
    (Arc::new(Bench(std::sync::Mutex::new(control))), periods)
}

fn library(host: &Arc<Bench>, dir: &std::path::Path) -> snapshots::Library {
    let state = crate::store::StateDir::open(Some(dir)).unwrap();
    let store = state.snapshots().unwrap();
    snapshots::Library::new(host.clone(), store)
}

#[test]
fn a_snapshot_comes_back_as_one_change_and_leaves_the_monitor_alone() {
    use snapshots::{SnapshotError, Snapshots};
    let dir = tempfile::tempdir().unwrap();
    let (host, mut periods) = bench();
    let library = library(&host, dir.path());
    let set = |address: &str, value: f64| {
        host.control().edit(&edit(vec![item(address, value)])).unwrap();
    };
    set("a/trim", -6.0);
    set("bands/slope", 1.0);
    set("rack/bypass", 1.0);
    library.create("Verse", "loud", "me", Client(1)).unwrap();
    for (address, value) in
        [("a/trim", 3.0), ("bands/slope", 0.0), ("rack/bypass", 0.0), ("monitor/level", -12.0)]
    {
        set(address, value);
    }
    let steps = host.control().history().steps().count();
    let changes = host.control().subscribe();
    let revision = library.recall("Verse", 0.0, Client(2)).unwrap();
    assert_eq!(changes.next().unwrap().revision, revision, "one change");
    let now = |address: &str| host.control().get(address).unwrap().1;
    assert_eq!((now("a/trim"), now("bands/slope"), now("rack/bypass")), (-6.0, 1.0, 1.0));
    assert_eq!(now("monitor/level"), -12.0);
    assert_eq!(host.control().history().steps().count(), steps + 1);
    run(&mut host.control(), &mut periods, 4000);
    assert!(host.control().is_settled() && host.control().is_applied(revision));
    let missing = library.recall("Verze", 0.0, Client(1));
    let Err(SnapshotError::NotFound { hint, .. }) = &missing else { panic!("{missing:?}") };
    assert!(hint.contains("Verse"), "{hint}");
    let mut other = plan();
    other.slots.remove(0);
    host.control().reload(other).unwrap();
    let Err(SnapshotError::Layout(differences)) = library.recall("Verse", 0.0, Client(1)) else { panic!() };
    assert!(differences.iter().any(|d| d.contains("a/trim")), "{differences:?}");
    assert_eq!(library.current().as_deref(), Some("Verse"));
    library.delete("Verse", Client(1)).unwrap();
    assert!(library.list().is_empty());
}

#[test]
fn a_morph_travels_along_the_scales_and_arrives_exactly() {
    let (mut control, mut periods) = started();
    let values = [("a/trim", -20.0), ("eq/band1/freq", 4000.0), ("eq/band1/gain", -6.0)];
    let to = values.iter().map(|(a, v)| (a.to_string(), *v)).collect();
    let revision = control.recall(&to, 0.3, Client(1), "recall").unwrap();
    assert_eq!(value(&control, "eq/band1/freq"), 4000.0, "accepted at once");
    let halfway = control.wanted();
    let (_, spec, freq) = halfway.find("eq/band1/freq").unwrap();
    assert!(freq < 1500.0 && freq >= spec.default, "{freq} Hz at the start of the way");
    let begun = std::time::Instant::now();
    let mut steps = std::collections::BTreeSet::new();
    while begun.elapsed().as_secs_f64() < 0.5 {
        run(&mut control, &mut periods, 4);
        steps.insert(control.wanted().find("eq/band1/freq").unwrap().2.to_bits());
        std::thread::sleep(std::time::Duration::from_millis(4));
    }
    assert!(steps.len() > 5, "{} steps on the way", steps.len());
    run(&mut control, &mut periods, 200);
    assert!(control.is_settled() && control.is_applied(revision));
    assert_eq!(control.running.as_ref().unwrap().sent.rack, *control.plan());
    assert!(control.recall(&to, f64::NAN, Client(1), "recall").is_err());
}

#[test]
fn the_last_state_survives_a_restart_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let state = crate::store::StateDir::open(Some(dir.path())).unwrap();
    let (host, _periods) = bench();
    host.control().set_file(RACK);
    let keeper = keeper::Keeper::start(host.clone(), state.last_state()).unwrap();
    let wanted = [("a/trim", -0.1 - 0.2), ("eq/band3/freq", 1_234.567_890_123), ("monitor/level", -3.3)];
    host.control().edit(&edit(wanted.iter().map(|(a, v)| item(a, *v)).collect())).unwrap();
    host.control().set_panic(true, Client(1));
    let revision = host.control().revision();
    keeper.stop();
    let (read, refused) = state.last_state().load();
    assert!(refused.is_empty());
    let restored = crate::store::restore(read.as_ref().map(|r| &r.content), false, RACK, &plan());
    assert_eq!(restored.origin, crate::store::Origin::Restored);
    let mut again = Control::new(plan());
    again.restore(&restored);
    assert!(again.panic());
    assert_eq!(again.revision(), revision);
    for (address, value) in wanted {
        assert_eq!(again.get(address).unwrap().1.to_bits(), value.to_bits(), "{address}");
    }
    again.start(48_000).unwrap();
    assert!(again.status().unwrap().panic.load(Relaxed), "latched through a restart");
}

/// DC of 0.25 in, `db` louder.
fn heard(db: f64) -> f64 {
    0.25 * 10f64.powf(db / 20.0)
}

fn at(frame: u64, items: Vec<Item>) -> Edit {
    Edit { when: When::At(frame), ..edit(items) }
}

#[test]
fn a_later_set_wins_over_a_batch_that_left_early_for_its_frame() {
    let (mut control, mut periods) = started();
    run(&mut control, &mut periods, 100);
    let frame = periods.engine().frame() + 4_000;
    control.edit(&at(frame, vec![item("a/trim", -20.0), item("eq/band2/gain", 3.0)])).unwrap();
    let later = control.edit(&edit(vec![item("a/trim", 0.0)])).unwrap();
    let shelf = [("eq/band1/shape", 1.0), ("eq/band1/gain", -12.0)];
    control.edit(&edit(shelf.iter().map(|(a, v)| item(a, *v)).collect())).unwrap();
    assert!(!control.is_applied(later.revision), "its slot is spoken for until that frame");
    let y = run(&mut control, &mut periods, 400);
    assert!(control.is_settled() && control.is_applied(later.revision));
    let end = *y.last().unwrap();
    assert!((end - heard(-12.0)).abs() < 1e-4, "{end} instead of {}", heard(-12.0));
}

#[test]
fn a_reload_waits_for_a_batch_that_left_early_for_its_frame() {
    let (mut control, mut periods) = started();
    run(&mut control, &mut periods, 100);
    let frame = periods.engine().frame() + 4_000;
    control.edit(&at(frame, vec![item("a/mix", 99.0)])).unwrap();
    let mut without = plan();
    without.slots.remove(0);
    control.reload(without).unwrap();
    let y = run(&mut control, &mut periods, 800);
    assert!(control.is_settled());
    assert!(y.iter().all(|v| v.abs() <= 0.2501), "no slot got another's value");
}

#[test]
fn a_glide_set_beside_a_structural_change_under_way_is_not_lost() {
    let (mut control, mut periods) = started();
    control.edit(&edit(vec![item("lim/hold", 5.0)])).unwrap();
    run(&mut control, &mut periods, 2);
    control.edit(&edit(vec![item("bands/slope", 1.0), item("bands/low/gain", -20.0)])).unwrap();
    let y = run(&mut control, &mut periods, 6000);
    assert!(control.is_settled());
    let end = *y.last().unwrap();
    assert!((end - heard(-20.0)).abs() < 1e-4, "{end} instead of {}", heard(-20.0));
}

#[test]
fn a_new_engine_counts_scheduled_frames_anew_and_has_what_was_accepted() {
    let (mut control, mut periods) = started();
    run(&mut control, &mut periods, 2000);
    let frame = periods.engine().frame() + 20_000;
    control.edit(&at(frame, vec![item("a/trim", -20.0)])).unwrap();
    let engine = control.start(48_000).unwrap();
    assert!(control.is_applied(control.revision()));
    let y = run(&mut control, &mut Periods::new(engine, QUANTUM), 400);
    assert!((y.last().unwrap() - heard(-20.0)).abs() < 1e-6);
}

#[test]
fn a_structural_set_between_other_ports_and_their_engine_is_kept() {
    let (mut control, _periods) = started();
    let mut mono = plan();
    mono.layout = lathe_core::units::Layout::named("mono").unwrap();
    assert_eq!(control.reload(mono).unwrap(), Reloaded::Ports);
    control.edit(&edit(vec![item("bands/slope", 1.0)])).unwrap();
    let engine = control.start(48_000).unwrap();
    assert_eq!((engine.channels(), value(&control, "bands/slope")), (1, 1.0));
}

#[test]
fn panic_before_the_start_lets_nothing_through() {
    let mut control = Control::new(plan());
    control.set_panic(true, Client(1));
    let engine = control.start(48_000).unwrap();
    let y = run(&mut control, &mut Periods::new(engine, QUANTUM), 50);
    assert!(y.iter().all(|v| *v == 0.0), "{:?}", y.iter().find(|v| **v != 0.0));
}

/// Long designs are made beside the writer: nothing waits for them, drags go on, the last value arrives.
#[test]
fn long_designs_keep_nobody_waiting() {
    let toml = "format = 1\n[rack]\nlayout = \"stereo\"\n[[slot]]\nid = \"eq\"\nunit = \"equalizer\"\n\
                params = { phase = \"linear\", length = \"high\", band1 = { gain = 1 } }\n\
                [[slot]]\nid = \"trim\"\nunit = \"gain\"\n";
    let mut control = Control::new(rack::load(toml, "t").unwrap().plan);
    let mut periods = Periods::new(control.start(48_000).unwrap(), QUANTUM);
    let standing = |control: &Control, slot: &str, symbol: &str| {
        let sent = &control.running.as_ref().unwrap().sent.rack;
        let slot = sent.walk().into_iter().find(|s| s.id == slot).unwrap();
        slot.values.get(slot.table.find(symbol).unwrap())
    };
    let (mut slowest, mut steps) = (std::time::Duration::ZERO, BTreeSet::new());
    let begun = std::time::Instant::now();
    let mut sets = 0;
    // A drag of 2 s, 100 changes a second, with a fader of another slot moved beside it.
    while begun.elapsed().as_secs_f64() < 2.0 {
        if begun.elapsed().as_secs_f64() * 100.0 > f64::from(sets) {
            sets += 1;
            let start = std::time::Instant::now();
            let (gain, trim) = (1.0 + 0.05 * f64::from(sets), -0.01 * f64::from(sets));
            control.edit(&edit(vec![item("eq/band1/gain", gain), item("trim/trim", trim)])).unwrap();
            slowest = slowest.max(start.elapsed());
        }
        run(&mut control, &mut periods, 1);
        steps.insert(standing(&control, "eq", "band1/gain").to_bits());
        assert_eq!(value(&control, "trim/trim"), standing(&control, "trim", "trim"), "trim waits");
    }
    let patience = std::time::Instant::now();
    while !control.is_settled() {
        assert!(patience.elapsed().as_secs() < 20, "the last design never came");
        run(&mut control, &mut periods, 1);
    }
    let (wanted, last) = (value(&control, "eq/band1/gain"), standing(&control, "eq", "band1/gain"));
    println!("{sets} sets, {} designs on the way, slowest answer {slowest:?}", steps.len());
    assert!(last == wanted && steps.len() >= 3, "{last} dB, not {wanted}; {} designs", steps.len());
}
