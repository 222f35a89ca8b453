// SPDX-License-Identifier: MIT OR Apache-2.0
//! A TouchOSC layout: XML, zlib-compressed. A tree of nodes with properties, values, messages and children.
//!
//! It is written as version 3 of the format, which every TouchOSC since 1.0 reads. The same rack gives the
//! same bytes.

use lathe_core::rack::plan::RackPlan;

use super::pages::{Line, Page, Pages, READINGS, REDUCTION, SNAPSHOTS};

/// The canvas, and the height of a row of tabs.
const WIDTH: f64 = 1024.0;
const HEIGHT: f64 = 768.0;
const TABS: f64 = 40.0;
/// Space between controls.
const GAP: f64 = 4.0;
/// Height of a name or a value.
const TEXT: f64 = 26.0;
/// Height of the row with bypass and mix.
const HEAD: f64 = 110.0;
/// Columns of a page of faders.
const COLUMNS: usize = 8;

type Color = [f64; 4];
const GREY: Color = [0.25, 0.25, 0.25, 1.0];
const BLUE: Color = [0.2, 0.55, 0.8, 1.0];
const GREEN: Color = [0.3, 0.7, 0.4, 1.0];
const AMBER: Color = [0.85, 0.6, 0.15, 1.0];
const RED: Color = [0.8, 0.15, 0.15, 1.0];
const WHITE: Color = [1.0, 1.0, 1.0, 1.0];
const FAINT: Color = [0.0, 0.0, 0.0, 0.25];

/// The whole file.
pub fn layout(plan: &RackPlan) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(xml(plan).as_bytes(), 9)
}

/// The XML in it.
pub fn xml(plan: &RackPlan) -> String {
    let pages = Pages::new(plan);
    let mut leaves: Vec<Node> = pages.pages.iter().map(page).collect();
    leaves.push(meters(&pages));
    leaves.push(rack(&pages));
    let mut root = Node::group("root", Frame(0.0, 0.0, WIDTH, HEIGHT));
    root.set("script", Property::Text(SCRIPT.to_string()));
    root.children.push(pager("pages", Frame(0.0, 0.0, WIDTH, HEIGHT), leaves));
    let mut out = String::from("<?xml version='1.0' encoding='UTF-8'?><lexml version='3'>");
    root.write(&mut out, &mut 0);
    out += "</lexml>";
    out
}

/// Renews the subscription, which ends after 10 s of silence; a question in `/norm` makes the daemon tell
/// changes in it, too. A list has more arguments than a label can take, so it is put together here.
const SCRIPT: &str = "\
local due = 0

function update()
  local now = getMillis()
  if now < due then return end
  due = now + 4000
  sendOSC('/rack/bypass/norm')
  sendOSC('/subscribe')
  sendOSC({ '/subscribe', { { tag = 's', value = '/meter/out' }, { tag = 'i', value = 10 } } })
end

function onReceiveOSC(message, connections)
  if message[1] ~= '/snapshot/list' then return false end
  local names = {}
  for i = 1, #message[2] do names[i] = message[2][i].value end
  local label = self:findByName('snapshot list', true)
  if label then label.values.text = table.concat(names, ', ') end
  return true
end
";

/// Left, top, width, height in points.
#[derive(Clone, Copy)]
struct Frame(f64, f64, f64, f64);

impl Frame {
    /// Without the gap around it.
    fn inner(self) -> Frame {
        Frame(self.0 + GAP, self.1 + GAP, self.2 - 2.0 * GAP, self.3 - 2.0 * GAP)
    }
}

enum Property {
    Text(String),
    Switch(bool),
    Whole(i64),
    Float(f64),
    Frame(Frame),
    Color(Color),
}

/// What a message sends, and what it takes.
enum Argument {
    /// A value of the control, from `min` to `max`, as `FLOAT`, `INTEGER` or `STRING`.
    Value {
        key: &'static str,
        conversion: &'static str,
        min: f64,
        max: f64,
    },
    Constant(String),
}

struct Message {
    address: String,
    arguments: Vec<Argument>,
    /// `ANY` or `RISE` of `x`; `None` for one that only receives.
    trigger: Option<&'static str>,
    receive: bool,
}

