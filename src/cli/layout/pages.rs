// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a tablet shows of a rack, before it is written in the format of one app.

use lathe_core::engine::monitor::MonitorParam;
use lathe_core::param::{ParamKind, ParamSpec, ParamTable};
use lathe_core::rack::plan::{Content, RackPlan, SlotPlan};
use lathe_core::units::SlotParam;

/// Names under which a layout stores and recalls.
pub const SNAPSHOTS: [&str; 4] = ["A", "B", "C", "D"];

/// Readings of the meter page: reading, name, unit, lowest and highest value of its bar.
pub const READINGS: [(&str, &str, &str, f64, f64); 6] = [
    ("momentary", "Momentary", "LUFS", -60.0, 0.0),
    ("short_term", "Short term", "LUFS", -60.0, 0.0),
    ("integrated", "Integrated", "LUFS", -60.0, 0.0),
    ("loudness_range", "Loudness range", "LU", 0.0, 30.0),
    ("true_peak", "True peak", "dBTP", -60.0, 6.0),
    ("true_peak_max", "True peak, highest", "dBTP", -60.0, 6.0),
];

/// As many of a kind, such as bands, have room on a page whether they are used or not.
pub const FEW: usize = 8;

/// Highest gain reduction a bar shows, dB.
pub const REDUCTION: f64 = 24.0;

/// One control: its address, its declaration and how the rack file sets it.
pub struct Line {
    /// `eq/band1/gain`, or `bypass` for the whole rack.
    pub address: String,
    pub spec: ParamSpec,
    pub value: f64,
}

impl Line {
    /// `/rack/eq/band1/gain` and the like; `form` is empty, `/norm` or `/text`.
    pub fn osc(&self, form: &str) -> String {
        format!("/rack/{}{form}", self.address)
    }

    pub fn is_switch(&self) -> bool {
        self.spec.kind == ParamKind::Toggle
    }

    /// How many values there are, where there are few; 0 for what is continuous.
    pub fn steps(&self) -> usize {
        if self.spec.is_discrete() { (self.spec.max - self.spec.min) as usize + 1 } else { 0 }
    }
}

/// Controls that belong together: a band, a branch, or what has no group.
pub struct Group {
    pub title: String,
    pub lines: Vec<Line>,
}

/// One page: a slot, or the monitor.
pub struct Page {
    pub id: String,
    pub title: String,
    /// Bypass and mix of a slot.
    pub head: Vec<Line>,
    /// It has a reading of gain reduction.
    pub reduces: bool,
    pub groups: Vec<Group>,
}

/// All pages.
pub struct Pages {
    pub name: String,
    pub pages: Vec<Page>,
    /// The whole rack's.
    pub bypass: Line,
}

impl Pages {
    pub fn new(plan: &RackPlan) -> Pages {
        let mut pages: Vec<Page> = plan.walk().into_iter().map(slot).collect();
        pages.push(monitor(plan));
        let spec = SlotParam::SPECS[SlotParam::Bypass as usize].clone();
        let name = if plan.name.is_empty() { "lathe" } else { &plan.name };
        Pages {
            name: name.to_string(),
            pages,
            bypass: Line { address: "bypass".to_string(), spec, value: f64::from(u8::from(plan.bypass)) },
        }
    }

    /// The slots that have a reading of gain reduction.
    pub fn reducing(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter(|p| p.reduces)
    }
}

fn slot(slot: &SlotPlan) -> Page {
    let what = match &slot.content {
        Content::Unit { kind, .. } => kind.spec().name,
        Content::Split { kind, .. } => kind.symbol(),
    };
    let lines = slot.table.iter().map(|(i, spec)| Line {
        address: format!("{}/{}", slot.id, spec.symbol),
        spec: spec.clone(),
        value: slot.values.get(i),
    });
    let of_slot = |l: &Line| SlotParam::SPECS.iter().any(|s| s.symbol == l.spec.symbol);
    let (head, own): (Vec<Line>, Vec<Line>) = lines.partition(of_slot);
    let reduces = ["threshold", "ceiling"].iter().any(|s| slot.table.find(s).is_some());
    let mut groups = grouped(own);
    groups.retain(is_shown);
    Page { id: slot.id.clone(), title: format!("{}: {what}", slot.id), head, reduces, groups }
}

/// The first eight of a kind (bands), and of the others those that the rack uses.
fn is_shown(group: &Group) -> bool {
    let number = group.title.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<usize>();
    number.map_or(true, |n| n <= FEW) || group.lines.iter().any(|l| l.value != l.spec.default)
}

/// The monitor, with what can be listened to.
fn monitor(plan: &RackPlan) -> Page {
    let table = ParamTable::new(MonitorParam::SPECS);
    let lines = table.specs().iter().map(|spec| Line {
        address: format!("monitor/{}", spec.symbol),
        spec: spec.clone(),
        value: spec.default,
    });
    let groups = grouped(lines.chain(plan.walk().into_iter().filter_map(listen)).collect());
    Page { id: "monitor".into(), title: "monitor".into(), head: Vec::new(), reduces: false, groups }
}

fn listen(slot: &SlotPlan) -> Option<Line> {
    let Content::Unit { kind, .. } = &slot.content else { return None };
    let spec = kind.listen()?;
    let name = format!("{}: {}", slot.id, spec.name.to_lowercase()).into();
    let (address, value) = (format!("monitor/listen/{}", slot.id), spec.default);
    Some(Line { address, spec: ParamSpec { name, ..spec }, value })
}

/// By what stands before the last `/` of a symbol, in the order of the table.
fn grouped(lines: Vec<Line>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in lines {
        let title = line.spec.symbol.rsplit_once('/').map_or("main", |(group, _)| group).to_string();
        match groups.iter_mut().find(|g| g.title == title) {
            Some(group) => group.lines.push(line),
            None => groups.push(Group { title, lines: vec![line] }),
        }
    }
    groups
}
