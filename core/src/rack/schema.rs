// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack file as JSON Schema, for editors that complete and underline: made from the tables.
//!
//! It says less than [`load`](super::load) does: ids that are taken, order and sources are not in it.

use serde_json::{Map, Value, json};

use super::check::{LATENCY_MS, MAX_NAME, PORT_LAYOUT};
use super::layout::MAX_SLOTS;
use super::names::{MAX_ID, RESERVED_BRANCHES, RESERVED_SLOTS};
use super::split::{BranchParam, SplitKind};
use crate::param::{ParamKind, ParamSpec, ParamTable, Unit};
use crate::units::{AnyKind, CATALOG, NAMED, Role};

/// The schema of a rack file with the units of the catalog.
pub fn schema() -> Value {
    schema_of(CATALOG)
}

pub(super) fn schema_of(catalog: &[&'static dyn AnyKind]) -> Value {
    let mut defs = Map::new();
    defs.insert("layout".into(), layout());
    defs.insert("id".into(), id(&[]));
    let mut slots = Vec::new();
    for kind in catalog {
        let name = format!("unit_{}", kind.spec().symbol);
        slots.push(json!({ "$ref": format!("#/$defs/{name}") }));
        defs.insert(name, unit(*kind));
    }
    for kind in SplitKind::ALL {
        let name = format!("split_{}", kind.symbol());
        slots.push(json!({ "$ref": format!("#/$defs/{name}") }));
        defs.insert(name, split(kind));
    }
    defs.insert("slot".into(), json!({ "oneOf": slots }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lathe rack",
        "description": "A mastering rack: slots in signal order, each with a unit or a split.",
        "type": "object",
        "required": ["format", "rack"],
        "additionalProperties": false,
        "properties": {
            "format": { "const": 1, "description": "Version of this file format." },
            "rack": rack(),
            "slot": {
                "type": "array",
                "maxItems": MAX_SLOTS,
                "description": "The slots in signal order.",
                "items": { "$ref": "#/$defs/slot" },
            },
        },
        "$defs": defs,
    })
}

fn rack() -> Value {
    let port = json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": id(RESERVED_SLOTS),
            "layout": {
                "$ref": "#/$defs/layout",
                "default": PORT_LAYOUT,
                "description": "Channels of the port.",
            },
        },
    });
    let link = json!({ "type": "array", "items": { "type": "array", "items": { "enum": roles() } } });
    let properties = json!({
        "name": { "type": "string", "minLength": 1, "maxLength": MAX_NAME, "description": "For people." },
        "layout": { "$ref": "#/$defs/layout", "description": "Channels of the rack, in port and file order." },
        "latency_ms": {
            "type": "number",
            "minimum": LATENCY_MS.start(),
            "maximum": LATENCY_MS.end(),
            "description": "Constant latency to pad to, in ms; a chain that exceeds it is refused.",
        },
        "link": described(link, "Channels whose detectors are linked; a channel in no list is linked to nothing."),
        "sidechain": described(json!({ "type": "array", "items": port }), "Extra input ports for detectors."),
    });
    json!({ "type": "object", "required": ["layout"], "additionalProperties": false, "properties": properties })
}

fn described(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.into();
    schema
}

fn roles() -> Vec<&'static str> {
    Role::all().map(Role::name).collect()
}

fn layout() -> Value {
    let names: Vec<&str> = NAMED.iter().map(|(n, _)| *n).collect();
    let channels =
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": { "enum": roles() } });
    json!({ "anyOf": [{ "enum": names }, channels] })
}

fn id(reserved: &[&str]) -> Value {
    let mut schema = json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": MAX_ID });
    if !reserved.is_empty() {
        schema["not"] = json!({ "enum": reserved });
    }
    schema
}

fn unit(kind: &dyn AnyKind) -> Value {
    let spec = kind.spec();
    let mut properties = json!({
        "id": described(id(RESERVED_SLOTS), "Name of the slot in addresses; unique in the rack."),
        "unit": { "const": spec.symbol, "description": spec.doc },
        "params": params(&kind.table()),
    });
    if spec.sidechain {
        let doc = "Where the detector listens: \"self\", \"main_in\", an earlier slot or a sidechain port.";
        properties["sidechain"] = json!({ "type": "string", "default": "self", "description": doc });
    }
    slot(spec.doc, "unit", properties)
}