struct Node {
    kind: &'static str,
    properties: Vec<(&'static str, Property)>,
    /// Key and first value.
    values: Vec<(&'static str, String)>,
    messages: Vec<Message>,
    children: Vec<Node>,
}

impl Node {
    fn new(kind: &'static str, name: &str, frame: Frame, color: Color) -> Node {
        use Property::{Color, Float, Switch, Text, Whole};
        let properties = vec![
            ("background", Switch(true)),
            ("color", Color(color)),
            ("cornerRadius", Float(2.0)),
            ("frame", Property::Frame(frame)),
            ("grabFocus", Switch(true)),
            ("interactive", Switch(true)),
            ("locked", Switch(false)),
            ("name", Text(name.to_string())),
            ("orientation", Whole(0)),
            ("outline", Switch(true)),
            ("outlineStyle", Whole(1)),
            ("pointerPriority", Whole(0)),
            ("shape", Whole(1)),
            ("visible", Switch(true)),
        ];
        let values = vec![("touch", "false".to_string())];
        Node { kind, properties, values, messages: Vec::new(), children: Vec::new() }
    }

    fn set(&mut self, key: &'static str, value: Property) {
        match self.properties.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => self.properties.push((key, value)),
        }
    }

    fn and(mut self, more: impl IntoIterator<Item = (&'static str, Property)>) -> Node {
        more.into_iter().for_each(|(key, value)| self.set(key, value));
        self
    }

    fn value(mut self, key: &'static str, first: impl ToString) -> Node {
        self.values.insert(0, (key, first.to_string()));
        self
    }

    fn message(mut self, message: Message) -> Node {
        self.messages.push(message);
        self
    }

    fn group(name: &str, frame: Frame) -> Node {
        Node::new("GROUP", name, frame, GREY).and([
            ("grabFocus", Property::Switch(false)),
            ("outline", Property::Switch(false)),
            ("outlineStyle", Property::Whole(0)),
        ])
    }

    /// Text that a finger goes through.
    fn label(name: &str, frame: Frame, text: &str) -> Node {
        let node = Node::new("LABEL", name, frame, GREY).and([
            ("background", Property::Switch(false)),
            ("interactive", Property::Switch(false)),
            ("outline", Property::Switch(false)),
            ("font", Property::Whole(0)),
            ("textAlignH", Property::Whole(2)),
            ("textAlignV", Property::Whole(2)),
            ("textClip", Property::Switch(true)),
            ("textColor", Property::Color(WHITE)),
            ("textLength", Property::Whole(0)),
            ("textSize", Property::Whole(14)),
        ]);
        node.value("text", text)
    }

    /// A label that shows what comes to an address.
    fn told(name: &str, frame: Frame, address: &str, first: &str) -> Node {
        let text = Argument::Value { key: "text", conversion: "STRING", min: 0.0, max: 1.0 };
        Node::label(name, frame, first).message(Message::taken(address, text))
    }

    fn fader(name: &str, frame: Frame, color: Color, steps: usize) -> Node {
        Node::new("FADER", name, frame, color).and([
            ("bar", Property::Switch(true)),
            ("barDisplay", Property::Whole(0)),
            ("cursor", Property::Switch(true)),
            ("cursorDisplay", Property::Whole(0)),
            ("grid", Property::Switch(true)),
            ("gridColor", Property::Color(FAINT)),
            ("gridSteps", Property::Whole(if (2..=32).contains(&steps) { steps as i64 } else { 10 })),
            ("response", Property::Whole(1)),
            ("responseFactor", Property::Whole(100)),
        ])
    }

    /// `toggles`: it stays where it was pressed.
    fn button(name: &str, frame: Frame, color: Color, toggles: bool) -> Node {
        Node::new("BUTTON", name, frame, color).and([
            ("buttonType", Property::Whole(if toggles { 2 } else { 0 })),
            ("press", Property::Switch(true)),
            ("release", Property::Switch(true)),
            ("valuePosition", Property::Switch(false)),
        ])
    }
}

impl Message {
    /// Both ways, on every change of `x`.
    fn both(address: &str, conversion: &'static str) -> Message {
        let x = Argument::Value { key: "x", conversion, min: 0.0, max: 1.0 };
        Message { address: address.into(), arguments: vec![x], trigger: Some("ANY"), receive: true }
    }

    /// Only from the daemon.
    fn taken(address: &str, argument: Argument) -> Message {
        Message { address: address.into(), arguments: vec![argument], trigger: None, receive: true }
    }

    /// Only to the daemon, when a button goes down.
    fn pressed(address: &str, arguments: Vec<Argument>) -> Message {
        Message { address: address.into(), arguments, trigger: Some("RISE"), receive: false }
    }
}

fn pager(name: &str, frame: Frame, mut pages: Vec<Node>) -> Node {
    let inside = Frame(0.0, TABS, frame.2, frame.3 - TABS);
    pages.iter_mut().for_each(|p| p.set("frame", Property::Frame(inside)));
    let mut node = Node::new("PAGER", name, frame, GREY)
        .and([
            ("grabFocus", Property::Switch(false)),
            ("outlineStyle", Property::Whole(0)),
            ("tabLabels", Property::Switch(true)),
            ("tabbar", Property::Switch(true)),
            ("tabbarDoubleTap", Property::Switch(false)),
            ("tabbarSize", Property::Whole(TABS as i64)),
            ("textSizeOff", Property::Whole(14)),
            ("textSizeOn", Property::Whole(14)),
        ])
        .value("page", 0);
    node.children = pages;
    node
}

/// A page of a pager; the pager gives it its place.
fn leaf(name: &str, children: Vec<Node>) -> Node {
    let mut node = Node::group(name, Frame(0.0, 0.0, 0.0, 0.0)).and([
        ("tabColorOff", Property::Color(GREY)),
        ("tabColorOn", Property::Color(BLUE)),
        ("tabLabel", Property::Text(name.to_string())),
        ("textColorOff", Property::Color(WHITE)),
        ("textColorOn", Property::Color(WHITE)),
    ]);
    node.children = children;
    node
}

/// Cells of equal size, row by row.
fn cells(frame: Frame, columns: usize, count: usize) -> impl Iterator<Item = Frame> {
    let rows = count.div_ceil(columns).max(1);
    let (w, h) = (frame.2 / columns as f64, frame.3 / rows as f64);
    (0..count).map(move |i| {
        let (column, row) = ((i % columns) as f64, (i / columns) as f64);
        Frame(frame.0 + column * w, frame.1 + row * h, w, h).inner()
    })
}

fn page(page: &Page) -> Node {
    let mut children = Vec::new();
    let whole = Frame(0.0, 0.0, WIDTH, HEIGHT - TABS);
    let mut top = 0.0;
    let several = page.head.len() + usize::from(page.reduces);
    if several > 0 {
        top = HEAD;
        let mut places = cells(Frame(0.0, 0.0, WIDTH, HEAD), several, several);
        children.extend(page.head.iter().zip(&mut places).flat_map(|(line, frame)| strip(line, frame, true)));
        children.extend(places.take(1).flat_map(|frame| reduction(&page.id, frame, 1)));
    }
    let body = Frame(0.0, top, whole.2, whole.3 - top);
    match &page.groups[..] {
        [] => {}
        [one] => children.extend(strips(&one.lines, body)),
        groups => {
            let inside = Frame(0.0, 0.0, body.2, body.3 - TABS);
            let leaves = groups.iter().map(|g| leaf(&g.title, strips(&g.lines, inside))).collect();
            children.push(pager(&format!("{} groups", page.id), body, leaves));
        }
    }
    leaf(&page.id, children)
}

fn strips(lines: &[Line], frame: Frame) -> Vec<Node> {
    let columns = COLUMNS.min(lines.len()).max(1);
    lines
        .iter()
        .zip(cells(frame, columns, lines.len()))
        .flat_map(|(line, frame)| strip(line, frame, false))
        .collect()
}

/// Name, control and value, one below the other. A choice is a fader with as many steps: `/norm` finds the
/// nearest, and the text says which.
fn strip(line: &Line, frame: Frame, lies: bool) -> Vec<Node> {
    let Frame(x, y, w, h) = frame;
    let (a, spec) = (&line.address, &line.spec);
    let middle = Frame(x, y + TEXT, w, h - 2.0 * TEXT);
    let control = if line.is_switch() {
        switch(a, middle, &line.osc(""), if spec.symbol == "bypass" { AMBER } else { GREEN }, line.value)
    } else {
        let norm = (spec.to_norm(line.value) * 1e4).round() / 1e4;
        let fader = Node::fader(a, middle, BLUE, line.steps()).value("x", norm);
        let fader = fader.and([("orientation", Property::Whole(i64::from(lies)))]);
        fader.message(Message::both(&line.osc("/norm"), "FLOAT"))
    };
    let below = Frame(x, y + h - TEXT, w, TEXT);
    vec![
        Node::label(&format!("{a} name"), Frame(x, y, w, TEXT), &spec.name),
        control,
        Node::told(&format!("{a} text"), below, &line.osc("/text"), &spec.show(line.value)),
    ]
}

fn switch(name: &str, frame: Frame, address: &str, color: Color, value: f64) -> Node {
    let button = Node::button(name, frame, color, true).value("x", u8::from(value >= 0.5));
    button.message(Message::both(address, "INTEGER"))
}

/// A bar that shows a reading, with its name and its number; `orientation` 1 lies.
fn bar(name: &str, address: &str, frame: Frame, (min, max): (f64, f64), orientation: i64) -> Vec<Node> {
    let Frame(x, y, w, h) = frame;
    let level = Argument::Value { key: "x", conversion: "FLOAT", min, max };
    let bar = Node::fader(&format!("{name} bar"), Frame(x, y + TEXT, w, h - 2.0 * TEXT), GREEN, 0)
        .and([
            ("cursor", Property::Switch(false)),
            ("interactive", Property::Switch(false)),
            ("orientation", Property::Whole(orientation)),
        ])
        .value("x", 0)
        .message(Message::taken(address, level));
    let below = Frame(x, y + h - TEXT, w, TEXT);
    vec![
        Node::label(&format!("{name} name"), Frame(x, y, w, TEXT), name),
        bar,
        Node::told(&format!("{name} text"), below, address, "-"),
    ]
}

fn reduction(slot: &str, frame: Frame, orientation: i64) -> Vec<Node> {
    let name = format!("{slot}, reduction (dB)");
    bar(&name, &format!("/meter/{slot}/gain_reduction"), frame, (0.0, REDUCTION), orientation)
}

fn meters(pages: &Pages) -> Node {
    let slots: Vec<&Page> = pages.reducing().collect();
    let count = READINGS.len() + slots.len();
    let mut places = cells(Frame(0.0, 0.0, WIDTH, HEIGHT - TABS - 80.0), COLUMNS.max(READINGS.len()), count);
    let mut children = Vec::new();
    for ((reading, name, unit, min, max), frame) in READINGS.iter().zip(&mut places) {
        let name = format!("{name} ({unit})");
        children.extend(bar(&name, &format!("/meter/out/{reading}"), frame, (*min, *max), 0));
    }
    children.extend(slots.iter().zip(places).flat_map(|(slot, frame)| reduction(&slot.id, frame, 0)));
    let reset = Frame(0.0, HEIGHT - TABS - 80.0, WIDTH, 80.0).inner();
    children.extend(key("Begin a new measurement", reset, "/meter/reset", None));
    leaf("meters", children)
}

/// A button with its words on it.
fn key(name: &str, frame: Frame, address: &str, argument: Option<&str>) -> Vec<Node> {
    let arguments = argument.map(|a| Argument::Constant(a.to_string())).into_iter().collect();
    let button =
        Node::button(name, frame, BLUE, false).value("x", 0).message(Message::pressed(address, arguments));
    vec![button, Node::label(&format!("{name} name"), frame, name)]
}

fn rack(pages: &Pages) -> Node {
    let mut children = vec![
        Node::told("snapshot current", Frame(0.0, 0.0, WIDTH, 50.0).inner(), "/snapshot/current", "-"),
        Node::label("snapshot list", Frame(0.0, 50.0, WIDTH, 50.0).inner(), "-"),
    ];
    let mut places = cells(Frame(0.0, 100.0, WIDTH, 300.0), SNAPSHOTS.len(), 2 * SNAPSHOTS.len());
    for (verb, address) in [("Store", "/snapshot/store"), ("Recall", "/snapshot/recall")] {
        for (name, frame) in SNAPSHOTS.iter().zip(&mut places) {
            children.extend(key(&format!("{verb} {name}"), frame, address, Some(name)));
        }
    }
    let steps = [("List snapshots", "/snapshot/list"), ("Undo", "/undo"), ("Redo", "/redo")];
    for ((name, address), frame) in steps.iter().zip(cells(Frame(0.0, 400.0, WIDTH, 140.0), 3, 3)) {
        children.extend(key(name, frame, address, None));
    }
    let last = [
        ("Bypass the rack", pages.bypass.osc(""), AMBER, pages.bypass.value),
        ("Panic", "/panic".to_string(), RED, 0.0),
    ];
    let space = Frame(0.0, 540.0, WIDTH, HEIGHT - TABS - 540.0);
    for ((name, address, color, value), frame) in last.iter().zip(cells(space, 2, 2)) {
        children.push(switch(name, frame, address, *color, *value));
        children.push(Node::label(&format!("{name} name"), frame, name));
    }
    leaf("snapshots", children)
}

// ---- XML

fn element(out: &mut String, tag: &str, text: impl std::fmt::Display) {
    *out += &format!("<{tag}>{text}</{tag}>");
}

/// Text as it is; the end mark of a section is the only thing that cannot stand in one.
fn section(out: &mut String, tag: &str, text: &str) {
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    element(out, tag, format_args!("<![CDATA[{}]]>", text.replace("]]>", "]] >")));
}

fn bit(on: bool) -> u8 {
    u8::from(on)
}

impl Node {
    /// `count` numbers the nodes.
    fn write(mut self, out: &mut String, count: &mut u64) {
        *count += 1;
        *out += &format!("<node ID='00000000-0000-4000-8000-{count:012x}' type='{}'><properties>", self.kind);
        self.properties.sort_by_key(|(key, _)| *key);
        self.properties.iter().for_each(|(key, value)| value.write(out, key));
        *out += "</properties><values>";
        for (key, first) in &self.values {
            *out += "<value>";
            section(out, "key", key);
            *out += "<locked>0</locked><lockedDefaultCurrent>0</lockedDefaultCurrent>";
            section(out, "default", first);
            *out += "<defaultPull>0</defaultPull></value>";
        }
        *out += "</values>";
        if !self.messages.is_empty() {
            *out += "<messages>";
            self.messages.iter().for_each(|m| m.write(out));
            *out += "</messages>";
        }
        if !self.children.is_empty() {
            *out += "<children>";
            self.children.into_iter().for_each(|child| child.write(out, count));
            *out += "</children>";
        }
        *out += "</node>";
    }
}

impl Property {
    fn write(&self, out: &mut String, key: &str) {
        let tag = match self {
            Property::Text(_) => "s",
            Property::Switch(_) => "b",
            Property::Whole(_) => "i",
            Property::Float(_) => "f",
            Property::Frame(_) => "r",
            Property::Color(_) => "c",
        };
        *out += &format!("<property type='{tag}'>");
        section(out, "key", key);
        match self {
            Property::Text(text) => section(out, "value", text),
            Property::Switch(on) => element(out, "value", bit(*on)),
            Property::Whole(n) => element(out, "value", n),
            Property::Float(v) => element(out, "value", v),
            Property::Frame(Frame(x, y, w, h)) => four(out, ["x", "y", "w", "h"], [*x, *y, *w, *h]),
            Property::Color(rgba) => four(out, ["r", "g", "b", "a"], *rgba),
        }
        *out += "</property>";
    }
}

fn four(out: &mut String, names: [&str; 4], values: [f64; 4]) {
    *out += "<value>";
    names.iter().zip(values).for_each(|(name, v)| element(out, name, (v * 1e3).round() / 1e3));
    *out += "</value>";
}

impl Message {
    fn write(&self, out: &mut String) {
        *out += "<osc><enabled>1</enabled>";
        element(out, "send", bit(self.trigger.is_some()));
        element(out, "receive", bit(self.receive));
        *out += "<feedback>0</feedback><connections>11111</connections>";
        if let Some(condition) = self.trigger {
            *out += "<triggers><trigger>";
            section(out, "var", "x");
            element(out, "condition", condition);
            *out += "</trigger></triggers>";
        }
        *out += "<path>";
        Argument::Constant(self.address.clone()).write(out);
        *out += "</path><arguments>";
        self.arguments.iter().for_each(|a| a.write(out));
        *out += "</arguments></osc>";
    }
}

impl Argument {
    fn write(&self, out: &mut String) {
        let (kind, conversion, value, min, max) = match self {
            Argument::Value { key, conversion, min, max } => ("VALUE", *conversion, *key, *min, *max),
            Argument::Constant(text) => ("CONSTANT", "STRING", text.as_str(), 0.0, 1.0),
        };
        *out += "<partial>";
        element(out, "type", kind);
        element(out, "conversion", conversion);
        section(out, "value", value);
        element(out, "scaleMin", min);
        element(out, "scaleMax", max);
        *out += "</partial>";
    }
}
