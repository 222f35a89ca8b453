// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection to a JACK server, from open to close, on a thread of its own.
//!
//! Every call that can wait for the server is made here, so a server that hangs holds up this thread
//! and nothing else: the supervisor watches [`Shared`], takes the engine out of the seat, and if need
//! be leaves this thread to its fate. A server is never started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jack::{AsyncClient, AudioIn, AudioOut, Client, ClientOptions, ClientStatus, PortId};
use lathe_core::dsp::QUANTUM;
use lathe_core::engine::Frame;
use lathe_core::rack::plan::RackPlan;

use super::connections::{Connections, Graph, Pair};
use super::jack_latency::{self, Latencies};
use super::jack_process::{Notifications, OurPorts, Process};
use super::seat::Seat;

/// Most ports of one kind: inputs, main outputs, monitor outputs.
pub const MAX_PORTS: usize = 64;

/// Waits between attempts to reach a server.
const BACKOFF_MS: [u64; 3] = [50, 100, 250];
/// How often the session looks around.
const POLL: Duration = Duration::from_millis(20);
/// A server that takes longer to answer is taken for hung.
pub const ANSWER: Duration = Duration::from_secs(1);
const SEE_EVERY: Duration = Duration::from_millis(100);
const CONNECT_EVERY: Duration = Duration::from_millis(500);

/// Names of the ports to register, in channel order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNames {
    /// Main inputs, then sidechains.
    pub inputs: Vec<String>,
    pub main: Vec<String>,
    pub monitor: Vec<String>,
    main_inputs: usize,
}

impl PortNames {
    pub fn new(plan: &RackPlan) -> Self {
        let names = |prefix: &str| plan.layout.names().iter().map(|n| format!("{prefix}_{n}")).collect();
        let mut inputs: Vec<String> = names("in");
        let main_inputs = inputs.len();
        for port in &plan.sidechains {
            match port.layout.len() {
                1 => inputs.push(format!("sidechain_{}", port.name)),
                _ => {
                    inputs.extend(port.layout.names().iter().map(|n| format!("sidechain_{}_{n}", port.name)))
                }
            }
        }
        PortNames { inputs, main: names("out"), monitor: names("monitor"), main_inputs }
    }
}

/// How far a session is. Goes up only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// No server has answered yet.
    Waiting,
    /// Opened, ports registered, rate and period known; waits for the engine.
    Opened,
    /// The engine sits in the seat.
    Seated,
    /// Audio runs.
    Active,
    /// Closed; the thread has ended.
    Over,
}

/// Between the session's thread, JACK's threads and the supervisor.
#[derive(Default)]
pub struct Shared {
    pub seat: Seat,
    phase: AtomicU8,
    pub rate: AtomicU32,
    pub period: AtomicU32,
    pub xruns: AtomicU64,
    /// Frames of the engine, without the driver's own.
    pub engine_latency: AtomicUsize,
    /// Latencies are to be computed anew.
    pub recompute: AtomicBool,
    /// The server is gone, or no longer the one that was opened.
    pub gone: AtomicBool,
    pub stop: AtomicBool,
    /// Attempts that no server answered.
    pub attempts: AtomicU64,
    /// A server answered, but another client has our name.
    pub name_taken: AtomicBool,
    origin: [AtomicU64; 2],
    origins: AtomicU64,
}

