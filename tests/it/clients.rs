// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two real JACK clients, one that plays and one that records, in a process of their own (libjack takes
//! its server's name from the environment). Two, because one client looped through us would add a period.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use jack::{AudioIn, AudioOut, Client, ClientOptions, Control, LatencyType, Port, ProcessScope};
use serde::{Deserialize, Serialize};

use super::jackd::{Jackd, wait_for};

const JOB: &str = "LATHE_TEST_JOB";

/// What to play where, and what to record.
#[derive(Serialize, Deserialize)]
struct Job {
    /// Ports that are fed, and ports that are recorded, channel by channel.
    feed: Vec<String>,
    record: Vec<String>,
    /// Frames to play; the file beside it holds them, planar f32.
    frames: usize,
    /// Frames to record from the first frame played.
    record_frames: usize,
    /// The first frame played is a multiple of 64 away from this JACK frame time.
    aligned_to: u32,
    dir: PathBuf,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    start: u32,
    cycles: Vec<(i64, i64)>,
    latency: (u32, u32),
    xruns: u64,
    gaps: u64,
}

/// A recording.
pub struct Recording {
    /// Latency from the player's port to the recorder's, as JACK reports it.
    pub reported: (u32, u32),
    /// JACK's frame time of the first frame played.
    pub start: u32,
    /// The first frame of each cycle, counted from the first frame played, and when it began by JACK's
    /// clock, in nanoseconds since 1970.
    pub cycles: Vec<(i64, i64)>,
    /// Glitches that JACK told of.
    pub xruns: u64,
    /// True if JACK told of an xrun, or cycle times jumped.
    pub disturbed: bool,
    pub audio: Vec<Vec<f32>>,
}

/// The clients at work.
pub struct Clients {
    child: Child,
    dir: tempfile::TempDir,
    channels: usize,
}

impl Clients {
    /// Plays `input` into the daemon's main inputs and records its main outputs.
    pub fn start(
        server: &Jackd,
        client: &str,
        roles: &[&str],
        input: &[Vec<f32>],
        tail: usize,
        aligned_to: u32,
    ) -> Clients {
        Clients::between(server, client, roles, "out", input, tail, aligned_to)
    }

    /// As [`start`](Self::start), but records the ports whose names begin with `ports`.
    pub fn between(
        server: &Jackd,
        client: &str,
        roles: &[&str],
        ports: &str,
        input: &[Vec<f32>],
        tail: usize,
        aligned_to: u32,
    ) -> Clients {
        let dir = tempfile::tempdir().unwrap();
        let job = Job {
            feed: roles.iter().map(|r| format!("{client}:in_{r}")).collect(),
            record: roles.iter().map(|r| format!("{client}:{ports}_{r}")).collect(),
            frames: input[0].len(),
            record_frames: input[0].len() + tail,
            aligned_to,
            dir: dir.path().into(),
        };
        write_audio(&dir.path().join("input"), input);
        let path = dir.path().join("job");
        std::fs::write(&path, serde_json::to_vec(&job).unwrap()).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["clients::helper", "--exact", "--ignored", "--nocapture"])
            .env(JOB, &path)
            .env("JACK_DEFAULT_SERVER", server.name())
            .env("JACK_NO_START_SERVER", "1")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Clients { child, dir, channels: roles.len() }
    }

    /// Waits until the first frame has been played.
    pub fn wait_started(&self) {
        let path = self.dir.path().join("started");
        wait_for("the stream to start", Duration::from_secs(10), || path.exists().then_some(()));
    }

    pub fn finish(mut self) -> Recording {
        let child = &mut self.child;
        let status = wait_for("the clients", Duration::from_secs(180), || child.try_wait().ok().flatten());
        assert!(status.success(), "the clients failed");
        let facts: Facts =
            serde_json::from_slice(&std::fs::read(self.dir.path().join("facts")).unwrap()).unwrap();
        Recording {
            reported: facts.latency,
            start: facts.start,
            cycles: facts.cycles,
            xruns: facts.xruns,
            disturbed: facts.xruns > 0 || facts.gaps > 0,
            audio: read_audio(&self.dir.path().join("output"), self.channels),
        }
    }
}

