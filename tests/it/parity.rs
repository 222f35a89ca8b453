// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every parameter there is, the same in a rack file, over OSC, over gRPC and out of a snapshot: the same
//! values are taken, and what is refused is refused in the same words.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use lathe_core::param::{Fault, ParamKind, ParamSpec, ValueError};
use lathe_core::rack::plan::{BranchPlan, RackPlan, SlotPlan};
use lathe_core::rack::split::SplitKind;
use lathe_core::rack::{self, export};
use lathe_core::units::{CATALOG, Layout};
use lathed::adapters::OscSnapshots;
use lathed::audio::supervisor::{Backend, Supervisor};
use lathed::control::snapshots::Library;
use lathed::control::{Client, Control, Handle, Reloaded, SnapshotError, Snapshots};
use lathed::grpc::v1;
use lathed::grpc::v1::rack_service_client::RackServiceClient;
use lathed::grpc::v1::set_values_item::Value;
use lathed::grpc::v1::snapshot_service_client::SnapshotServiceClient;
use lathed::grpc::{Listeners, Services, bind, serve};
use lathed::osc::{self, Arg, OscSettings};
use lathed::store::{Snapshot, StateDir};
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use super::osc::Peer;

/// A rack with all that can set it.
struct Rig {
    runtime: tokio::runtime::Runtime,
    supervisor: Supervisor,
    osc: osc::Server,
    channel: Channel,
    library: Arc<Library>,
    _state: StateDir,
    dir: tempfile::TempDir,
}

/// A value as somebody writes it.
#[derive(Clone, Debug)]
enum Given {
    Number(f64),
    Text(String),
    Switch(bool),
}

/// The value as taken, or what was said.
type Outcome = Result<f64, String>;

impl Rig {
    fn start() -> Rig {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let plan = RackPlan::empty(Layout::named("stereo").unwrap());
        let backend = Backend::Clock { rate: None, period: 256, input: None };
        let supervisor = Supervisor::start(Control::new(plan), backend).unwrap();
        supervisor.wait_ready();
        let host: Handle = supervisor.shared.clone();
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(Some(dir.path())).unwrap();
        let library = Arc::new(Library::new(host.clone(), state.snapshots().unwrap()));
        let snapshots = Arc::new(OscSnapshots(library.clone()));
        let socket = osc::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
        let osc =
            osc::Server::start(socket, host.clone(), None, Some(snapshots), OscSettings::default()).unwrap();
        let tcp = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = tcp.local_addr().unwrap();
        let listeners = Listeners { tcp: vec![tcp], ..Listeners::default() };
        let snapshots: Option<Arc<dyn Snapshots>> = Some(library.clone());
        let services = Services {
            host,
            snapshots,
            meters: None,
            prints: None,
            ledger: None,
            http: axum::Router::new(),
            counts: Default::default(),
        };
        runtime.spawn(serve(listeners, services, std::future::pending()));
        let channel = Channel::from_shared(format!("http://{addr}")).unwrap();
        let channel = runtime.block_on(channel.connect()).unwrap();
        Rig { runtime, supervisor, osc, channel, library, _state: state, dir }
    }

    fn end(self) {
        self.osc.stop();
        self.supervisor.stop();
    }

    fn peer(&self) -> Peer {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        Peer { socket, to: self.osc.address() }
    }

    fn value(&self, address: &str) -> f64 {
        self.supervisor.shared.control().get(address).unwrap().1
    }

    fn revision(&self) -> u64 {
        self.supervisor.shared.control().revision()
    }

    /// Over OSC, in these forms of one message.
    fn by_osc(&self, peer: &Peer, address: &str, arg: Arg) -> Outcome {
        let before = self.revision();
        let control = address.strip_suffix("/text").unwrap_or(address);
        let said = peer.ask(&format!("/rack/{address}"), &[arg]);
        match said.iter().find(|m| m.address == "/error").map(|m| &m.args[..]) {
            Some([Arg::Str(of), Arg::Str(code), Arg::Str(text)]) => {
                assert_eq!((of.as_str(), code.as_str()), (format!("/rack/{control}").as_str(), "value"));
                assert_eq!(self.revision(), before, "{address}: refused and made");
                Err(text.clone())
            }
            Some(other) => panic!("{other:?}"),
            None => {
                assert!(self.revision() > before, "{address}: neither refused nor made");
                Ok(self.value(control))
            }
        }
    }

