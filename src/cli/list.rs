// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe units` and `lathe params`: the catalog and its tables, for people, programs and the docs.

use lathe_core::engine::monitor::MonitorParam;
use lathe_core::param::{Motion, ParamSpec, ParamTable, Scale, suggest};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::{CATALOG, SlotParam};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};

/// List the units and splits a rack can hold
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe units\n  lathe units --json | jq -r '.[].symbol'")]
pub struct UnitsArgs {
    /// A JSON array
    #[arg(long)]
    json: bool,
}

/// List parameters with their unit, range, default and meaning
///
/// Repeated groups are shown once, as bandN; JSON lists every one.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe params limiter\n  lathe params --json\n  lathe params --markdown > docs/units.md"
)]
pub struct ParamsArgs {
    /// A JSON array of tables
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// The reference page, docs/units.md
    #[arg(long, conflicts_with = "unit")]
    markdown: bool,
    /// Only this unit or split
    #[arg(value_name = "UNIT")]
    unit: Option<String>,
}

/// One table to list.
struct Listed {
    symbol: &'static str,
    name: &'static str,
    doc: &'static str,
    kind: &'static str,
    table: ParamTable,
}

fn listed() -> Vec<Listed> {
    let units = CATALOG.iter().map(|k| {
        let s = k.spec();
        Listed { symbol: s.symbol, name: s.name, doc: s.doc, kind: "unit", table: s.own_params() }
    });
    let splits = SplitKind::ALL.into_iter().map(|k| {
        let branches: &[&str] = match k {
            SplitKind::Parallel => &["a", "b"],
            SplitKind::MidSide => &["mid", "side"],
            SplitKind::LeftRight => &["left", "right"],
            SplitKind::Bands => &["low", "mid", "high"],
        };
        let table = k.table(branches);
        let own = &table.specs()[..table.len() - SlotParam::SPECS.len()];
        Listed {
            symbol: k.symbol(),
            name: k.symbol(),
            doc: k.doc(),
            kind: "split",
            table: ParamTable::new(own),
        }
    });
    let slot = Listed {
        symbol: "slot",
        name: "Every slot",
        doc: "What every slot has, whatever sits in it.",
        kind: "slot",
        table: ParamTable::new(SlotParam::SPECS),
    };
    let monitor = Listed {
        symbol: "monitor",
        name: "Monitor",
        doc: "The monitor output: outside the rack, and nothing in it can reach main. `monitor/listen/SLOT` lets one hear a part of a slot instead of the source: of an equalizer the band of that number, 0 is none; one slot at a time, and none after a restart.",
        kind: "monitor",
        table: ParamTable::new(MonitorParam::SPECS),
    };
    units.chain(splits).chain([slot, monitor]).collect()
}

pub fn units(args: &UnitsArgs) -> Result<(), Failure> {
    let all: Vec<Listed> = listed().into_iter().filter(|l| l.kind == "unit" || l.kind == "split").collect();
    if args.json {
        let list: Vec<Value> = all
            .iter()
            .map(|l| json!({ "symbol": l.symbol, "kind": l.kind, "doc": l.doc, "params": l.table.len() }))
            .collect();
        super::print_json(&Value::Array(list));
    } else {
        for l in &all {
            println!("{:<11} {:<6} {}", l.symbol, l.kind, l.doc);
        }
    }
    Ok(())
}

pub fn params(args: &ParamsArgs) -> Result<(), Failure> {
    if args.markdown {
        print!("{}", markdown());
        return Ok(());
    }
    let mut all = listed();
    if let Some(unit) = &args.unit {
        let hint = suggest(unit, all.iter().map(|l| l.symbol)).map(|s| format!(" (did you mean \"{s}\"?)"));
        let names = all.iter().map(|l| l.symbol).collect::<Vec<_>>().join(", ");
        all.retain(|l| l.symbol == unit);
        if all.is_empty() {
            let hint = hint.unwrap_or_default();
            return Err(Failure::new(Exit::Usage, format!("no unit \"{unit}\"{hint}; there are {names}")));
        }
    }
    if args.json {
        super::print_json(&Value::Array(all.iter().map(table_json).collect()));
    } else {
        all.iter().for_each(print_table);
    }
    Ok(())
}

fn change(spec: &ParamSpec) -> &'static str {
    match spec.change {
        Motion::Glide => "glide",
        Motion::Designed => "designed",
        Motion::Structural => "structural",
    }
}

fn table_json(l: &Listed) -> Value {
    let params: Vec<Value> = l
        .table
        .specs()
        .iter()
        .map(|s| {
            json!({
                "symbol": s.symbol, "name": s.name, "unit": s.unit.sign(), "min": s.min, "max": s.max,
                "default": s.default, "step": s.step, "change": change(s), "doc": s.doc,
                "scale": match s.scale { Scale::Linear => "linear", Scale::Log => "log", Scale::Decibel => "db" },
                "choices": s.choices().iter().map(|c| c.symbol).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "symbol": l.symbol, "kind": l.kind, "doc": l.doc, "params": params })
}

fn print_table(l: &Listed) {
    println!("{} ({}): {}", l.symbol, l.kind, l.doc);
    for s in l.table.specs().iter().filter(|s| !is_repeat(&s.symbol)) {
        println!("  {}: {}; default {}", shown(&s.symbol), s.allowed(), s.show(s.default));
        println!("      {}", s.doc);
    }
    let repeats = l.table.specs().iter().filter_map(|s| band(&s.symbol)).max();
    if let Some(last) = repeats {
        println!("  N is 1 to {last}");
    }
    println!();
}

/// The reference page; a test holds `docs/units.md` to it.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Units, splits and their parameters\n\n\
         Generated by `lathe params --markdown`; a test keeps it current.\n\n\
         A change of a *glide* parameter is ramped per frame, of a *designed* one exchanged with a crossfade,\n\
         of a *structural* one made by a crossfaded swap of the chain. What stands under `bandN/` is there for each band.\n\
         The branches of a split have the names that the rack gives them; those here are examples.\n",
    );
    for l in listed() {
        out += &format!("\n## {}\n\n{}: {}\n\n", l.symbol, l.name, l.doc);
        out += "| parameter | allowed | default | change | meaning |\n|---|---|---|---|---|\n";
        for s in l.table.specs().iter().filter(|s| !is_repeat(&s.symbol)) {
            out += &format!(
                "| `{}` | {} | {} | {} | {} |\n",
                shown(&s.symbol),
                s.allowed().replace('|', "\\|"),
                s.show(s.default),
                change(s),
                s.doc
            );
        }
    }
    out
}

/// The number of a member of a numbered group.
fn band(symbol: &str) -> Option<u32> {
    symbol.strip_prefix("band")?.split_once('/')?.0.parse().ok()
}

/// True for the second and later copies of a numbered group.
fn is_repeat(symbol: &str) -> bool {
    band(symbol).is_some_and(|n| n > 1)
}

/// The symbol as a page shows it, where one stands for every copy.
fn shown(symbol: &str) -> String {
    symbol.replacen("band1/", "bandN/", 1)
}