fn split(kind: SplitKind) -> Value {
    let count = kind.branch_count();
    let mut properties = json!({
        "id": described(id(RESERVED_SLOTS), "Name of the slot in addresses; unique in the rack."),
        "split": { "const": kind.symbol(), "description": kind.doc() },
        "branch": {
            "type": "array",
            "minItems": count.start(),
            "maxItems": count.end(),
            "items": branch(kind),
        },
    });
    properties["params"] = split_params(kind);
    slot(kind.doc(), "split", properties)
}

/// The widest table of the kind: which of its frequencies exist depends on the branches written.
fn split_params(kind: SplitKind) -> Value {
    if let Some(ids) = kind.fixed_branches() {
        return params(&kind.table(&ids));
    }
    let mut own = params(&kind.table(&vec!["_"; *kind.branch_count().end()]));
    let Some(properties) = own["properties"].as_object_mut() else { return own };
    properties.remove("_");
    // Any other name is that of a branch.
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let pattern = format!("^(?!({})$)[a-z][a-z0-9_]*$", names.join("|"));
    own["patternProperties"] = json!({ pattern: params(&ParamTable::new(BranchParam::SPECS)) });
    own
}

fn slot(doc: &str, content: &str, properties: Value) -> Value {
    let mut required = vec!["id", content];
    if content == "split" {
        required.push("branch");
    }
    json!({
        "type": "object",
        "description": doc,
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn branch(kind: SplitKind) -> Value {
    let id = match kind.fixed_branches() {
        Some(ids) => json!({ "enum": ids }),
        None => id(RESERVED_BRANCHES),
    };
    json!({
        "type": "object",
        "required": ["id"],
        "additionalProperties": false,
        "properties": { "id": id, "slot": { "type": "array", "items": { "$ref": "#/$defs/slot" } } },
    })
}

/// A table as nested objects, one for each group.
fn params(table: &ParamTable) -> Value {
    let mut root = object();
    for spec in table.specs() {
        let mut at = &mut root;
        let mut parts = spec.symbol.split('/').peekable();
        while let Some(part) = parts.next() {
            let inner = if parts.peek().is_some() { object() } else { param(spec) };
            let Some(properties) = at["properties"].as_object_mut() else { break };
            at = properties.entry(part).or_insert(inner);
        }
    }
    root
}

fn object() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

/// One parameter. Numbers may also be written as text with their unit.
fn param(spec: &ParamSpec) -> Value {
    let doc = match spec.unit {
        Unit::None => format!("{}. {}", spec.name, spec.doc),
        unit => format!("{} [{}]. {}", spec.name, unit.sign(), spec.doc),
    };
    let mut schema = match spec.kind {
        ParamKind::Toggle => json!({ "enum": [true, false, "on", "off"], "default": spec.default >= 0.5 }),
        ParamKind::Choice(choices) => {
            let symbols: Vec<&str> = choices.iter().map(|c| c.symbol).collect();
            json!({ "enum": symbols, "default": spec.show(spec.default) })
        }
        ParamKind::Integer => json!({
            "type": ["integer", "string"],
            "minimum": spec.min as i64, "maximum": spec.max as i64, "default": spec.default as i64,
        }),
        ParamKind::Float => json!({
            "type": ["number", "string"],
            "minimum": spec.min, "maximum": spec.max, "default": spec.default,
        }),
    };
    if matches!(spec.kind, ParamKind::Integer | ParamKind::Float) {
        schema["pattern"] = "^\\s*[-+]?[0-9.]".into();
    }
    described(schema, &doc)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PROBES, TREE};
    use super::*;

    /// The keywords that the schema uses, enough to try it on a document.
    fn fits(root: &Value, schema: &Value, doc: &Value) -> Result<(), String> {
        for (key, rule) in schema.as_object().expect("a schema is an object") {
            fits_rule(root, schema, key, rule, doc).map_err(|e| format!("{e} in {doc}"))?;
        }
        Ok(())
    }

    fn fits_rule(root: &Value, schema: &Value, key: &str, rule: &Value, doc: &Value) -> Result<(), String> {
        let all = |list: &Value| list.as_array().cloned().expect("a list");
        let number = |v: &Value| v.as_f64().expect("a number");
        let ok = match key {
            "$ref" => {
                return fits(root, root.pointer(&rule.as_str().expect("text")[1..]).expect("there"), doc);
            }
            "oneOf" => all(rule).iter().filter(|s| fits(root, s, doc).is_ok()).count() == 1,
            "anyOf" => all(rule).iter().any(|s| fits(root, s, doc).is_ok()),
            "not" => fits(root, rule, doc).is_err(),
            "const" => doc == rule,
            "enum" => all(rule).contains(doc),
            "minimum" => doc.as_f64().is_none_or(|v| v >= number(rule)),
            "maximum" => doc.as_f64().is_none_or(|v| v <= number(rule)),
            "minItems" => doc.as_array().is_none_or(|a| a.len() as f64 >= number(rule)),
            "maxItems" => doc.as_array().is_none_or(|a| a.len() as f64 <= number(rule)),
            "maxLength" => doc.as_str().is_none_or(|s| s.len() as f64 <= number(rule)),
            "required" => all(rule).iter().all(|k| doc.get(k.as_str().expect("text")).is_some()),
            "type" => {
                let one = |t: &Value| match t.as_str().expect("text") {
                    "object" => doc.is_object(),
                    "array" => doc.is_array(),
                    "string" => doc.is_string(),
                    "integer" => doc.is_i64(),
                    _ => doc.is_number(),
                };
                rule.as_array().map_or_else(|| one(rule), |list| list.iter().any(one))
            }
            "items" => return doc.as_array().into_iter().flatten().try_for_each(|d| fits(root, rule, d)),
            "properties" => return properties(root, schema, doc),
            _ => true,
        };
        if ok { Ok(()) } else { Err(format!("{key} {rule}")) }
    }

    fn properties(root: &Value, schema: &Value, doc: &Value) -> Result<(), String> {
        for (key, value) in doc.as_object().into_iter().flatten() {
            let pattern = schema["patternProperties"].as_object().and_then(|p| p.values().next());
            match (schema["properties"].get(key), pattern) {
                (Some(s), _) | (None, Some(s)) => fits(root, s, value)?,
                (None, None) => return Err(format!("no property {key}")),
            }
        }
        Ok(())
    }

    fn try_on(text: &str) -> Result<(), String> {
        let doc: Value = toml::from_str(text).expect("TOML");
        let schema = schema_of(PROBES);
        fits(&schema, &schema, &doc)
    }

    #[test]
    fn what_loads_fits_the_schema() {
        try_on(TREE).expect("fits");
        let schema = schema();
        let trim = schema.pointer("/$defs/unit_gain/properties/params/properties/trim").expect("there");
        assert_eq!(trim["minimum"], -60.0);
        assert_eq!(trim["maximum"], 24.0);
        assert!(trim["description"].as_str().is_some_and(|d| d.contains("[dB]")), "{trim}");
    }

    #[test]
    fn what_is_wrong_does_not_fit() {
        let head = "format = 1\n[rack]\nlayout = 'stereo'\n[[slot]]\nid = 'vol'\n";
        try_on(&format!("{head}unit = 'gain'")).expect("the least fits");
        for bad in [
            "unit = 'gian'",
            "unit = 'gain'\nparams = { trim = 30 }",
            "unit = 'gain'\nparams = { trmi = 3 }",
            "unit = 'gain'\nsidechain = 'self'",
            "split = 'midside'",
            "split = 'midside'\n[[slot.branch]]\nid = 'mid'\n[[slot.branch]]\nid = 'low'",
            "unit = 'probe'\nparams = { mode = 'mean' }",
            "unit = 'probe'\nparams = { count = 2.5 }",
        ] {
            assert!(try_on(&format!("{head}{bad}")).is_err(), "{bad}");
        }
    }
}