    fn by_grpc(&self, address: &str, value: Value) -> Outcome {
        let item = v1::SetValuesItem { address: address.into(), value: Some(value), ramp_ms: None };
        let request = v1::SetValuesRequest { items: vec![item], validate_only: true, ..Default::default() };
        let mut client = RackServiceClient::new(self.channel.clone());
        match self.runtime.block_on(client.set_values(request)) {
            Ok(made) => Ok(made.into_inner().values[0].real),
            Err(status) => {
                assert_eq!(status.code(), tonic::Code::InvalidArgument);
                assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_VALUE");
                let told = status.get_details_bad_request().unwrap().field_violations.remove(0).description;
                Err(told.strip_prefix(&format!("{address}: ")).expect("names the address").to_string())
            }
        }
    }

    /// Writes the snapshot anew with one value changed, as a hand would that knows the checksum.
    fn forge(&self, snapshot: &Snapshot, address: &str, value: f64) {
        let mut forged = snapshot.clone();
        forged.values.insert(address.to_string(), value);
        let body = toml::to_string(&forged).unwrap();
        let facts = format!("# lathe-state 1 snapshot {}", body.len());
        let hash = blake3::hash(format!("{facts}\n{body}").as_bytes());
        let path: PathBuf =
            self.dir.path().join("snapshots").join(format!("{}-{}.toml", snapshot.id, snapshot.version));
        assert!(path.exists(), "{path:?}");
        std::fs::write(path, format!("{facts} {}\n{body}", hash.to_hex())).unwrap();
    }

    fn by_snapshot(&self, snapshot: &Snapshot, address: &str, value: f64) -> Outcome {
        self.forge(snapshot, address, value);
        let before = self.revision();
        match self.library.recall(&snapshot.name, 0.0, Client(1)) {
            Ok(_) => Ok(self.value(address)),
            Err(error) => {
                assert_eq!(self.revision(), before, "{address}: refused and made");
                match error {
                    SnapshotError::Values(e) => {
                        let told = e.to_string();
                        Err(told.strip_prefix(&format!("{address}: ")).expect("names it").to_string())
                    }
                    SnapshotError::Store(told) => Err(told),
                    other => panic!("{address} = {value}: {other:?}"),
                }
            }
        }
    }
}

/// The rack file of a plan with one parameter written last.
fn by_file(plan: &RackPlan, symbol: &str, given: &Given) -> Outcome {
    let mut plain = plan.clone();
    let slot = plain.slot_mut("u").unwrap();
    slot.values = slot.table.defaults();
    let text = match given {
        Given::Number(v) => format!("{v:?}").replace("NaN", "nan"),
        Given::Text(t) => format!("\"{t}\""),
        Given::Switch(on) => on.to_string(),
    };
    let groups: Vec<&str> = symbol.split('/').collect();
    let written = groups.iter().rev().fold(text, |inner, name| match inner.contains('=') {
        false => format!("{name} = {inner}"),
        true => format!("{name} = {{ {inner} }}"),
    });
    // Exported without values, as all are the defaults; the parameters of a split come before its branches.
    let file = export(&plain).replacen("id = \"u\"\n", &format!("id = \"u\"\nparams = {{ {written} }}\n"), 1);
    match rack::load(&file, "rack.toml") {
        Ok(loaded) => {
            let slot = loaded.plan.walk().into_iter().find(|s| s.id == "u").unwrap();
            Ok(slot.values.get(slot.table.find(symbol).unwrap()))
        }
        Err(found) => {
            let messages: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
            assert_eq!(messages.len(), 1, "{messages:?} in\n{file}");
            Err(messages[0].to_string())
        }
    }
}

