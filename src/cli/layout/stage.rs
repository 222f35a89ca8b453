// SPDX-License-Identifier: MIT OR Apache-2.0
//! A session of Open Stage Control: JSON, a tree of widgets under `content`.

use lathe_core::param::{ParamSpec, Scale};
use lathe_core::rack::plan::RackPlan;
use serde_json::{Map, Value, json};

use super::pages::{Group, Line, Page, Pages, READINGS, REDUCTION, SNAPSHOTS};

/// The version whose widgets and properties are used; newer ones convert.
pub const VERSION: &str = "1.30.0-beta4";

/// Columns of a page of faders.
const COLUMNS: usize = 8;

/// The whole file. `target` is `host:port` of the daemon.
pub fn layout(plan: &RackPlan, target: &str) -> String {
    let pages = Pages::new(plan);
    let writer = Writer { target };
    let mut tabs: Vec<Value> = pages.pages.iter().map(|p| writer.page(p)).collect();
    tabs.push(writer.meters(&pages));
    tabs.push(writer.rack(&pages));
    let root = json!({
        "type": "root", "id": "root", "bypass": true, "target": target, "onCreate": writer.script(),
        "comments": format!("{}, made by lathe layout", pages.name),
    });
    // A line for every page.
    let tabs: Vec<String> = tabs.iter().map(Value::to_string).collect();
    format!(
        "{{\"createdWith\":\"Open Stage Control\",\"version\":\"{VERSION}\",\"type\":\"session\",\"content\":\n\
         {},\"tabs\":[\n{}\n]}}}}\n",
        root.to_string().trim_end_matches('}'),
        tabs.join(",\n")
    )
}

struct Writer<'a> {
    target: &'a str,
}

/// Adds properties to a widget.
fn with(mut widget: Value, more: Value) -> Value {
    if let (Value::Object(widget), Value::Object(more)) = (&mut widget, more) {
        widget.extend(more);
    }
    widget
}

/// A panel whose children stand below or beside each other.
fn panel(id: &str, layout: &str, widgets: Vec<Value>) -> Value {
    json!({ "type": "panel", "id": id, "layout": layout, "widgets": widgets, "bypass": true, "alphaStroke": 0 })
}

/// A panel of columns.
fn grid(id: &str, columns: usize, widgets: Vec<Value>) -> Value {
    with(panel(id, "grid", widgets), json!({ "gridTemplate": columns, "expand": true }))
}

fn tab(id: &str, label: &str, layout: &str, widgets: Vec<Value>) -> Value {
    json!({ "type": "tab", "id": id, "label": label, "layout": layout, "widgets": widgets, "bypass": true })
}

/// Words that stay.
fn words(id: &str, text: &str) -> Value {
    json!({ "type": "text", "id": id, "default": text, "bypass": true, "height": 30, "wrap": "soft" })
}

/// A text that the daemon sends.
fn told(id: &str, address: &str, first: &str) -> Value {
    json!({
        "type": "text", "id": id, "address": address, "default": first, "bypass": true, "height": 30,
        "decimals": 1,
    })
}

/// A bar that shows a reading.
fn bar(id: &str, address: &str, min: f64, max: f64) -> Value {
    json!({
        "type": "fader", "id": id, "address": address, "design": "compact", "interaction": false,
        "range": { "min": min, "max": max }, "default": min, "bypass": true, "expand": true,
        "decimals": 1,
    })
}

