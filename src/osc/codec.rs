// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets to our own flat types, and feedback to bytes. Between them stands `rosc`, which only ever
//! sees single messages that passed [`precheck`].

use std::borrow::Cow;

use rosc::{OscBundle, OscMessage, OscPacket, OscType};

use super::error::OscError;
use super::precheck::{self, Element};

/// One argument, as far as any message of ours could want it.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Int(i32),
    Long(i64),
    /// May be NaN or infinite: see [`number`](Arg::number).
    Float(f32),
    Double(f64),
    Str(String),
    Blob(Vec<u8>),
    Bool(bool),
    Nil,
    /// Type tag `I`, "infinitum" in OSC 1.0: a bang.
    Impulse,
    /// An NTP time tag.
    Time(u64),
    /// What no message takes: its type tag, `c`, `r`, `m` or `[` for a whole array.
    Other(char),
}

impl Arg {
    /// The number in it, if it is one and finite.
    pub fn number(&self) -> Option<f64> {
        self.raw_number().filter(|n| n.is_finite())
    }

    /// The number as sent. NaN and infinities go on to the parameter, which refuses them with its range.
    pub fn raw_number(&self) -> Option<f64> {
        match *self {
            Arg::Int(i) => Some(f64::from(i)),
            Arg::Long(l) => Some(l as f64),
            Arg::Float(f) => Some(f64::from(f)),
            Arg::Double(d) => Some(d),
            _ => None,
        }
    }

    /// The type tag it came with or would be sent with.
    pub fn tag(&self) -> char {
        match *self {
            Arg::Int(_) => 'i',
            Arg::Long(_) => 'h',
            Arg::Float(_) => 'f',
            Arg::Double(_) => 'd',
            Arg::Str(_) => 's',
            Arg::Blob(_) => 'b',
            Arg::Bool(true) => 'T',
            Arg::Bool(false) => 'F',
            Arg::Nil => 'N',
            Arg::Impulse => 'I',
            Arg::Time(_) => 't',
            Arg::Other(tag) => tag,
        }
    }
}

/// An address, literal or pattern, and its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub address: String,
    pub args: Vec<Arg>,
}

impl Message {
    pub fn new(address: impl Into<String>, args: Vec<Arg>) -> Self {
        Message { address: address.into(), args }
    }
}

/// One packet: one atomic change.
///
/// Bundles within bundles are flattened in the order of the bytes, and the outermost time tag holds
/// for all: a packet is one change, and a change happens at one moment. OSC 1.0 only asks that an
/// inner tag be no earlier than the outer one; who wants two moments sends two packets.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    pub messages: Vec<Message>,
    /// The outermost bundle's NTP time tag (1 is "immediately"); `None` for a bare message.
    pub time: Option<u64>,
}

/// Decodes one packet, checked first.
///
/// # Errors
/// What is wrong with its bytes; nothing of it may then be used.
pub fn decode(packet: &[u8]) -> Result<Packet, OscError> {
    let layout = precheck::check(packet)?;
    let messages = layout.messages.iter().map(|e| message(packet, e)).collect::<Result<_, _>>()?;
    Ok(Packet { messages, time: layout.time })
}

fn message(packet: &[u8], element: &Element) -> Result<Message, OscError> {
    let bytes = &packet[element.range.clone()];
    if element.tags == 0 {
        // `rosc` refuses a message without type tags, so it is not asked.
        let address = bytes.split(|&b| b == 0).next().unwrap_or_default();
        let address = std::str::from_utf8(address).map_err(|e| OscError::Codec(e.to_string()))?;
        return Ok(Message::new(address, Vec::new()));
    }
    match rosc::decoder::decode_udp(&without_symbols(bytes, element.tags)) {
        Ok((_, OscPacket::Message(m))) => {
            Ok(Message { address: m.addr, args: m.args.into_iter().map(arg).collect() })
        }
        Ok((_, OscPacket::Bundle(_))) => Err(OscError::NotOsc { at: element.range.start }),
        Err(e) => Err(OscError::Codec(e.to_string())),
    }
}

