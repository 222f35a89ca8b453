// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clients that are not ours against a running daemon: liblo's tools, python-osc, the osc package of node,
//! grpcio by reflection, grpc-js, buf; and readers of our files. `tests/run` installs them.
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::files::repository;
use crate::lathed::Lathed;

/// Where `tests/run` puts them.
fn installed() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("foreign")
}

/// A program of `tests/run`'s; a missing one is an error that says what to do.
fn tool(path: &str) -> Command {
    let program = if path.contains('/') { installed().join(path) } else { path.into() };
    let found = match path.contains('/') {
        true => program.exists(),
        false => {
            Command::new("sh").args(["-c", &format!("command -v {path}")]).output().unwrap().status.success()
        }
    };
    assert!(found, "{} is not there; `tests/run` installs it", program.display());
    let mut command = Command::new(program);
    command.current_dir(repository()).env("NODE_PATH", installed().join("node/node_modules"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn python() -> Command {
    tool("python/bin/python")
}

fn node() -> Command {
    assert!(
        installed().join("node/node_modules/osc").exists(),
        "no packages of node; `tests/run` installs them"
    );
    tool("node")
}

/// The program itself: what npm puts first would outlive being ended.
fn buf() -> Command {
    let packages = installed().join("node/node_modules/@bufbuild");
    let found = std::fs::read_dir(&packages).into_iter().flatten().map(|e| e.unwrap().path().join("bin/buf"));
    let program = found.into_iter().find(|p| p.exists() && !p.starts_with(packages.join("buf")));
    let program =
        program.unwrap_or_else(|| panic!("no buf in {}; `tests/run` installs it", packages.display()));
    let mut command = Command::new(program);
    command.current_dir(repository()).env("BUF_CACHE_DIR", installed().join("buf"));
    command
}

/// Runs to the end, which is to be a good one, and gives stdout.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = output(command);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?} ends with {}\n{out}{err}", output.status);
    out
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn daemon() -> Lathed {
    Lathed::start(&["--backend", "clock", "--osc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
}

/// What every client does: sets -3 dB and reads it back; is told that another client set -6 dB; reads the
/// momentary loudness; stores a snapshot, sets -12 dB, recalls; and is refused 99 dB.
#[track_caller]
fn check(saw: &Value) {
    let is = |key: &str, wanted: f64| {
        let got = saw[key].as_f64().unwrap_or(f64::NAN);
        assert!((got - wanted).abs() < 1e-3, "{key} is {got} dB, not {wanted} dB: {saw}");
    };
    is("read_back", -3.0);
    is("feedback", -6.0);
    is("recalled", -6.0);
    let meter = saw["meter"].as_f64().unwrap_or(f64::NAN);
    assert!((-70.0..0.0).contains(&meter), "momentary loudness {meter} LUFS: {saw}");
    let refusal = saw["refusal"].as_str().unwrap_or_default();
    assert!(refusal.contains("trim/trim") && refusal.contains("-60 dB to 24 dB"), "refusal: {refusal}");
}

fn json(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

/// A script with a daemon's address.
#[track_caller]
fn script(mut command: Command, file: &str, args: &[&str]) -> Value {
    json(&run(command.arg(format!("tests/foreign/{file}")).args(args)))
}

#[test]
fn python_osc() {
    let daemon = daemon();
    let (host, port) = daemon.ready("osc").split_once(':').unwrap();
    check(&script(python(), "osc_python.py", &[host, port]));
}

#[test]
fn osc_of_node() {
    let daemon = daemon();
    let (host, port) = daemon.ready("osc").split_once(':').unwrap();
    check(&script(node(), "osc_node.js", &[host, port]));
}

#[test]
fn grpcio_by_reflection() {
    let daemon = daemon();
    let saw = script(python(), "grpc_python.py", &[daemon.ready("http")]);
    check(&saw);
    for service in
        ["LedgerService", "MeterService", "PrintService", "RackService", "SnapshotService", "SystemService"]
    {
        let listed = saw["services"].as_array().unwrap().contains(&json!(format!("lathe.v1.{service}")));
        assert!(listed, "reflection does not list {service}: {saw}");
    }
}

#[test]
fn grpc_js() {
    let daemon = daemon();
    check(&script(node(), "grpc_node.js", &[daemon.ready("http"), "proto"]));
}

/// `oscdump` on a port of its own, told of by `/subscribe` with that port.
struct Dump {
    child: std::process::Child,
    lines: Receiver<String>,
    port: u16,
}

impl Dump {
    fn start() -> Dump {
        let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child =
            tool("oscdump").args(["-L", &port.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|l| drop(send.send(l))));
        Dump { child, lines, port }
    }

    /// The number at an address, once it is as wanted; asks again every second.
    fn number(&self, address: &str, again: impl Fn(), wanted: impl Fn(f64) -> bool) -> f64 {
        let end = Instant::now() + Duration::from_secs(10);
        let (mut seen, mut ask) = (Vec::new(), Instant::now());
        while Instant::now() < end {
            if Instant::now() >= ask {
                again();
                ask += Duration::from_secs(1);
            }
            let Ok(line) = self.lines.recv_timeout(Duration::from_millis(100)) else { continue };
            // Time, address, types, value.
            let parts: Vec<&str> = line.split(' ').collect();
            if let [_, at, "f", value] = parts[..]
                && at == address
                && let Ok(value) = value.parse()
            {
                if wanted(value) {
                    return value;
                }
                seen.push(value);
            }
        }
        panic!("nothing wanted came to {address}: {seen:?}");
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every `oscsend` is a client of its own, so each change is another's. A refusal goes to the port of the
/// `oscsend` that has ended; here it is seen in that nothing changed.
#[test]
fn liblo_tools() {
    let daemon = daemon();
    let url = format!("osc.udp://{}", daemon.ready("osc"));
    let send = |args: &[&str]| drop(run(tool("oscsend").arg(&url).args(args)));
    let dump = Dump::start();
    let port = dump.port.to_string();
    let subscribe = || send(&["/subscribe", "sii", "/rack/trim/trim", "20", &port]);
    const TRIM: &str = "/rack/trim/trim";
    let near = |wanted: f64| move |v: f64| (v - wanted).abs() < 1e-3;
    dump.number(TRIM, subscribe, near(0.0));
    send(&[TRIM, "f", "-3"]);
    let read_back = dump.number(TRIM, subscribe, near(-3.0));
    send(&[TRIM, "f", "-6"]);
    let feedback = dump.number(TRIM, subscribe, near(-6.0));
    send(&["/snapshot/store", "s", "liblo"]);
    send(&[TRIM, "f", "-12"]);
    dump.number(TRIM, subscribe, near(-12.0));
    send(&["/snapshot/recall", "s", "liblo"]);
    let recalled = dump.number(TRIM, subscribe, near(-6.0));
    send(&[TRIM, "f", "99"]);
    send(&[TRIM, "f", "-9"]);
    dump.number(TRIM, subscribe, |v| {
        assert!(v <= 0.0, "{v} dB, where 99 dB is refused");
        near(-9.0)(v)
    });
    let meter = "/meter/out/momentary";
    let meter = dump.number(meter, || send(&["/subscribe", "sii", meter, "20", &port]), |v| v > -100.0);
    let refusal = "trim/trim: -60 dB to 24 dB (not seen by oscsend)";
    check(&json!({
        "read_back": read_back, "feedback": feedback, "recalled": recalled, "meter": meter, "refusal": refusal,
    }));
}

#[test]
fn buf_curl() {
    let daemon = daemon();
    let call = |method: &str, data: Value| {
        let url = format!("http://{}/lathe.v1.{method}", daemon.ready("http"));
        let mut command = buf();
        command.args(["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--timeout", "20s", &url]);
        command.args(["--data", &data.to_string()]);
        command
    };
    let trim = |v: f64| json!({ "items": [{ "address": "trim/trim", "real": v }] });
    let read = || {
        json(&run(&mut call("RackService/GetValues", json!({ "addresses": ["trim/trim"] }))))["values"][0]
        ["real"]
        .clone()
    };
    run(&mut call("RackService/SetValues", trim(-3.0)));
    let read_back = read();
    // One call a connection, so this is another client.
    let mut watch = call("RackService/WatchRack", json!({})).stdout(Stdio::piped()).spawn().unwrap();
    let mut stream = serde_json::Deserializer::from_reader(BufReader::new(watch.stdout.take().unwrap()))
        .into_iter::<Value>();
    assert!(stream.next().unwrap().unwrap()["rack"].is_object(), "the full state comes first");
    run(&mut call("RackService/SetValues", trim(-6.0)));
    let feedback = stream.find_map(|m| m.unwrap()["values"]["values"][0]["real"].as_f64());
    watch.kill().unwrap();
    watch.wait().unwrap();
    let mut watch =
        call("MeterService/WatchMeters", json!({ "hz": 20 })).stdout(Stdio::piped()).spawn().unwrap();
    let readings = serde_json::Deserializer::from_reader(BufReader::new(watch.stdout.take().unwrap()));
    let meter = readings.into_iter::<Value>().find_map(|m| m.unwrap()["taps"][0]["momentary"].as_f64());
    watch.kill().unwrap();
    watch.wait().unwrap();
    run(&mut call("SnapshotService/CreateSnapshot", json!({ "name": "buf" })));
    run(&mut call("RackService/SetValues", trim(-12.0)));
    run(&mut call("SnapshotService/RecallSnapshot", json!({ "name": "buf" })));
    let recalled = read();
    let refused = output(&mut call("RackService/SetValues", trim(99.0)));
    assert!(!refused.status.success());
    let refusal = json(&text(&refused.stderr));
    assert_eq!(refusal["code"], "invalid_argument", "{refusal}");
    check(&json!({
        "read_back": read_back, "feedback": feedback, "recalled": recalled, "meter": meter,
        "refusal": refusal["message"],
    }));
}

#[test]
fn buf_finds_nothing_in_the_schema() {
    run(buf().arg("lint"));
    run(buf().args(["format", "--diff", "--exit-code"]));
    // And it would: a copy with a name that is none.
    let copy = tempfile::tempdir().unwrap();
    let inside = copy.path().join("proto/lathe/v1");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::copy(repository().join("buf.yaml"), copy.path().join("buf.yaml")).unwrap();
    let schema = std::fs::read_to_string(repository().join("proto/lathe/v1/meter.proto")).unwrap();
    std::fs::write(inside.join("meter.proto"), schema.replace("double hz = 1;", "double Hz = 1;")).unwrap();
    let said = output(buf().arg("lint").current_dir(copy.path()));
    assert!(!said.status.success() && text(&said.stdout).contains("\"Hz\""), "{}", text(&said.stdout));
}

/// Every few seconds, well within the 10 s after which a subscription ends: the question in `/norm`, and
/// both subscriptions.
const RENEWED: [&str; 3] = ["/rack/bypass/norm", "/subscribe", "/subscribe"];

#[test]
fn py2tosc_reads_the_layouts_and_lua_runs_their_script() {
    for name in ["stereo-master", "midside"] {
        let saw = script(python(), "tosc.py", &[&format!("clients/layouts/{name}.tosc")]);
        assert_eq!(saw["issues"], json!([]), "{name}");
        assert_eq!(saw["same"], true, "{name}: something in the file is not understood");
        assert!(saw["controls"].as_u64() > Some(300), "{name}: {}", saw["controls"]);
        assert_eq!(saw["listed"], "A, Mix 3", "{name}");
        let meters = json!(["/subscribe", [{"tag": "s", "value": "/meter/out"}, {"tag": "i", "value": 10}]]);
        let renewed = [json!(RENEWED[0]), json!(RENEWED[1]), meters];
        let wanted: Vec<Value> =
            [0, 4000, 8000].iter().flat_map(|ms| renewed.iter().map(move |m| json!([ms, m]))).collect();
        assert_eq!(saw["sent"], json!(wanted), "{name}");
    }
}

#[test]
fn javascript_runs_the_script_of_a_session() {
    for name in ["stereo-master", "midside"] {
        let saw = script(node(), "session.js", &[&format!("clients/layouts/{name}.json")]);
        let addresses =
            |key: &str| -> Vec<Value> { saw[key].as_array().unwrap().iter().map(|m| m[1].clone()).collect() };
        assert_eq!(addresses("again"), RENEWED, "{name}: {saw}");
        assert_eq!(addresses("first")[..3], RENEWED, "{name}: {saw}");
        assert_eq!(addresses("first")[3..], ["/snapshot/list", "/snapshot/current"], "{name}: {saw}");
        assert_eq!(
            saw["again"][2][2],
            json!([{"type": "s", "value": "/meter/out"}, {"type": "i", "value": 10}])
        );
        assert!((1000..8000).contains(&saw["every"].as_u64().unwrap()), "{name}: every {} ms", saw["every"]);
    }
}

#[test]
fn three_songs_are_recalled_and_measured() {
    let daemon = daemon();
    let said = run(python()
        .args(["clients/python/examples/recall.py", "--seconds", "2"])
        .args(["--server", daemon.ready("http")]));
    let rows: Vec<Vec<&str>> = said.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows[0], ["song", "integrated_lufs", "momentary_max_lufs", "true_peak_max_dbtp"], "{said}");
    let songs: Vec<&str> = rows[1..].iter().map(|r| r[0]).collect();
    assert_eq!(songs, ["Opener", "Ballad", "Closer"], "{said}");
    for row in &rows[1..] {
        for value in &row[1..] {
            let level: f64 = value.parse().unwrap_or(f64::NAN);
            assert!((-70.0..6.0).contains(&level), "{value} in {row:?}");
        }
    }
    let loudness = |row: usize| rows[row][1].parse::<f64>().unwrap();
    let step = loudness(1) - loudness(2);
    assert!(step > 3.0, "the ballad is {step:.1} LU below the opener; 6 dB of trim and 3 dB of gain apart");
    let listed = json(&run(buf()
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .arg(format!("http://{}/lathe.v1.SnapshotService/ListSnapshots", daemon.ready("http")))));
    let names: Vec<&str> =
        listed["snapshots"].as_array().unwrap().iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, ["before the songs", "Opener", "Ballad", "Closer"]);
    assert_eq!(listed["current"], "before the songs");
}
