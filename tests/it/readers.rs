// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who reads meters: nobody misses a single sample, however slowly it reads, and who does not read at all
//! keeps nobody else waiting.

use std::time::{Duration, Instant};

use lathed::grpc::v1;
use lathed::osc::Arg;

use super::clients::Clients;
use super::jackd::{Jackd, wait_for};
use super::lathed::{GAIN, Lathed};
use super::remote::{Remote, reachable};

const RATE: usize = 48_000;

fn watch(hz: f64, taps: &[&str]) -> v1::WatchMetersRequest {
    let taps = taps.iter().map(|t| t.to_string()).collect();
    v1::WatchMetersRequest { hz, taps, ..Default::default() }
}

#[test]
fn an_impulse_of_one_sample_is_told_once_to_every_reader_at_its_own_rate() {
    const PEAK: f64 = 0.75;
    let db = 20.0 * PEAK.log10();
    let server = Jackd::start(RATE as u32, 256);
    for run in 1..=6 {
        let daemon = Lathed::on(&server, &reachable(&["--rack", GAIN]));
        let remote = Remote::of(&daemon);
        let mut input = vec![vec![0.0_f32; 6 * RATE]; 2];
        input[0][2 * RATE + RATE / 3] = PEAK as f32;
        let origin = daemon.origin().unwrap();
        let playing = Clients::start(&server, "lathe", &["L", "R"], &input, 0, origin.jack_frame);
        playing.wait_started();
        let readers: Vec<_> = [1.0, 5.0, 60.0]
            .map(|hz| {
                let mut meters = remote.meters();
                let mut stream =
                    remote.runtime.block_on(meters.watch_meters(watch(hz, &["out"]))).unwrap().into_inner();
                remote.runtime.spawn(async move {
                    let (mut peaks, end) = (Vec::new(), Instant::now() + Duration::from_secs(5));
                    while let Ok(Ok(Some(frame))) =
                        tokio::time::timeout_at(end.into(), stream.message()).await
                    {
                        peaks.extend(frame.taps.first().map(|t| t.channels[0].peak.max(-200.0)));
                    }
                    peaks
                })
            })
            .into();
        let listeners: Vec<_> = [1, 5, 60]
            .map(|hz| {
                let peer = remote.peer();
                peer.send("/subscribe", &[Arg::Str("/meter/out".into()), Arg::Int(hz)]);
                std::thread::spawn(move || {
                    let told = peer.all(Duration::from_secs(5));
                    let peaks = told.into_iter().filter(|m| m.address == "/meter/out/peak/L");
                    peaks.map(|m| m.args[0].number().unwrap()).collect::<Vec<f64>>()
                })
            })
            .into();
        let mut all: Vec<(&str, Vec<f64>)> = Vec::new();
        for reader in readers {
            all.push(("gRPC", remote.runtime.block_on(reader).unwrap()));
        }
        all.extend(listeners.into_iter().map(|l| ("OSC", l.join().unwrap())));
        let live = playing.finish();
        let near = |p: &&f64| (**p - db).abs() < 1e-3;
        let told: Vec<(&str, usize, usize)> =
            all.iter().map(|(by, peaks)| (*by, peaks.len(), peaks.iter().filter(near).count())).collect();
        println!("run {run}: by, readings, of these with the impulse: {told:?}");
        let only = all.iter().all(|(_, peaks)| peaks.iter().all(|p| near(&p) || *p < -190.0));
        if told.iter().all(|(_, readings, hits)| *readings >= 3 && *hits == 1) && only {
            return;
        }
        assert!(live.disturbed || daemon.xruns() > 0, "{told:?}");
    }
    panic!("six runs in a row had xruns");
}

/// The times between the frames that a reader at 60 Hz gets in three seconds, in milliseconds, sorted.
fn gaps(remote: &Remote) -> Vec<f64> {
    let mut meters = remote.meters();
    remote.runtime.block_on(async {
        let mut stream = meters.watch_meters(watch(60.0, &["out", "in"])).await.unwrap().into_inner();
        stream.message().await.unwrap();
        let (mut out, mut last) = (Vec::new(), Instant::now());
        let end = last + Duration::from_secs(3);
        while last < end {
            let frame = stream.message().await.unwrap().unwrap();
            assert!(frame.audible);
            out.push(last.elapsed().as_secs_f64() * 1e3);
            last = Instant::now();
        }
        out.sort_by(f64::total_cmp);
        out
    })
}

/// The same of an OSC subscriber.
fn osc_gaps(remote: &Remote) -> Vec<f64> {
    let peer = remote.peer();
    peer.send("/subscribe", &[Arg::Str("/meter/out".into()), Arg::Int(60)]);
    peer.until("/meter/out/momentary", Duration::from_secs(2));
    let (mut out, mut last) = (Vec::new(), Instant::now());
    let end = last + Duration::from_secs(3);
    while last < end {
        peer.until("/meter/out/momentary", Duration::from_secs(2));
        out.push(last.elapsed().as_secs_f64() * 1e3);
        last = Instant::now();
    }
    out.sort_by(f64::total_cmp);
    out
}