/// `S`, a symbol, is a string of another name, which `rosc` does not know.
fn without_symbols(bytes: &[u8], tags: usize) -> Cow<'_, [u8]> {
    let address = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let first = ((address + 4) & !3) + 1;
    let range = first..(first + tags).min(bytes.len());
    if !bytes.get(range.clone()).is_some_and(|t| t.contains(&b'S')) {
        return Cow::Borrowed(bytes);
    }
    let mut renamed = bytes.to_vec();
    renamed[range].iter_mut().filter(|t| **t == b'S').for_each(|t| *t = b's');
    Cow::Owned(renamed)
}

fn arg(from: OscType) -> Arg {
    match from {
        OscType::Int(i) => Arg::Int(i),
        OscType::Long(l) => Arg::Long(l),
        OscType::Float(f) => Arg::Float(f),
        OscType::Double(d) => Arg::Double(d),
        OscType::String(s) => Arg::Str(s),
        OscType::Blob(b) => Arg::Blob(b),
        OscType::Bool(b) => Arg::Bool(b),
        OscType::Nil => Arg::Nil,
        OscType::Inf => Arg::Impulse,
        OscType::Time(t) => Arg::Time(u64::from(t.seconds) << 32 | u64::from(t.fractional)),
        OscType::Char(_) => Arg::Other('c'),
        OscType::Color(_) => Arg::Other('r'),
        OscType::Midi(_) => Arg::Other('m'),
        OscType::Array(_) => Arg::Other('['),
    }
}

/// How switches are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Booleans {
    /// `i` 1 or 0, which every receiver understands.
    #[default]
    Integers,
    /// `T` or `F`, for who asks.
    Tags,
}

/// A message as bytes, of the types `i f s b` alone (and `T F` on request).
///
/// `h` is sent as the nearest `i`, `d` as `f`; what has no such form is left out, and text ends at
/// its first zero.
pub fn encode(message: &Message, booleans: Booleans) -> Vec<u8> {
    written(&OscPacket::Message(outgoing(message, booleans)))
}

/// Several messages as one bundle with an NTP time tag (1 is "immediately").
pub fn encode_bundle(messages: &[Message], time: u64, booleans: Booleans) -> Vec<u8> {
    let content = messages.iter().map(|m| OscPacket::Message(outgoing(m, booleans))).collect();
    let timetag = ((time >> 32) as u32, time as u32).into();
    written(&OscPacket::Bundle(OscBundle { timetag, content }))
}

fn written(packet: &OscPacket) -> Vec<u8> {
    // Writing into memory has no error.
    rosc::encoder::encode(packet).unwrap_or_default()
}

fn outgoing(message: &Message, booleans: Booleans) -> OscMessage {
    let args = message.args.iter().filter_map(|a| outgoing_arg(a, booleans)).collect();
    OscMessage { addr: text(&message.address), args }
}

fn outgoing_arg(arg: &Arg, booleans: Booleans) -> Option<OscType> {
    Some(match arg {
        Arg::Int(i) => OscType::Int(*i),
        Arg::Long(l) => OscType::Int((*l).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32),
        Arg::Float(f) => OscType::Float(*f),
        Arg::Double(d) => OscType::Float(*d as f32),
        Arg::Str(s) => OscType::String(text(s)),
        Arg::Blob(b) => OscType::Blob(b.clone()),
        Arg::Bool(b) if booleans == Booleans::Tags => OscType::Bool(*b),
        Arg::Bool(b) => OscType::Int(i32::from(*b)),
        Arg::Nil | Arg::Impulse | Arg::Time(_) | Arg::Other(_) => return None,
    })
}

fn text(s: &str) -> String {
    s.split('\0').next().unwrap_or_default().to_string()
}
