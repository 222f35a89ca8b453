// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection to a JACK server, from open to close, on a thread of its own.
//!
//! Every call that can wait for the server is made here, so a server that hangs holds up this thread
//! and nothing else: the supervisor watches [`Shared`], takes the engine out of the seat, and if need
//! be leaves this thread to its fate. A server is never started.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::connections::{Connections, Graph, Pair};
use super::jack_latency::{self, Latencies};
use super::jack_process::{Notifications, OurPorts, Process};
pub use super::jack_shared::{MAX_PORTS, Phase, PortNames, Shared};
use jack::{AsyncClient, AudioIn, AudioOut, Client, ClientOptions, ClientStatus, PortId, TransportState};

/// Waits between attempts to reach a server.
const BACKOFF_MS: [u64; 3] = [50, 100, 250];
/// How often the session looks around.
const POLL: Duration = Duration::from_millis(20);
/// A server that takes longer to answer is taken for hung.
pub const ANSWER: Duration = Duration::from_secs(1);
const SEE_EVERY: Duration = Duration::from_millis(100);
const CONNECT_EVERY: Duration = Duration::from_millis(500);

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
            // Even if it fails: then another session follows.
            let _over = Over(&ours);
            run(&settings, &ours).unwrap_or(remembered)
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

/// Says that a session is over when it goes.
struct Over<'a>(&'a Shared);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.advance(Phase::Over);
    }
}

/// Why JACK cannot be used on this machine at all, if so.
pub fn library_missing() -> Option<String> {
    jack_sys::library().err().map(|error| format!("JACK's library cannot be loaded: {error}"))
}

/// True if a JACK server answers within a second. Opens a client and closes it again.
pub fn server_answers() -> bool {
    if library_missing().is_some() {
        return false;
    }
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
    let most = settings.ports.inputs.len().max(settings.ports.main.len());
    if most > MAX_PORTS {
        tracing::error!(ports = most, "a rack can have {MAX_PORTS} ports of a kind on JACK");
        pause(shared);
        return None;
    }
    let client = open(settings, shared)?;
    shared.rate.store(client.sample_rate(), Ordering::Relaxed);
    shared.period.store(client.buffer_size(), Ordering::Relaxed);
    let (process, latencies) = match register(&client, settings, shared) {
        Ok(ports) => ports,
        Err(error) => {
            tracing::error!(%error, "the ports could not be registered");
            pause(shared);
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

/// Before another session is tried after a failure that a second attempt does not mend.
fn pause(shared: &Shared) {
    let end = Instant::now() + Duration::from_secs(5);
    while !shared.should_end() && Instant::now() < end {
        std::thread::sleep(POLL);
    }
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
            // jackd answers with a server error where another client has the name.
            Err(jack::Error::ClientError(status))
                if status.intersects(ClientStatus::NAME_NOT_UNIQUE | ClientStatus::SERVER_ERROR) =>
            {
                shared.refused.store(true, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(?error, attempt, "not opened"),
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
        if let Ok(state) = client.transport().query_state()
            && !shared.should_end()
        {
            shared.set_rolling(state == TransportState::Rolling);
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