impl Writer<'_> {
    /// What a widget needs that sends to the daemon.
    fn sender(&self, kind: &str, id: &str, address: &str) -> Value {
        json!({
            "type": kind, "id": id, "address": address, "target": self.target, "ignoreDefaults": true,
            "expand": true,
        })
    }

    fn button(&self, id: &str, label: &str, address: &str) -> Value {
        with(
            self.sender("button", id, address),
            json!({ "label": label, "mode": "momentary", "wrap": "soft" }),
        )
    }

    fn switch(&self, id: &str, label: &str, address: &str, on: bool) -> Value {
        let more = json!({
            "label": label, "mode": "toggle", "on": 1, "off": 0, "typeTags": "i", "decimals": 0,
            "default": u8::from(on),
        });
        with(self.sender("button", id, address), more)
    }

    /// Runs once and then every few seconds: subscriptions end after 10 s of silence. The question in
    /// `/norm` makes the daemon tell changes in it, too.
    fn script(&self) -> String {
        let say = |address: &str| format!("send('{}', '{address}'", self.target);
        format!(
            "var listen = () => {{\n  {}\n  {}\n  {}\n}}\nlisten()\n{}\n{}\nsetInterval('listen', listen, 4000)\n",
            say("/rack/bypass/norm") + ")",
            say("/subscribe") + ")",
            say("/subscribe") + ", {type: 's', value: '/meter/out'}, {type: 'i', value: 10})",
            say("/snapshot/list") + ")",
            say("/snapshot/current") + ")",
        )
    }

    fn page(&self, page: &Page) -> Value {
        let mut widgets = Vec::new();
        if !page.head.is_empty() {
            let mut head: Vec<Value> = page.head.iter().map(|l| self.head(l)).collect();
            if page.reduces {
                head.push(reduction(&page.id, "head"));
            }
            let row = panel(&format!("{}/head", page.id), "horizontal", head);
            widgets.push(with(row, json!({ "height": 130 })));
        }
        let body = match &page.groups[..] {
            [] => None,
            [one] => Some(self.group(page, one)),
            several => {
                let tabs: Vec<Value> = several
                    .iter()
                    .map(|g| {
                        let id = format!("{}/{}/tab", page.id, g.title);
                        tab(&id, &g.title, "vertical", vec![self.group(page, g)])
                    })
                    .collect();
                let id = format!("{}/groups", page.id);
                Some(json!({ "type": "panel", "id": id, "tabs": tabs, "bypass": true, "expand": true }))
            }
        };
        widgets.extend(body);
        tab(&format!("{}/tab", page.id), &page.title, "vertical", widgets)
    }

    fn group(&self, page: &Page, group: &Group) -> Value {
        let strips: Vec<Value> = group.lines.iter().map(|l| self.strip(l)).collect();
        grid(&format!("{}/{}/grid", page.id, group.title), COLUMNS.min(strips.len()), strips)
    }

    /// Bypass as a button, mix as a fader that lies.
    fn head(&self, line: &Line) -> Value {
        let control = match line.is_switch() {
            true => self.control(line),
            false => with(self.control(line), json!({ "horizontal": true })),
        };
        self.column(line, control)
    }

    /// Name, control and value, one below the other.
    fn strip(&self, line: &Line) -> Value {
        with(self.column(line, self.control(line)), json!({ "height": 320 }))
    }

    fn column(&self, line: &Line, control: Value) -> Value {
        let a = &line.address;
        let text = told(&format!("{a}/text"), &line.osc("/text"), &line.spec.show(line.value));
        let name = words(&format!("{a}/name"), &line.spec.name);
        with(panel(&format!("{a}/strip"), "vertical", vec![name, control, text]), json!({ "expand": true }))
    }

    fn control(&self, line: &Line) -> Value {
        let spec = &line.spec;
        if line.is_switch() {
            return self.switch(&line.address, &spec.name, &line.osc(""), line.value >= 0.5);
        }
        if !spec.choices().is_empty() {
            let labels: Vec<&str> = spec.choices().iter().map(|c| c.symbol).collect();
            let values: Vec<usize> = (0..labels.len()).collect();
            let more = json!({
                "values": { "labels": labels, "values": values }, "label": "%key", "typeTags": "i",
                "decimals": 0, "default": line.value,
            });
            return with(self.sender("dropdown", &line.address, &line.osc("")), more);
        }
        let more = match spec.scale {
            Scale::Log => json!({
                "range": marks(spec), "decimals": 5, "default": shortened(spec.to_norm(line.value)),
                "doubleTap": true, "pips": true,
            }),
            Scale::Linear | Scale::Decibel => json!({
                "range": { "min": spec.min, "max": spec.max }, "decimals": 3, "default": line.value,
                "doubleTap": true, "pips": true,
            }),
        };
        let form = if spec.scale == Scale::Log { "/norm" } else { "" };
        let fader = with(self.sender("fader", &line.address, &line.osc(form)), more);
        match line.steps() {
            0 => fader,
            n => with(fader, json!({ "steps": n, "decimals": 0, "typeTags": "i" })),
        }
    }

    fn meters(&self, pages: &Pages) -> Value {
        let bars = READINGS.iter().map(|(reading, name, unit, min, max)| {
            let (id, address) = (format!("meter/{reading}"), format!("/meter/out/{reading}"));
            let widgets = vec![
                words(&format!("{id}/name"), &format!("{name} ({unit})")),
                bar(&id, &address, *min, *max),
                told(&format!("{id}/text"), &address, "-"),
            ];
            with(panel(&format!("{id}/strip"), "vertical", widgets), json!({ "expand": true }))
        });
        let reductions = pages.reducing().map(|p| reduction(&p.id, "meters"));
        let all: Vec<Value> = bars.chain(reductions).collect();
        let row = with(panel("meters/bars", "horizontal", all), json!({ "expand": true }));
        let reset = with(
            self.button("meters/reset", "Begin a new measurement", "/meter/reset"),
            json!({ "expand": false }),
        );
        tab("meters", "Meters", "vertical", vec![row, with(reset, json!({ "height": 60 }))])
    }

    fn rack(&self, pages: &Pages) -> Value {
        let named = |id: &str, label: &str, address: &str, name: &str| {
            with(self.button(id, label, address), json!({ "preArgs": name, "typeTags": "s" }))
        };
        let mut keys = Vec::new();
        for name in SNAPSHOTS {
            let (store, recall) = (format!("store/{name}"), format!("recall/{name}"));
            keys.push(named(&store, &format!("Store {name}"), "/snapshot/store", name));
            keys.push(named(&recall, &format!("Recall {name}"), "/snapshot/recall", name));
        }
        // The name that is written in the field.
        keys.push(named("store/field", "Store as written", "/snapshot/store", "@{snapshot_name}"));
        keys.push(named("recall/field", "Recall as written", "/snapshot/recall", "@{snapshot_name}"));
        let field = json!({
            "type": "input", "id": "snapshot_name", "default": SNAPSHOTS[0], "maxLength": 96, "bypass": true,
            "height": 50,
        });
        let steps = vec![
            self.button("undo", "Undo", "/undo"),
            self.button("redo", "Redo", "/redo"),
            self.button("list", "List snapshots", "/snapshot/list"),
        ];
        let last = vec![
            self.switch("bypass", "Bypass the rack", &pages.bypass.osc(""), pages.bypass.value >= 0.5),
            self.switch("panic", "Panic", "/panic", false),
        ];
        let widgets = vec![
            with(told("snapshot/current", "/snapshot/current", "-"), json!({ "height": 40 })),
            with(told("snapshot/list", "/snapshot/list", "-"), json!({ "height": 60, "wrap": "soft" })),
            field,
            grid("snapshot/keys", 2, keys.into_iter().map(|k| with(k, json!({ "height": 60 }))).collect()),
            with(panel("steps", "horizontal", steps), json!({ "height": 70 })),
            with(panel("last", "horizontal", last), json!({ "height": 90 })),
        ];
        tab("snapshots", "Snapshots", "vertical", widgets)
    }
}

/// Name, bar and number of a slot's gain reduction.
fn reduction(slot: &str, place: &str) -> Value {
    let (id, address) = (format!("{place}/{slot}/reduction"), format!("/meter/{slot}/gain_reduction"));
    let widgets = vec![
        words(&format!("{id}/name"), &format!("{slot}, reduction (dB)")),
        bar(&id, &address, 0.0, REDUCTION),
        told(&format!("{id}/text"), &address, "-"),
    ];
    with(panel(&format!("{id}/strip"), "vertical", widgets), json!({ "expand": true }))
}

/// The marks of a fader that travels along `/norm`, with the values that they stand for.
fn marks(spec: &ParamSpec) -> Value {
    let mut marks = Map::new();
    for (key, norm) in [("min", 0.0), ("25%", 0.25), ("50%", 0.5), ("75%", 0.75), ("max", 1.0)] {
        let value = spec.from_norm(norm);
        let label =
            if value >= 10.0 { spec.show(value.round()) } else { spec.show((value * 100.0).round() / 100.0) };
        marks.insert(key.to_string(), json!({ label: norm }));
    }
    Value::Object(marks)
}

/// Without digits that nobody sees.
fn shortened(norm: f64) -> f64 {
    (norm * 1e5).round() / 1e5
}