/// Every unit of the catalog and every split, alone in a rack.
fn racks() -> Vec<(String, RackPlan)> {
    let alone = |slot: SlotPlan| {
        let mut plan = RackPlan::empty(Layout::named("stereo").unwrap());
        plan.slots = vec![slot];
        plan
    };
    let branches = |kind: SplitKind| -> Vec<BranchPlan> {
        let ids = kind.fixed_branches().unwrap_or(["low", "high"]);
        ids.iter().map(|id| BranchPlan { id: id.to_string(), slots: Vec::new() }).collect()
    };
    let units = CATALOG.iter().map(|k| (k.spec().symbol.to_string(), alone(SlotPlan::unit("u", *k))));
    let splits = SplitKind::ALL.into_iter();
    let splits = splits.map(|k| (k.symbol().to_string(), alone(SlotPlan::split("u", k, branches(k)))));
    units.chain(splits).collect()
}

/// Numbers at the default, at both edges, a rounding beyond them, and a step beyond them; and no numbers.
fn numbers(spec: &ParamSpec) -> Vec<f64> {
    let step = if spec.step > 0.0 { spec.step } else { (spec.max - spec.min) / 100.0 };
    let rounded = [(spec.max as f32).next_up(), (spec.min as f32).next_down()].map(f64::from);
    let mut all = vec![spec.default, spec.min, spec.max, spec.max + step, spec.min - step];
    all.extend(rounded.into_iter().filter(|v| v.abs() > 1e-30));
    all.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3e38]);
    if spec.is_discrete() {
        all.extend((1..(spec.max - spec.min) as usize).map(|n| spec.min + n as f64));
        all.push(spec.min + 0.5);
    }
    all
}

/// What a word in quotes or a switch is to be answered with.
fn said(e: &ValueError) -> Outcome {
    Err(ValueError { hint: String::new(), ..e.clone() }.to_string())
}

fn without_hint(outcome: Outcome) -> Outcome {
    outcome.map_err(|e| e.split(" (did you mean").next().unwrap().to_string())
}

/// Values are equal to what a float of single precision makes of them.
fn assert_alike(what: &str, expected: &Outcome, got: Outcome, spec: &ParamSpec) {
    let alike = match (expected, &got) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-7 * a.abs() && (spec.min..=spec.max).contains(b),
        (a, b) => a == b,
    };
    assert!(alike, "{what}: {got:?} instead of {expected:?}");
}