fn pings(remote: &Remote) -> Vec<f64> {
    let peer = remote.peer();
    let mut out: Vec<f64> = (0..300)
        .map(|_| {
            let asked = Instant::now();
            peer.until_pong();
            asked.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    out.sort_by(f64::total_cmp);
    out
}

fn of(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

#[test]
fn readers_that_are_stuck_or_silent_delay_nobody() {
    let daemon = Lathed::start(&reachable(&["--backend", "clock"]));
    let remote = Remote::of(&daemon);
    let measure = || [gaps(&remote), osc_gaps(&remote), pings(&remote)];
    let before = measure();
    // Forty streams of meters and of changes that are opened and never read, each on a connection of its
    // own with a small window, and sixteen listeners that never take a packet from their sockets.
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let url = format!("http://{}", daemon.ready("http"));
        let channel = tonic::transport::Channel::from_shared(url).unwrap();
        let channel = channel.initial_stream_window_size(4096).initial_connection_window_size(4096);
        stuck.push(remote.runtime.block_on(async {
            let channel = channel.connect().await.unwrap();
            let mut meters = v1::meter_service_client::MeterServiceClient::new(channel.clone());
            let mut rack = v1::rack_service_client::RackServiceClient::new(channel);
            let a = meters.watch_meters(watch(60.0, &["in", "out", "monitor"])).await.unwrap();
            let b = rack.watch_rack(v1::WatchRackRequest {}).await.unwrap();
            (a, b)
        }));
    }
    let silent: Vec<_> = (0..16)
        .map(|_| {
            let peer = remote.peer();
            peer.send("/subscribe", &[Arg::Str("/".into()), Arg::Int(60)]);
            peer
        })
        .collect();
    wait_for("everyone to have subscribed", Duration::from_secs(5), || {
        let peer = remote.peer();
        peer.until_pong();
        Some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let after = measure();
    drop((stuck, silent));
    for ((what, due), (a, b)) in [("gRPC 60 Hz", 16.7), ("OSC 60 Hz", 16.7), ("OSC ping", 0.0)]
        .into_iter()
        .zip(before.iter().zip(&after))
    {
        println!(
            "{what}: median {:.2} ms alone, {:.2} beside; p99 {:.2}, {:.2}; worst {:.2}, {:.2}",
            of(a, 0.5),
            of(b, 0.5),
            of(a, 0.99),
            of(b, 0.99),
            of(a, 1.0),
            of(b, 1.0)
        );
        assert!(of(b, 0.5) < due + 15.0 && of(b, 0.99) < 250.0, "{what}: {b:?}");
    }
    assert!(of(&after[0], 1.0) < 500.0 && of(&after[1], 1.0) < 500.0);
}

#[test]
fn a_stream_ends_with_a_clear_status_when_the_daemon_ends_and_too_many_are_refused() {
    let mut daemon = Lathed::start(&reachable(&["--backend", "clock"]));
    let remote = Remote::of(&daemon);
    let (mut meters, mut rack, mut system) = (remote.meters(), remote.rack(), remote.system());
    let (mut frames, mut changes, mut events) = remote.runtime.block_on(async {
        let frames = meters.watch_meters(watch(10.0, &["out"])).await.unwrap().into_inner();
        let changes = rack.watch_rack(v1::WatchRackRequest {}).await.unwrap().into_inner();
        let events = system.watch_events(v1::WatchEventsRequest {}).await.unwrap().into_inner();
        (frames, changes, events)
    });
    let refused = remote.runtime.block_on(async {
        let mut kept = Vec::new();
        for n in 0..8 {
            let url = format!("http://{}", daemon.ready("http"));
            let channel = tonic::transport::Channel::from_shared(url).unwrap().connect().await.unwrap();
            let mut meters = v1::meter_service_client::MeterServiceClient::new(channel);
            for m in 0..60 {
                match meters.watch_meters(watch(1.0, &["out"])).await {
                    Ok(stream) => kept.push(stream),
                    Err(status) => return (kept.len(), status),
                }
                assert!(n * 60 + m < 300, "never refused");
            }
        }
        panic!("never refused");
    });
    println!("refused after {} more: {}", refused.0, refused.1.message());
    assert!((250..=256).contains(&refused.0));
    assert_eq!(refused.1.code(), tonic::Code::ResourceExhausted);
    assert!(refused.1.message().contains("256"), "{}", refused.1);
    wait_for("places to be free again", Duration::from_secs(5), || {
        remote.runtime.block_on(meters.watch_meters(watch(1.0, &["out"]))).ok()
    });
    daemon.signal("TERM");
    let ended = remote.runtime.block_on(async {
        let limit = Duration::from_secs(3);
        let frames = async {
            while frames.message().await?.is_some() {}
            Ok::<(), tonic::Status>(())
        };
        let changes = async {
            while changes.message().await?.is_some() {}
            Ok::<(), tonic::Status>(())
        };
        let events = async {
            while events.message().await?.is_some() {}
            Ok::<(), tonic::Status>(())
        };
        tokio::time::timeout(limit, async { tokio::join!(frames, changes, events) }).await.unwrap()
    });
    for (what, end) in [("meters", ended.0), ("changes", ended.1), ("events", ended.2)] {
        let status = end.expect_err("not as if it were complete");
        assert_eq!(status.code(), tonic::Code::Unavailable, "{what}: {status}");
        assert!(status.message().contains("lathed is ending"), "{what}: {status}");
    }
    assert!(daemon.wait(Duration::from_secs(4)).success());
}
