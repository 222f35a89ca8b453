// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is answered, as messages of `i f s b` (switches become `T F` for who asked for them).

use lathe_core::param::{ParamKind, ParamSpec};

use super::codec::{Arg, Message};
use super::ports::Listing;
use super::request::{Form, Refused, control_address, meter_address};

/// Level that stands for silence, dB.
pub const SILENCE: f32 = -200.0;

/// A control's value: `f`; the index of a choice and a whole number as `i`; a switch as `i` 1 or 0;
/// `/norm` as `f` 0..1; `/text` as `s`.
pub fn value(name: &str, spec: &ParamSpec, value: f64, form: Form) -> Message {
    let arg = match (form, spec.kind) {
        (Form::Norm, _) => Arg::Float(spec.to_norm(value) as f32),
        (Form::Text, _) => Arg::Str(spec.show(value)),
        (Form::Plain, ParamKind::Float) => Arg::Float(value as f32),
        (Form::Plain, ParamKind::Toggle) => Arg::Bool(value >= 0.5),
        (Form::Plain, ParamKind::Integer | ParamKind::Choice(_)) => Arg::Int(value.round() as i32),
    };
    Message::new(control_address(name) + form.suffix(), vec![arg])
}

/// One reading, `<tap>/<reading>`. No reading yet, NaN and minus infinity are [`SILENCE`].
pub fn reading(name: &str, value: Option<f64>) -> Message {
    let value = value.map(|v| v as f32).filter(|v| *v >= SILENCE);
    Message::new(meter_address(name), vec![Arg::Float(value.unwrap_or(SILENCE))])
}

/// A spectrum or scope: big-endian `f32` in a blob.
pub fn frames(name: &str, values: &[f32]) -> Message {
    let bytes = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    Message::new(meter_address(name), vec![Arg::Blob(bytes)])
}

/// The same as arguments.
pub fn numbers(name: &str, values: &[f32]) -> Message {
    Message::new(meter_address(name), values.iter().copied().map(Arg::Float).collect())
}

/// `/status.reply`: the asker's number if it sent one, then `s key` and value in turn.
pub fn status(number: Option<i32>, fields: &[(&str, Arg)]) -> Message {
    Message::new("/status.reply", number.map(Arg::Int).into_iter().chain(pairs(fields)).collect())
}

/// `/pong`, with the asker's number if it sent one.
pub fn pong(number: Option<i32>) -> Message {
    Message::new("/pong", number.map(Arg::Int).into_iter().collect())
}

/// `/hello.reply`: machine name, version, and the nonce that proves the asker's address when it
/// comes back in a `/hello`.
pub fn hello(name: &str, version: &str, nonce: i32) -> Message {
    Message::new("/hello.reply", vec![Arg::Str(name.into()), Arg::Str(version.into()), Arg::Int(nonce)])
}

/// `/synced`: all before the `/sync` of this number is done; `audible` if it is heard, too.
pub fn synced(number: i32, audible: bool) -> Message {
    Message::new("/synced", vec![Arg::Int(number), Arg::Int(i32::from(audible))])
}

/// `/snapshot/list`: the names.
pub fn snapshot_list<'a>(names: impl IntoIterator<Item = &'a str>) -> Message {
    Message::new("/snapshot/list", names.into_iter().map(|n| Arg::Str(n.into())).collect())
}

/// `/snapshot/current`: the name, empty if none was recalled, and whether it was changed since.
pub fn snapshot_current(name: Option<&str>, changed: bool) -> Message {
    let name = Arg::Str(name.unwrap_or_default().into());
    Message::new("/snapshot/current", vec![name, Arg::Int(i32::from(changed))])
}

fn pairs(fields: &[(&str, Arg)]) -> impl Iterator<Item = Arg> {
    fields.iter().flat_map(|(key, arg)| [Arg::Str((*key).to_string()), arg.clone()])
}

/// `/ledger/status`: `s key` and value in turn.
pub fn ledger(fields: &[(&str, Arg)]) -> Message {
    Message::new("/ledger/status", pairs(fields).collect())
}

/// `/print/status`, likewise.
pub fn print(fields: &[(&str, Arg)]) -> Message {
    Message::new("/print/status", pairs(fields).collect())
}

/// `/alarm/in/silence/L` and the like: it is on, or it is not.
pub fn alarm((address, on): &(String, bool)) -> Message {
    Message::new(format!("/alarm/{address}"), vec![Arg::Bool(*on)])
}

/// How many alarms are on and how many there can be, then each.
pub fn alarms(all: &[(String, bool)]) -> Vec<Message> {
    let count = |n: usize| Arg::Int(n.min(i32::MAX as usize) as i32);
    let on = all.iter().filter(|a| a.1).count();
    let head = Message::new("/alarms", vec![count(on), count(all.len())]);
    std::iter::once(head).chain(all.iter().map(alarm)).collect()
}

/// A list: how many come and how many there are at the address of the list, then each at that of its entries.
pub fn listing(list: &str, entry: &str, listing: &Listing) -> Vec<Message> {
    let count = |n: usize| Arg::Int(n.min(i32::MAX as usize) as i32);
    let head = Message::new(list, vec![count(listing.last.len()), count(listing.total)]);
    let each = listing.last.iter().map(|fields| Message::new(entry, pairs(fields).collect()));
    std::iter::once(head).chain(each).collect()
}

/// `/error`: address, code and text of what was refused.
pub fn error(refused: &Refused) -> Message {
    let args = [refused.address.clone(), refused.code.symbol().to_string(), refused.text.clone()];
    Message::new("/error", args.into_iter().map(Arg::Str).collect())
}