#[test]
fn every_parameter_is_the_same_everywhere() {
    let rig = Rig::start();
    let (mut cases, mut parameters) = (0, 0);
    for (name, plan) in racks() {
        let reloaded = rig.supervisor.shared.control().reload(plan.clone()).unwrap();
        assert!(matches!(reloaded, Reloaded::Sent(_)));
        let snapshot = rig.library.create(&name, "", "", Client(1)).unwrap();
        let slot = &plan.slots[0];
        for (_, spec) in slot.table.iter() {
            // Of refusals a source is only told so many a second.
            let peer = rig.peer();
            let address = format!("u/{}", spec.symbol);
            parameters += 1;
            for v in numbers(spec) {
                let what = format!("{name}: {address} = {v}");
                let expected = spec.check(v).map_or_else(|e| said(&e), Ok);
                assert_alike(
                    &format!("{what} by gRPC"),
                    &expected,
                    rig.by_grpc(&address, Value::Real(v)),
                    spec,
                );
                let single = rig.by_osc(&peer, &address, Arg::Float(v as f32));
                assert_alike(&format!("{what} by OSC"), &expected, single, spec);
                let number = matches!(spec.kind, ParamKind::Float | ParamKind::Integer);
                let in_a_file = match number {
                    true => expected.clone(),
                    false => said(&ValueError::new(spec, lathe_core::param::short(v), Fault::Type)),
                };
                assert_alike(
                    &format!("{what} in a file"),
                    &in_a_file,
                    by_file(&plan, &spec.symbol, &Given::Number(v)),
                    spec,
                );
                let recalled = rig.by_snapshot(&snapshot, &address, v);
                if v.is_finite() {
                    assert_alike(&format!("{what} by recall"), &expected, recalled, spec);
                } else {
                    let told = recalled.unwrap_err();
                    assert!(told.contains("is not a finite number") && told.contains(&address), "{told}");
                }
                cases += 4;
            }
            for on in [true, false] {
                let expected = match spec.kind {
                    ParamKind::Toggle => Ok(f64::from(u8::from(on))),
                    _ => said(&ValueError::new(spec, on.to_string(), Fault::Type)),
                };
                let what = format!("{name}: {address} = {on}");
                assert_alike(&what, &expected, by_file(&plan, &spec.symbol, &Given::Switch(on)), spec);
                assert_alike(&what, &expected, rig.by_osc(&peer, &address, Arg::Bool(on)), spec);
                cases += 2;
            }
            let beyond = spec.show(spec.max + 1.0 + spec.step);
            let mut texts = vec!["loud".to_string(), spec.show(spec.min), spec.show(spec.max)];
            texts.extend(spec.choices().iter().map(|c| c.symbol.to_string()));
            texts.extend((spec.kind == ParamKind::Float).then_some(beyond));
            for text in texts {
                let expected = spec.parse(&text).map_or_else(|e| said(&e), Ok);
                let what = format!("{name}: {address} = \"{text}\"");
                let by_text = rig.by_osc(&peer, &format!("{address}/text"), Arg::Str(text.clone()));
                assert_alike(&format!("{what} by OSC"), &expected, without_hint(by_text), spec);
                let by_grpc = without_hint(rig.by_grpc(&address, Value::Text(text.clone())));
                assert_alike(&format!("{what} by gRPC"), &expected, by_grpc, spec);
                assert_alike(
                    &what,
                    &expected,
                    by_file(&plan, &spec.symbol, &Given::Text(text.clone())),
                    spec,
                );
                if matches!(spec.kind, ParamKind::Choice(_) | ParamKind::Toggle) {
                    let by_symbol = rig.by_osc(&peer, &address, Arg::Str(text.clone()));
                    assert_alike(&format!("{what} as a symbol"), &expected, without_hint(by_symbol), spec);
                }
                cases += 3;
            }
        }
    }
    println!("{parameters} parameters, {cases} cases");
    let units: BTreeSet<&str> = CATALOG.iter().map(|k| k.spec().symbol).collect();
    assert!(parameters > 4 * units.len() && cases > 20 * parameters);
    rig.end();
}

#[test]
fn a_recall_that_is_refused_says_so_on_every_wire() {
    let rig = Rig::start();
    let (_, plan) = racks().into_iter().find(|(name, _)| name == "gain").unwrap();
    let _ = rig.supervisor.shared.control().reload(plan).unwrap();
    let snapshot = rig.library.create("Verse", "", "", Client(1)).unwrap();
    rig.forge(&snapshot, "u/trim", 99.0);
    let words = "u/trim: \"trim\" = 99 dB is out of range: -60 dB to 24 dB";
    let peer = rig.peer();
    peer.send("/snapshot/recall", &[Arg::Str("Verse".into())]);
    let said = peer.all(std::time::Duration::from_millis(100));
    let text = |t: &str| Arg::Str(t.into());
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].args, [text("/snapshot/recall"), text("value"), text(words)]);
    let mut client = SnapshotServiceClient::new(rig.channel.clone());
    let request = v1::RecallSnapshotRequest { name: "Verse".into(), morph_seconds: 0.0 };
    let status = rig.runtime.block_on(client.recall_snapshot(request)).unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::FailedPrecondition, words));
    assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_VALUE");
    let field = &status.get_details_bad_request().unwrap().field_violations[0].field;
    assert_eq!(field, "values[u/trim]");
    rig.end();
}
