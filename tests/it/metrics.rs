// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/metrics`: a strict reading of the exposition format, counters that move, hostile requests, and logs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use lathed::osc::{Arg, Booleans, Message, encode};

use super::files::repository;
use super::jackd::{Jackd, wait_for};
use super::lathed::{GAIN, Lathed};

/// One request by hand; head and body of the answer.
fn request(addr: &str, head: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let _ = stream.write_all(head); // it may be closed before all was sent
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.to_string(), body.to_string())
}

fn get(addr: &str, path: &str) -> (String, String) {
    request(addr, format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").as_bytes())
}

/// One family of metrics.
#[derive(Debug, Default, PartialEq)]
pub struct Family {
    kind: String,
    help: String,
    unit: String,
    /// Name with labels, in order, and value.
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

fn is_name(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads OpenMetrics text and accepts nothing that is not in its grammar.
fn parse(page: &str) -> BTreeMap<String, Family> {
    let body = page.strip_suffix("# EOF\n").expect("it ends with # EOF");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').expect(line);
            let (name, text) = rest.split_once(' ').expect(line);
            assert!(is_name(name), "{line}");
            if word == "HELP" {
                assert!(!families.contains_key(name), "{name} comes twice");
                families.insert(name.into(), Family { help: text.into(), ..Family::default() });
                current = name.into();
            }
            assert_eq!(name, current, "HELP comes first: {line}");
            let family = families.get_mut(name).unwrap();
            assert!(family.samples.is_empty(), "{line} after its samples");
            match word {
                "HELP" => assert!(text.len() > 10, "{line}"),
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram", "info"].contains(&text), "{line}");
                    family.kind = text.into();
                }
                "UNIT" => {
                    assert!(name.ends_with(&format!("_{text}")), "the unit is in the name: {line}");
                    family.unit = text.into();
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let labels = labels.strip_suffix('}').expect(line);
        let mut read = BTreeMap::new();
        for pair in labels.split(',').filter(|p| !p.is_empty()) {
            let (label, value) = pair.split_once('=').expect(line);
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect(line);
            assert!(is_name(label) && !value.contains(['"', '\\', '\n']), "{line}");
            assert!(read.insert(label.to_string(), value.to_string()).is_none(), "{line}");
        }
        let family = families.get_mut(&current).expect(line);
        let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} in {current}"));
        let suffixes: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(suffixes.contains(&suffix), "{line} is no {}", family.kind);
        let value: f64 = if value == "+Inf" { f64::INFINITY } else { value.parse().expect(line) };
        // A gauge of what is not known yet is NaN.
        let gauge = family.kind == "gauge";
        assert!((gauge && !value.is_infinite()) || (value.is_finite() && value >= 0.0), "{line}");
        assert!(!family.samples.iter().any(|(n, l, _)| (n.as_str(), l) == (name, &read)), "twice: {line}");
        family.samples.push((name.into(), read, value));
    }
    for (name, family) in &families {
        assert!(
            name.starts_with("lathe_") && !family.kind.is_empty() && !family.samples.is_empty(),
            "{name}"
        );
        if family.kind == "histogram" {
            let of = |suffix: &'static str| family.samples.iter().filter(move |(n, ..)| n.ends_with(suffix));
            let bounds: Vec<(f64, f64)> = of("_bucket")
                .map(|(_, l, v)| {
                    (if l["le"] == "+Inf" { f64::INFINITY } else { l["le"].parse().unwrap() }, *v)
                })
                .collect();
            assert!(bounds.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1), "{name}: {bounds:?}");
            let count = of("_count").next().unwrap().2;
            assert_eq!(bounds.last().copied(), Some((f64::INFINITY, count)), "{name}");
        }
    }
    families
}

/// The page, read.
pub fn scrape(addr: &str) -> BTreeMap<String, Family> {
    let (head, body) = get(addr, "/metrics");
    assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.to_lowercase().contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    parse(&body)
}

/// The value of a family with one sample.
pub fn value(page: &BTreeMap<String, Family>, name: &str) -> f64 {
    let family = page.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", page.keys()));
    assert_eq!(family.samples.len(), 1, "{name}");
    family.samples[0].2
}

fn by_reason(page: &BTreeMap<String, Family>, name: &str, reason: &str) -> f64 {
    page[name].samples.iter().find(|(_, l, _)| l["reason"] == reason).expect(reason).2
}

/// The value of the sample with these labels.
pub fn value_of(page: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |of: &BTreeMap<String, String>| labels.iter().all(|(k, v)| of[*k] == *v);
    page[name].samples.iter().find(|(_, l, _)| has(l)).unwrap_or_else(|| panic!("{name} {labels:?}")).2
}

fn daemon() -> Lathed {
    Lathed::start(&["--backend", "clock", "--rack", GAIN, "--osc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
}

#[test]
fn what_happens_is_counted() {
    let daemon = daemon();
    let addr = daemon.ready("http");
    let first = scrape(addr);
    let osc = UdpSocket::bind("127.0.0.1:0").unwrap();
    osc.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let send = |address: &str, args: Vec<Arg>| {
        let packet = encode(&Message::new(address, args), Booleans::Integers);
        osc.send_to(&packet, daemon.ready("osc")).unwrap();
    };
    send("/subscribe", vec![]);
    send("/rack/input/trim", vec![Arg::Float(-3.0)]);
    wait_for("the set", Duration::from_secs(5), || {
        (value(&scrape(addr), "lathe_revision") > value(&first, "lathe_revision")).then_some(())
    });
    send("/rack/input/trim", vec![Arg::Float(99.0)]);
    send("/snapshot/store", vec![Arg::Str("Verse".into())]);
    send("/panic", vec![Arg::Int(1)]);
    osc.send_to(b"GET / HTTP/1.1\r\n\r\n", daemon.ready("osc")).unwrap();
    let second = wait_for("the snapshot", Duration::from_secs(5), || {
        let page = scrape(addr);
        let revisions = value(&page, "lathe_revision") - value(&first, "lathe_revision");
        let all = value(&page, "lathe_snapshots") == 1.0 && value(&page, "lathe_panic") == 1.0;
        let all = all && revisions >= 2.0;
        (all && by_reason(&page, "lathe_osc_dropped", "malformed") == 1.0).then_some(page)
    });
    let moved = |name: &str| value(&second, name) - value(&first, name);
    for name in ["lathe_audio_cycles", "lathe_engine_frames", "lathe_dsp_busy_seconds", "lathe_http_calls"] {
        println!("{name} moved by {}", moved(name));
        assert!(moved(name) > 0.0, "{name}");
    }
    assert_eq!(moved("lathe_osc_packets_received"), 6.0);
    let (sent, revisions) = (moved("lathe_osc_packets_sent"), moved("lathe_revision"));
    println!("{sent} OSC packets sent, {revisions} revisions");
    assert!(sent >= 2.0 && revisions == 2.0, "a set and a panic");
    assert_eq!(value(&second, "lathe_osc_clients"), 1.0);
    assert!(by_reason(&second, "lathe_osc_dropped", "refused") >= 1.0);
    assert_eq!(value(&second, "lathe_audio_up"), 1.0);
    assert_eq!(value(&second, "lathe_audio_sample_rate_hertz"), 48_000.0);
    assert_eq!(value(&second, "lathe_audio_period_frames"), 256.0);
    assert_eq!(value(&second, "lathe_http_calls_under_way"), 1.0, "this one");
    let cycles = value(&second, "lathe_audio_cycles");
    let frames = value(&second, "lathe_engine_frames");
    assert!((cycles * 256.0 - frames).abs() < 256.0 * 20.0, "{cycles} periods, {frames} frames");
    let labels = &second["lathe_audio"].samples[0].1;
    assert_eq!((labels["backend"].as_str(), labels["source"].as_str()), ("clock", "demo"));
    assert_eq!(second["lathe_build"].samples[0].1["version"], env!("CARGO_PKG_VERSION"));
    for (name, family) in second.iter().filter(|(_, f)| f.kind == "counter") {
        for (n, (sample, labels, now)) in family.samples.iter().enumerate() {
            assert!(*now >= first[name].samples[n].2, "{sample} {labels:?} went down");
        }
    }
}

#[test]
fn the_page_of_metrics_names_every_one() {
    let text = std::fs::read_to_string(repository().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<String> = rows.map(String::from).collect();
    let daemon = daemon();
    let page = scrape(daemon.ready("http"));
    let shown = page.iter().map(|(name, f)| match f.kind.as_str() {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.clone(),
    });
    assert_eq!(shown.collect::<BTreeSet<_>>(), told, "docs/metrics.md and what is shown");
}

#[test]
fn hostile_requests_do_no_harm() {
    let mut daemon = daemon();
    let addr = daemon.ready("http").to_string();
    let status = |head: &str| head.split(' ').nth(1).and_then(|s| s.parse::<u16>().ok()).unwrap_or(0);
    let begin = Instant::now();
    let (head, _) = get(&addr, &format!("/metrics/{}", "a".repeat(100_000)));
    assert!([0, 400, 404, 414, 431].contains(&status(&head)), "{head}");
    let (head, _) = get(&addr, &format!("/metrics?{}", "x=%00&".repeat(5_000)));
    assert!([0, 200, 400, 414, 431].contains(&status(&head)), "{head}");
    assert_eq!(status(&get(&addr, "/metrics/../../etc/passwd").0), 404);
    assert_eq!(status(&get(&addr, "/metricsx").0), 404);
    let post = request(&addr, b"POST /metrics HTTP/1.0\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc");
    assert_eq!(status(&post.0), 405, "{}", post.0);
    let foreign = request(&addr, b"GET /metrics HTTP/1.0\r\nhost: evil.example\r\n\r\n");
    assert!(status(&foreign.0) == 403 && !foreign.1.contains("lathe_"), "{foreign:?}");
    for junk in [&b"\x00\xff\xfe\x16\x03\x01\x02\x00\r\n\r\n"[..], b"GET\r\n\r\n", b"GET /metrics\r\n\r\n"] {
        let (head, body) = request(&addr, junk);
        assert!(status(&head) != 200 && !body.contains("lathe_"), "{head}");
    }
    let headers = format!("GET /metrics HTTP/1.0\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(20_000));
    assert_ne!(status(&request(&addr, headers.as_bytes()).0), 200);
    println!("ten hostile requests in {:?}", begin.elapsed());
    let page = scrape(&addr);
    assert!(by_reason(&page, "lathe_http_refused", "other_site") >= 1.0);
    assert!(daemon.is_running());
}

#[test]
fn a_lost_server_is_seen_in_metrics_and_health() {
    let mut server = Jackd::start(48_000, 128);
    let daemon = Lathed::on(&server, &["--rack", GAIN, "--http", "127.0.0.1:0"]);
    let addr = daemon.ready("http").to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut health = runtime.block_on(async {
        let channel = tonic::transport::Channel::from_shared(format!("http://{addr}")).unwrap();
        let mut client = tonic_health::pb::health_client::HealthClient::new(channel.connect().await.unwrap());
        let request = tonic_health::pb::HealthCheckRequest { service: "lathe.v1.audio".into() };
        client.watch(request).await.unwrap().into_inner()
    });
    let mut next = || {
        let answer =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), health.message()).await });
        answer.expect("an answer in time").unwrap().unwrap().status()
    };
    use tonic_health::pb::health_check_response::ServingStatus;
    // Health looks every 20 ms, and the ready line may come before it has.
    let first = next();
    assert!(first == ServingStatus::Serving || next() == ServingStatus::Serving);
    assert_eq!(value(&scrape(&addr), "lathe_audio_up"), 1.0);
    let lost = Instant::now();
    server.kill();
    assert_eq!(next(), ServingStatus::NotServing);
    println!("health says so after {} ms", lost.elapsed().as_millis());
    assert!(lost.elapsed() < Duration::from_secs(1));
    let page = scrape(&addr);
    assert_eq!((value(&page, "lathe_audio_up"), value(&page, "lathe_audio_sample_rate_hertz")), (0.0, 0.0));
    server.run(48_000, 128);
    assert_eq!(next(), ServingStatus::Serving);
    super::jackd::signal(server.pid(), "STOP");
    assert_eq!(next(), ServingStatus::NotServing, "a server that hangs");
    assert_eq!(value(&scrape(&addr), "lathe_audio_hung"), 1.0);
    super::jackd::signal(server.pid(), "CONT");
    assert_eq!(next(), ServingStatus::Serving);
}

#[test]
fn a_flood_of_hostile_packets_is_a_few_clean_lines_in_the_log() {
    let mut command = Lathed::command(&["--backend", "clock", "--rack", GAIN, "--osc", "127.0.0.1:0"]);
    command.env("LATHE_LOG", "lathed=trace");
    let mut daemon = Lathed::launch(command);
    let osc = UdpSocket::bind("127.0.0.1:0").unwrap();
    let evil = "x\n2026-01-01T00:00:00Z ERROR forged\r\x1b[2J\x07\u{202e}txt\u{9b}31m";
    let mut sent = 0;
    for n in 0..20_000_u32 {
        let packet = match n % 4 {
            0 => Message::new(format!("/rack/{evil}{n}"), vec![Arg::Str(evil.into())]),
            1 => Message::new("/snapshot/recall", vec![Arg::Str(format!("{evil}{n}"))]),
            2 => Message::new("/rack/input/trim", vec![Arg::Str(evil.into())]),
            _ => Message::new("/snapshot/store", vec![Arg::Str(format!("{evil}{n}"))]),
        };
        let packet = encode(&packet, Booleans::Integers);
        sent += packet.len();
        osc.send_to(&packet, daemon.ready("osc")).unwrap();
        if n % 50 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let ping = encode(&Message::new("/ping", vec![]), Booleans::Integers);
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    wait_for("a pong", Duration::from_secs(10), || {
        other.send_to(&ping, daemon.ready("osc")).unwrap();
        let mut buffer = [0; 65_536];
        let n = other.recv(&mut buffer).ok()?;
        buffer[..n].starts_with(b"/pong").then_some(())
    });
    daemon.signal("TERM");
    assert!(daemon.wait(Duration::from_secs(5)).success());
    let log = daemon.log();
    let bytes: usize = log.iter().map(|l| l.len() + 1).sum();
    println!("{sent} bytes of hostile packets made {bytes} bytes of log in {} lines", log.len());
    assert!(bytes < 20_000, "{bytes} bytes of log");
    for line in &log {
        let clean = !line.chars().any(|c| c.is_control() || c == '\u{202e}');
        let level = line.split_whitespace().nth(1);
        assert!(clean && line.starts_with("20") && level != Some("ERROR"), "no forged line: {line:?}");
    }
}
