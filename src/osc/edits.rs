// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values: what a packet sets, as one batch, and what it asks for.

use std::collections::HashMap;

use lathe_core::param::ParamSpec;

use super::desk::{Desk, Own};
use super::dispatch::{Turn, asker};
use super::request::{Code, Form, OscRequest, Select, Value};
use super::time::Due;
use super::{matcher::OutOfWork, reply};
use crate::control::edit::ItemError;
use crate::control::{Control, Edit, EditError, Input, Item, When};

impl Desk {
    /// All sets of a packet as one change, or none of them.
    pub(super) fn edit(&mut self, turn: &mut Turn, asked: &[(&str, OscRequest)], due: Due) {
        let sets = asked.iter().filter_map(|(address, r)| match r {
            OscRequest::Set { controls, value } => Some((*address, controls, value)),
            _ => None,
        });
        let host = self.host.clone();
        let mut control = host.control();
        let (mut items, mut forms) = (Vec::new(), HashMap::new());
        for (address, select, value) in sets {
            collect(turn, &control, address, select, value, &mut items);
            if let Select::One(name) = select {
                forms.insert(name.clone(), form_of(value));
            }
        }
        if items.is_empty() || !turn.errors.is_empty() {
            return;
        }
        let Some(when) = self.when(turn, due) else { return };
        let names: Vec<String> = items.iter().map(|i| i.address.clone()).collect();
        let before = control.revision();
        let edit = Edit { client: turn.client, items, when, validate_only: false };
        match control.edit(&edit) {
            Ok(done) => {
                let revision = (done.revision > before).then_some(done.revision);
                drop(control);
                self.expect_own(Own { client: turn.client, revision, names, forms });
            }
            Err(e) => refuse_edit(turn, e),
        }
    }

    fn when(&self, turn: &mut Turn, due: Due) -> Option<When> {
        let Due::In(ahead) = due else { return Some(When::Now) };
        let frame = self.clock.at(turn.now + ahead);
        if frame.is_none() {
            turn.refuse("#bundle", Code::Failed, "no engine runs, so there is no sample clock to wait for");
        }
        frame.map(When::At)
    }

    /// Answers with values.
    pub(super) fn get(&mut self, turn: &mut Turn, address: &str, select: &Select, form: Form) {
        let host = self.host.clone();
        let control = host.control();
        if let Select::One(name) = select {
            return match control.get(name) {
                Ok((spec, value)) => turn.answer(address, reply::value(name, &spec, value, form)),
                Err(e) => turn.refuse(address, Code::Address, e),
            };
        }
        let controls = turn.controls.take().unwrap_or_else(|| control.controls());
        drop(control);
        let mut found = 0;
        for c in &controls {
            match select.has_control(&c.address, &mut turn.budget) {
                Ok(true) => {
                    found += 1;
                    turn.answer(address, reply::value(&c.address, &c.spec, c.value, form));
                }
                Ok(false) => {}
                Err(OutOfWork) => {
                    turn.refuse(address, Code::Packet, OutOfWork);
                    break;
                }
            }
        }
        // An edit would make it stale, but all edits of a packet come first.
        turn.controls = Some(controls);
        if found == 0 && address.starts_with("/rack/") {
            turn.refuse(address, Code::Address, "no control matches");
        }
    }

    /// Answers with readings.
    pub(super) fn readings(&mut self, turn: &mut Turn, address: &str, select: &Select) {
        let named = address.starts_with("/meter/");
        let Some(meters) = &self.meters else {
            if named {
                turn.refuse(address, Code::Failed, "this rack has no meters");
            }
            return;
        };
        let mut names = meters.names();
        let mut spent = false;
        names.retain(|n| {
            !spent
                && select.has_reading(n, &mut turn.budget).unwrap_or_else(|OutOfWork| {
                    spent = true;
                    false
                })
        });
        if let (true, Select::One(name)) = (names.is_empty(), select) {
            names = meters.named(name);
            names.retain(|n| !meters.is_frames(n));
        }
        if spent {
            turn.refuse(address, Code::Packet, OutOfWork);
        } else if names.is_empty() && named {
            turn.refuse(address, Code::Address, "there is no such reading");
        }
        if names.is_empty() {
            return;
        }
        for (name, value) in meters.poll(asker(turn.client), 0.0, &names).unwrap_or_default() {
            turn.answer(address, reply::reading(&name, Some(value)));
        }
    }
}

/// The items of one set.
fn collect(
    turn: &mut Turn,
    control: &Control,
    address: &str,
    select: &Select,
    value: &Value,
    items: &mut Vec<Item>,
) {
    let mut add = |turn: &mut Turn, name: &str, spec: &ParamSpec| match value.resolve(spec) {
        Ok(v) => items.push(Item { address: name.into(), input: Input::Real(v), ramp_ms: None }),
        Err(e) => turn.refuse(&super::request::control_address(name), Code::Value, e),
    };
    if let Select::One(name) = select {
        return match control.get(name) {
            Ok((spec, _)) => add(turn, name, &spec),
            Err(e) => turn.refuse(address, Code::Address, e),
        };
    }
    let controls = turn.controls.take().unwrap_or_else(|| control.controls());
    let mut found = false;
    for c in &controls {
        match select.has_control(&c.address, &mut turn.budget) {
            Ok(true) => {
                found = true;
                add(turn, &c.address, &c.spec);
            }
            Ok(false) => {}
            Err(OutOfWork) => {
                turn.refuse(address, Code::Packet, OutOfWork);
                return;
            }
        }
    }
    if !found {
        turn.refuse(address, Code::Address, "no control matches");
    }
}

fn form_of(value: &Value) -> Form {
    match value {
        Value::Norm(_) => Form::Norm,
        Value::Text(_) => Form::Text,
        Value::Real(_) | Value::Switch(_) | Value::Symbol(_) => Form::Plain,
    }
}

fn refuse_edit(turn: &mut Turn, error: EditError) {
    match error {
        EditError::Items(all) => {
            for (_, name, e) in all {
                let code = if matches!(e, ItemError::Address(_)) { Code::Address } else { Code::Value };
                turn.refuse(&super::request::control_address(&name), code, e);
            }
        }
        EditError::Build(e) => turn.refuse("/rack", Code::Value, e),
        e @ (EditError::TooMany(_) | EditError::Schedule | EditError::Morph(_)) => {
            turn.refuse("#bundle", Code::Packet, e)
        }
    }
}