impl Recording {
    /// When JACK came to this sample, in nanoseconds since 1970; `None` if JACK had lost time in so many
    /// seconds before it.
    pub fn time_of(&self, sample: usize, quiet: f64, rate: u32) -> Option<i64> {
        let sample = sample as i64;
        let here = self.cycles.iter().rposition(|(frame, _)| *frame <= sample)?;
        let (frame, ns) = self.cycles[here];
        let frames = |n: i64| n * 1_000_000_000 / i64::from(rate);
        let since = ns - (quiet * 1e9) as i64;
        let before = self.cycles[..=here].windows(2).filter(|w| w[1].1 >= since);
        let steady = |w: &[(i64, i64)]| (w[1].1 - w[0].1 - frames(w[1].0 - w[0].0)).abs() < 300_000;
        let same = |w: &[(i64, i64)]| w[1].0 - w[0].0 == self.cycles[1].0 - self.cycles[0].0;
        before.clone().all(|w| steady(w) && same(w)).then(|| ns + frames(sample - frame))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_audio(path: &Path, planes: &[Vec<f32>]) {
    let bytes: Vec<u8> = planes.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
}

fn read_audio(path: &Path, channels: usize) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let all: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    all.chunks(all.len() / channels).map(<[f32]>::to_vec).collect()
}

/// Between the two clients.
#[derive(Default)]
struct Shared {
    armed: AtomicBool,
    /// JACK frame time of the first frame played, plus one; 0 before.
    start: AtomicU64,
    recorded: AtomicUsize,
    gaps: AtomicU64,
    xruns: AtomicU64,
}

struct Player {
    ports: Vec<Port<AudioOut>>,
    input: Vec<Vec<f32>>,
    aligned_to: u32,
    next: Option<u32>,
    shared: Arc<Shared>,
}

impl jack::ProcessHandler for Player {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        let (n, now) = (scope.n_frames(), scope.last_frame_time());
        if self.shared.armed.load(Acquire) && self.shared.start.load(Acquire) == 0 {
            let first = 63 - (now.wrapping_sub(self.aligned_to).wrapping_sub(1)) % 64;
            if first < n {
                self.shared.start.store(u64::from(now.wrapping_add(first)) + 1, Release);
            }
        }
        let start = self.shared.start.load(Acquire);
        if start > 0 && self.next.is_some_and(|next| next != now) {
            self.shared.gaps.fetch_add(1, Relaxed);
        }
        self.next = Some(now.wrapping_add(n));
        for (port, input) in self.ports.iter_mut().zip(&self.input) {
            for (i, o) in port.as_mut_slice(scope).iter_mut().enumerate() {
                let at = now.wrapping_add(i as u32).wrapping_sub(start.wrapping_sub(1) as u32);
                *o = if start == 0 { 0.0 } else { input.get(at as usize).copied().unwrap_or(0.0) };
            }
        }
        Control::Continue
    }
}

/// Channels, and the first frame and the microsecond of each cycle.
type Recorded = (Vec<Vec<f32>>, Vec<(i64, i64)>);

struct Recorder {
    ports: Vec<Port<AudioIn>>,
    output: Vec<Vec<f32>>,
    cycles: Vec<(i64, i64)>,
    done: std::sync::mpsc::Sender<Recorded>,
    shared: Arc<Shared>,
}

impl jack::ProcessHandler for Recorder {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        let start = self.shared.start.load(Acquire);
        let frames = self.output.first().map_or(0, Vec::len);
        if start == 0 || frames == 0 {
            return Control::Continue;
        }
        let first = scope.last_frame_time().wrapping_sub((start - 1) as u32) as i32;
        if let Ok(times) = scope.cycle_times()
            && self.cycles.len() < self.cycles.capacity()
        {
            self.cycles.push((i64::from(first), times.current_usecs as i64));
        }
        for (port, output) in self.ports.iter().zip(&mut self.output) {
            for (i, x) in port.as_slice(scope).iter().enumerate() {
                let at = i64::from(first) + i as i64;
                if let Some(o) = usize::try_from(at).ok().and_then(|at| output.get_mut(at)) {
                    *o = *x;
                }
            }
        }
        let end = (i64::from(first) + i64::from(scope.n_frames())).max(0) as usize;
        self.shared.recorded.store(end, Release);
        if end >= frames {
            let _ = self.done.send((std::mem::take(&mut self.output), std::mem::take(&mut self.cycles)));
        }
        Control::Continue
    }
}

