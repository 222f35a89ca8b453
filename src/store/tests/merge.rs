// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last state against an unchanged, an edited and another rack file.

use super::*;

const FILE: &str = "format=1\n[rack]\nlayout='stereo'\n\
    [[slot]]\nid='a'\nunit='gain'\nparams={trim=-1}\n[[slot]]\nid='b'\nunit='gain'\nparams={trim=-2}\n\
    [[slot]]\nid='s'\nsplit='bands'\nparams={freq1=100,freq2=1000}\n\
    [[slot.branch]]\nid='lo'\n[[slot.branch]]\nid='mid'\n[[slot.branch]]\nid='hi'\n";

/// The state of [`FILE`] with some values turned by hand.
fn turned(values: &[(&str, f64)]) -> LastState {
    let mut state = LastState {
        revision: 7,
        rack_file: FILE.into(),
        rack_hash: rack_hash(FILE),
        values: Draft::of("x", &plan(FILE)).values,
        monitor: BTreeMap::from([("dim".into(), 1.0)]),
        ..LastState::default()
    };
    state.values.insert("rack/bypass".into(), 1.0);
    state.values.extend(values.iter().map(|(a, v)| (a.to_string(), *v)));
    state
}

fn against(state: &LastState, file: &str) -> Restored {
    restore(Some(state), false, file, &plan(file))
}

#[test]
fn unchanged_file_the_state_wins() {
    let state = LastState { panic: true, ..turned(&[("a/trim", 3.25)]) };
    let found = against(&state, FILE);
    assert_eq!((found.origin, found.revision, found.panic), (Origin::Restored, 7, true));
    assert_eq!((&found.values, &found.monitor, found.notes.len()), (&state.values, &state.monitor, 0));
    assert_eq!(found.origin.to_string(), "restored");
}

#[test]
fn changed_file_wins_where_it_changed() {
    let state = turned(&[("a/trim", 3.0), ("b/trim", 4.0)]);
    let found =
        against(&state, &FILE.replace("trim=-2", "trim=-6").replace("layout=", "name='new'\nlayout="));
    assert_eq!(found.origin, Origin::Merged);
    assert_eq!(
        (found.values["a/trim"], found.values["b/trim"], found.values["rack/bypass"]),
        (3.0, -6.0, 1.0)
    );
    assert_eq!(
        (found.notes, found.monitor),
        (vec!["b/trim was 4; the rack file says -6".into()], state.monitor)
    );
}

#[test]
fn a_new_layout_takes_what_fits() {
    let state = turned(&[("a/trim", 3.0), ("b/trim", 4.0), ("b/mix", 50.0)]);
    let file = FILE.replace(
        "id='b'\nunit='gain'\nparams={trim=-2}",
        "id='b'\nunit='limiter'\n[[slot]]\nid='c'\nunit='gain'\nparams={trim=1}",
    );
    let found = against(&state, &file);
    assert_eq!(found.origin, Origin::Merged);
    assert_eq!((found.values["a/trim"], found.values["b/mix"], found.values["c/trim"]), (3.0, 100.0, 1.0));
    assert!(!found.values.contains_key("b/trim"));
    assert!(found.notes.contains(&"b/trim = 4 is not in the rack any more".into()), "{:?}", found.notes);
}

#[test]
fn no_state_or_fresh_the_file() {
    let file = plan(FILE);
    let state = LastState { panic: true, ..turned(&[("a/trim", 3.0)]) };
    for (found, notes) in
        [(restore(None, false, FILE, &file), 0), (restore(Some(&state), true, FILE, &file), 1)]
    {
        assert_eq!((found.origin, found.values["a/trim"], found.panic), (Origin::File, -1.0, false));
        assert_eq!((found.notes.len(), found.monitor.len()), (notes, 0));
    }
}

#[test]
fn what_is_not_allowed_today_is_not_kept() {
    let found = against(&turned(&[("a/trim", 999.0), ("rack/bypass", 0.5)]), FILE);
    assert_eq!((found.origin, found.values["a/trim"]), (Origin::Restored, -1.0));
    assert!(!found.values.contains_key("rack/bypass"));
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
}

#[test]
fn crossovers_that_would_cross_come_from_the_file() {
    let state = turned(&[("s/freq1", 800.0), ("a/trim", 3.0)]);
    let found = against(&state, &FILE.replace("freq2=1000", "freq2=500"));
    assert_eq!(
        (found.values["s/freq1"], found.values["s/freq2"], found.values["a/trim"]),
        (100.0, 500.0, 3.0)
    );
    assert!(found.notes.iter().any(|n| n.contains("crossover frequencies must rise")), "{:?}", found.notes);
}

#[test]
fn a_rack_that_was_loaded_later_is_running_again() {
    let rack = FILE.replace("id='a'", "id='z'");
    let values = BTreeMap::from([("z/trim".to_string(), 5.0)]);
    let state = LastState { rack: Some(rack.clone()), values, ..turned(&[]) };
    let found = against(&state, FILE);
    assert_eq!((found.origin, found.rack, found.values["z/trim"]), (Origin::Restored, Some(rack), 5.0));
    let edited = against(&state, &FILE.replace("trim=-2", "trim=0"));
    assert_eq!((edited.origin, edited.rack, edited.values["b/trim"]), (Origin::Merged, None, 0.0));
    let gone = LastState { rack: Some("gone".into()), ..turned(&[("a/trim", 2.0)]) };
    let found = against(&gone, FILE);
    assert_eq!((found.rack, found.values["a/trim"], found.notes.len()), (None, 2.0, 1));
}