impl Shared {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Waiting,
            1 => Phase::Opened,
            2 => Phase::Seated,
            3 => Phase::Active,
            _ => Phase::Over,
        }
    }

    /// Goes on to `phase`, never back.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Frames from our inputs to our outputs at the current period.
    pub fn latency(&self) -> u32 {
        let period = self.period.load(Ordering::Relaxed) as usize;
        let ours = if period.is_multiple_of(QUANTUM) { 0 } else { QUANTUM };
        (self.engine_latency.load(Ordering::Relaxed) + ours) as u32
    }

    /// Audio thread. The engine's frame `engine` went in at JACK's frame time `jack`.
    pub fn set_origin(&self, engine: Frame, jack: u32) {
        self.origin[0].store(engine, Ordering::Relaxed);
        self.origin[1].store(u64::from(jack), Ordering::Relaxed);
        self.origins.fetch_add(1, Ordering::Release);
    }

    /// The `n`th origin so far, the engine's frame and JACK's frame time of the same sample.
    pub fn origin(&self) -> (u64, Frame, u64) {
        let n = self.origins.load(Ordering::Acquire);
        (n, self.origin[0].load(Ordering::Relaxed), self.origin[1].load(Ordering::Relaxed))
    }

    fn should_end(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.gone.load(Ordering::Acquire)
    }
}

/// What a session is to open.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    pub client_name: String,
    pub ports: PortNames,
    pub connect: Vec<Pair>,
    /// Connections our ports had when the last server was lost.
    pub remembered: Vec<Pair>,
}

/// A session under way.
pub struct Session {
    pub shared: Arc<Shared>,
    thread: std::thread::JoinHandle<Vec<Pair>>,
}

impl Session {
    /// Starts looking for a server.
    pub fn start(settings: SessionSettings) -> std::io::Result<Session> {
        let shared = Arc::new(Shared::default());
        let ours = shared.clone();
        let remembered = settings.remembered.clone();
        let thread = std::thread::Builder::new().name("jack".into()).spawn(move || {
            let kept = run(&settings, &ours).unwrap_or(remembered);
            ours.advance(Phase::Over);
            kept
        })?;
        Ok(Session { shared, thread })
    }