struct Xruns(Arc<Shared>);

impl jack::NotificationHandler for Xruns {
    fn xrun(&mut self, _: &Client) -> Control {
        self.0.xruns.fetch_add(1, Relaxed);
        Control::Continue
    }
}

/// Not a test: the body of the process that [`Clients::start`] starts.
#[test]
#[ignore = "the body of a helper process"]
fn helper() {
    let Some(path) = std::env::var_os(JOB) else { return };
    let job: Job = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let shared = Arc::new(Shared::default());
    let (play, _) = Client::new("player", ClientOptions::NO_START_SERVER).unwrap();
    let (record, _) = Client::new("recorder", ClientOptions::NO_START_SERVER).unwrap();
    let channels = job.feed.len();
    let names: Vec<String> = (0..channels).map(|c| c.to_string()).collect();
    let (sent, done) = std::sync::mpsc::channel();
    let player = Player {
        ports: names.iter().map(|n| play.register_port(n, AudioOut::default()).unwrap()).collect(),
        input: read_audio(&job.dir.join("input"), channels),
        aligned_to: job.aligned_to,
        next: None,
        shared: shared.clone(),
    };
    assert_eq!(player.input[0].len(), job.frames);
    let recorder = Recorder {
        ports: names.iter().map(|n| record.register_port(n, AudioIn::default()).unwrap()).collect(),
        output: vec![vec![0.0; job.record_frames]; channels],
        cycles: Vec::with_capacity(job.record_frames / 16 + 64),
        done: sent,
        shared: shared.clone(),
    };
    let ends: Vec<_> = recorder.ports.iter().map(|p| p.clone_unowned()).collect();
    let starts: Vec<_> = player.ports.iter().map(|p| p.clone_unowned()).collect();
    let play = play.activate_async(Xruns(shared.clone()), player).unwrap();
    let record = record.activate_async((), recorder).unwrap();
    for (c, name) in names.iter().enumerate() {
        play.as_client().connect_ports_by_name(&format!("player:{name}"), &job.feed[c]).unwrap();
        record.as_client().connect_ports_by_name(&job.record[c], &format!("recorder:{name}")).unwrap();
    }
    settle(&shared, &starts, &ends);
    shared.armed.store(true, Release);
    let begun = Instant::now();
    while shared.start.load(Acquire) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the stream does not start");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(job.dir.join("started"), "").unwrap();
    let start = (shared.start.load(Acquire) - 1) as u32;
    // JACK counts microseconds from a moment of its own.
    let unix_ns = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as i64;
    let zero_ns = unix_ns - 1000 * play.as_client().time() as i64;
    let (output, cycles) = done.recv_timeout(Duration::from_secs(150)).expect("a recording");
    let cycles = cycles.into_iter().map(|(frame, us)| (frame, zero_ns + 1000 * us)).collect();
    let facts = Facts {
        start,
        cycles,
        latency: latency(&starts, &ends),
        xruns: shared.xruns.load(Acquire),
        gaps: shared.gaps.load(Acquire),
    };
    write_audio(&job.dir.join("output"), &output);
    std::fs::write(job.dir.join("facts"), serde_json::to_vec(&facts).unwrap()).unwrap();
    drop((play, record));
}

/// Waits until the graph no longer changes: latencies the same for 100 ms, then forgets its xruns.
fn settle(shared: &Shared, starts: &[Port<jack::Unowned>], ends: &[Port<jack::Unowned>]) {
    let (mut last, mut since) = (latency(starts, ends), Instant::now());
    while since.elapsed() < Duration::from_millis(100) {
        std::thread::sleep(Duration::from_millis(2));
        let now = latency(starts, ends);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    shared.xruns.store(0, Release);
}

/// From the player's ports to the recorder's.
fn latency(starts: &[Port<jack::Unowned>], ends: &[Port<jack::Unowned>]) -> (u32, u32) {
    let ranges = |ports: &[Port<jack::Unowned>]| {
        let all: Vec<_> = ports.iter().map(|p| p.get_latency_range(LatencyType::Capture)).collect();
        (all.iter().map(|r| r.0).min().unwrap(), all.iter().map(|r| r.1).max().unwrap())
    };
    let (from, to) = (ranges(starts), ranges(ends));
    (to.0.wrapping_sub(from.0), to.1.wrapping_sub(from.1))
}