    /// What to connect in the next session, once this one is over.
    pub fn finish(self) -> Vec<Pair> {
        match self.shared.phase() {
            Phase::Over => self.thread.join().unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// True if a JACK server answers within a second. Opens a client and closes it again.
pub fn server_answers() -> bool {
    jack::set_logger(jack::LoggerType::None);
    let (say, heard) = channel();
    // A server that hangs would hold this thread for ever.
    let probe = std::thread::Builder::new().name("jack-probe".into()).spawn(move || {
        let client = Client::new("lathe-probe", ClientOptions::NO_START_SERVER);
        let _ = say.send(client.is_ok());
    });
    probe.is_ok() && heard.recv_timeout(ANSWER).unwrap_or(false)
}

/// From open to close. Returns the connections to remember, `None` if there never was a client.
fn run(settings: &SessionSettings, shared: &Arc<Shared>) -> Option<Vec<Pair>> {
    let client = open(settings, shared)?;
    shared.rate.store(client.sample_rate(), Ordering::Relaxed);
    shared.period.store(client.buffer_size(), Ordering::Relaxed);
    let (process, latencies) = match register(&client, settings, shared) {
        Ok(ports) => ports,
        Err(error) => {
            tracing::error!(%error, "the ports could not be registered");
            return None;
        }
    };
    let process = Process::new(process, shared.clone(), jack_latency::register(&client, latencies));
    shared.advance(Phase::Opened);
    while shared.phase() == Phase::Opened {
        if shared.should_end() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (appeared, ports) = channel();
    let raw = jack_latency::raw(&client);
    let client = match client.activate_async(Notifications { shared: shared.clone(), appeared }, process) {
        Ok(client) => client,
        Err(_) => {
            jack_latency::close_leaked(raw);
            return None;
        }
    };
    shared.advance(Phase::Active);
    let kept = attend(&client, settings, shared, &ports);
    // Waits for the server; on a server that is gone it fails at once. Either way the client is closed.
    drop(client.deactivate());
    Some(kept)
}

/// Tries until a server answers or the session is to stop.
fn open(settings: &SessionSettings, shared: &Shared) -> Option<Client> {
    jack::set_logger(jack::LoggerType::None);
    for attempt in 0.. {
        if shared.should_end() {
            return None;
        }
        let options = ClientOptions::NO_START_SERVER | ClientOptions::USE_EXACT_NAME;
        match Client::new(&settings.client_name, options) {
            Ok((client, _)) => return Some(client),
            Err(jack::Error::ClientError(status)) if status.contains(ClientStatus::NAME_NOT_UNIQUE) => {
                shared.name_taken.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
        shared.attempts.fetch_add(1, Ordering::Release);
        std::thread::sleep(Duration::from_millis(BACKOFF_MS[attempt.min(BACKOFF_MS.len() - 1)]));
    }
    None
}

fn register(
    client: &Client,
    settings: &SessionSettings,
    shared: &Arc<Shared>,
) -> Result<(OurPorts, Latencies), jack::Error> {
    let names = &settings.ports;
    let input = |n: &String| client.register_port(n, AudioIn::default());
    let output = |n: &String| client.register_port(n, AudioOut::default());
    let ports = OurPorts {
        inputs: names.inputs.iter().map(input).collect::<Result<_, _>>()?,
        main: names.main.iter().map(output).collect::<Result<_, _>>()?,
        monitor: names.monitor.iter().map(output).collect::<Result<_, _>>()?,
    };
    let heard = ports.inputs.iter().take(names.main_inputs).map(|p| p.clone_unowned()).collect();
    let outputs = ports.main.iter().chain(&ports.monitor).map(|p| p.clone_unowned()).collect();
    Ok((ports, Latencies::new(heard, outputs, shared.clone())))
}

/// While audio runs: connections and latencies.
fn attend(
    client: &AsyncClient<Notifications, Process>,
    settings: &SessionSettings,
    shared: &Shared,
    ports: &Receiver<PortId>,
) -> Vec<Pair> {
    let client = client.as_client();
    let mut connections = Connections::new(&settings.connect, &settings.remembered);
    let (mut connected, mut seen) = (None::<Instant>, None::<Instant>);
    let due = |last: Option<Instant>, every| last.is_none_or(|at| at.elapsed() >= every);
    jack_latency::recompute(client);
    while !shared.should_end() {
        if due(connected, CONNECT_EVERY) {
            connected = Some(Instant::now());
            for (from, to) in connections.make(client) {
                tracing::info!(from, to, "connected");
            }
        }
        if due(seen, SEE_EVERY) {
            let now = our_connections(client, &settings.ports);
            // What is read while the server goes down may be anything.
            if !shared.should_end() {
                seen = Some(Instant::now());
                connections.see(now, Instant::now());
            }
        }
        if shared.recompute.swap(false, Ordering::AcqRel) {
            jack_latency::recompute(client);
        }
        let mut next = ports.recv_timeout(POLL);
        while let Ok(id) = next {
            if let Some(name) = client.port_by_id(id).and_then(|p| p.name().ok()) {
                connections.appeared(&name);
            }
            connected = None;
            next = ports.try_recv().map_err(|_| std::sync::mpsc::RecvTimeoutError::Timeout);
        }
    }
    connections.remember()
}

/// All connections of our own ports, source first.
fn our_connections(client: &Client, names: &PortNames) -> Vec<Pair> {
    let full = |n: &String| format!("{}:{n}", client.name());
    let mut pairs = Vec::new();
    for (name, output) in names
        .inputs
        .iter()
        .map(|n| (n, false))
        .chain(names.main.iter().chain(&names.monitor).map(|n| (n, true)))
    {
        let ours = full(name);
        let Some(port) = client.port_by_name(&ours) else { continue };
        for other in port.get_connections() {
            pairs.push(if output { (ours.clone(), other) } else { (other, ours.clone()) });
        }
    }
    pairs
}

impl Graph for Client {
    fn exists(&self, port: &str) -> bool {
        self.port_by_name(port).is_some()
    }

    fn connect(&self, (from, to): &Pair) -> Result<(), String> {
        match self.connect_ports_by_name(from, to) {
            Ok(()) | Err(jack::Error::PortAlreadyConnected(..)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
