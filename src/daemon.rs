// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon from start to end: start order, ready line, signals, reload, stop order. Main thread.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use lathe_core::analysis::alarms::AlarmSettings;
use lathe_core::rack::{self, plan::RackPlan};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::adapters::{OscAlarms, OscLedger, OscMeters, OscPrints, OscSnapshots};
use crate::audio::supervisor::{Backend, State, Supervisor};
use crate::audio::{clock, jack, jack_server, seat};
use crate::control::keeper::Keeper;
use crate::control::snapshots::{Library, Snapshots};
use crate::control::{Control, Handle, Host as _, Reloaded};
use crate::exit::{Exit, Failure};
use crate::ledger::Ledger;
use crate::log::{self, Log, LogFormat};
use crate::notify::{self, Manager};
use crate::print::{Limits, Prints};
use crate::racks;
use crate::settings::{self, BackendChoice, Settings};
use crate::store::{self, Origin, StateDir};
use crate::telemetry::{Raise, Standards, Telemetry};
use crate::watchdog::{Signs, first_missing};
use crate::{grpc, metrics, osc};

const EXAMPLES: &str = "\
Examples:
  lathed                                    JACK if a server answers, else the built-in programme
  lathed --rack master.toml                 another rack
  lathed --backend clock --input mix.flac   loop a file through the built-in clock
  lathed --config /etc/lathe/lathed.toml    the machine's settings

Signals: HUP reads the rack file again; TERM and INT fade out and end, a second one ends at once.";

/// A headless mastering rack.
#[derive(Debug, Parser)]
#[command(name = "lathed", version, about, after_help = EXAMPLES)]
pub struct Flags {
    /// The machine's settings; none are read without it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The rack to run; without it, the built-in default
    #[arg(long, value_name = "FILE")]
    pub rack: Option<PathBuf>,
    /// Who drives the sound [default: auto]
    #[arg(long, value_name = "NAME")]
    pub backend: Option<BackendChoice>,
    /// Loop this audio file through the built-in clock, at the file's rate
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Sample rate of the built-in clock, which it implies [default: 48000]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=768_000))]
    pub rate: Option<u32>,
    /// Frames per period of the built-in clock, which it implies; 16 to 8192 [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=8192))]
    pub period: Option<u32>,
    /// The JACK server, as in `jackd -n NAME`
    #[arg(long, value_name = "NAME")]
    pub jack_server: Option<String>,
    /// Our name as a JACK client [default: lathe]
    #[arg(long, value_name = "NAME", value_parser = parse_client_name)]
    pub client_name: Option<String>,
    /// Where OSC is heard, UDP and TCP; port 0 for a free one, `off` for none [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDR")]
    pub osc: Option<String>,
    /// Where gRPC is heard, TCP; port 0 for a free one, `off` for none [default: 127.0.0.1:7701]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// A Unix socket for gRPC beside it, mode 0660; `off` for none [default: none]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Where snapshots and the last state are kept [default: STATE_DIRECTORY, else the XDG state folder]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Where prints are recorded [default: `prints` in the state directory]
    #[arg(long, value_name = "DIR")]
    pub print_dir: Option<PathBuf>,
    /// Ignore the last state: start with the rack file as it is
    #[arg(long)]
    pub fresh: bool,
    /// How log lines on stderr are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

fn parse_client_name(name: &str) -> Result<String, String> {
    settings::client_name(name).map(|()| name.to_string())
}

/// Runs until a signal; returns the exit code.
pub fn run(flags: Flags) -> i32 {
    match serve(flags) {
        // JACK's library may have threads that wait for a hung server: nothing waits for them.
        Ok(()) => signal_hook::low_level::exit(0),
        Err(failure) => {
            notify::failed(&failure.message);
            log::last_words(&failure.message);
            signal_hook::low_level::exit(failure.exit as i32)
        }
    }
}

/// The whole life, top to bottom.
fn serve(flags: Flags) -> Result<(), Failure> {
    let settings = load_settings(&flags)?;
    let server = flags.jack_server.clone().unwrap_or(settings.jack.server.clone());
    // Before any thread exists; SIGPIPE is ignored by Rust's own start-up.
    if !server.is_empty() && !jack_server::choose(&server) {
        return Err(Failure::new(Exit::Unavailable, "cannot choose a JACK server: threads run already"));
    }
    let log = log::start(flags.log_format);
    seat::install_panic_hook();
    let mut signals = catch_signals().map_err(|e| Failure::new(Exit::Io, e))?;
    let rack = read_rack(flags.rack.as_deref())?;
    let backend = choose_backend(&flags, &settings)?;
    // The lock on the state comes before anything that another daemon could have.
    let state_dir = flags.state_dir.clone().or(settings.state.dir().ok().flatten());
    let state = StateDir::open(state_dir.as_deref()).map_err(|e| Failure::new(e.exit(), e))?;
    let socket = bind_osc(&flags, &settings)?;
    let listeners = bind_grpc(&flags, &settings)?;
    let http = listeners.tcp.first().and_then(|l| l.local_addr().ok());
    let (control, origin) = restored(&state, rack, flags.fresh);
    let supervisor = Supervisor::start(control, backend).map_err(start_failure)?;
    let host: Handle = supervisor.shared.clone();
    let io = |e: std::io::Error| Failure::new(Exit::Io, e);
    let keeper = Keeper::start(host.clone(), state.last_state()).map_err(io)?;
    let telemetry = Telemetry::start(host.clone(), standards(&settings)).map_err(io)?;
    let store = state.snapshots().map_err(|e| Failure::new(e.exit(), e))?;
    let library: Arc<dyn Snapshots> = Arc::new(Library::new(host.clone(), store));
    let pages = state.ledger().map_err(|e| Failure::new(e.exit(), e))?;
    let ledger = Ledger::start(host.clone(), pages, settings.ledger.transport).map_err(io)?;
    let prints = start_prints(&flags, &settings, &host, &state);
    let heard =
        Heard { host: &host, telemetry: &telemetry, library: &library, ledger: &ledger, prints: &prints };
    let osc = socket.map(|s| start_osc(s, &settings, &heard)).transpose().map_err(io)?;
    let counters = osc.as_ref().map(osc::Server::counters);
    let grpc = start_grpc(listeners, &heard, counters).map_err(io)?;
    let services = Services { keeper, osc, grpc, telemetry, prints, ledger };
    let running = Running { supervisor, services, log, rack: flags.rack };
    let mut manager = Manager::new();
    let step = running.live(&mut signals, &mut manager, |state| {
        say_ready(state, origin, running.services.osc.as_ref().map(osc::Server::address), http);
    });
    manager.stopping();
    running.services.end(running.supervisor);
    match step {
        Step::Failed(part) => {
            let reason =
                format!("{part} has failed, see above; the sound was ended, so that all can start again");
            Err(Failure::new(Exit::Software, reason))
        }
        _ => Ok(()),
    }
}

/// How often the main thread looks around.
const TICK: Duration = Duration::from_millis(20);

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    On,
    End,
    /// This part is not there any more.
    Failed(&'static str),
}

/// All that runs, as the main thread sees it.
struct Running {
    supervisor: Supervisor,
    services: Services,
    log: Log,
    rack: Option<PathBuf>,
}

impl Running {
    /// From the start to a signal or a failure. `announce` is called once all is ready.
    fn live(&self, signals: &mut Signals, manager: &mut Manager, announce: impl FnOnce(&State)) -> Step {
        let mut step = self.look(signals, manager);
        while step == Step::On && !self.supervisor.is_ready(TICK) {
            step = self.look(signals, manager);
        }
        // A supervisor that has failed is no reason to wait, but it is not ready.
        if step == Step::On && self.supervisor.is_running() {
            let state = self.supervisor.shared.state();
            announce(&state);
            manager.ready(&state);
        }
        while step == Step::On {
            std::thread::sleep(TICK);
            step = self.look(signals, manager);
        }
        step
    }

    /// Signals, signs of life, and what is to be told.
    fn look(&self, signals: &mut Signals, manager: &mut Manager) -> Step {
        let shared = &self.supervisor.shared;
        for signal in signals.pending() {
            if signal != SIGHUP {
                return Step::End;
            }
            manager.reloading();
            reload(&self.supervisor, self.rack.as_deref());
            manager.reloaded(&shared.state());
        }
        if let Some(part) = first_missing(&self.services.parts(self.supervisor.is_running())) {
            return Step::Failed(part);
        }
        let (state, now) = (shared.state(), Instant::now());
        let cycles = shared.load().map_or(0, |l| l.count());
        let signs = Signs { rounds: shared.rounds(), cycles, audible: state.audible && !state.hung };
        manager.tend(&state, signs, now);
        self.log.tend(now);
        Step::On
    }
}

/// What runs beside the sound.
struct Services {
    keeper: Keeper,
    osc: Option<osc::Server>,
    grpc: Option<Grpc>,
    telemetry: Telemetry,
    prints: Prints,
    ledger: Ledger,
}

/// What the transports reach.
struct Heard<'a> {
    host: &'a Handle,
    telemetry: &'a Telemetry,
    library: &'a Arc<dyn Snapshots>,
    ledger: &'a Ledger,
    prints: &'a Prints,
}

/// The gRPC server and the thread that its network runs on.
struct Grpc {
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Services {
    /// Who must run, and whether it does. A daemon without one of them is not left to run half.
    fn parts(&self, supervisor: bool) -> [(&'static str, bool); 6] {
        [
            ("the supervisor of the audio", supervisor),
            ("the OSC server", self.osc.as_ref().is_none_or(osc::Server::is_running)),
            ("the gRPC server", self.grpc.as_ref().is_none_or(|g| !g.thread.is_finished())),
            ("the keeper of the last state", self.keeper.is_running()),
            ("the telemetry", self.telemetry.is_running()),
            ("the ledger", self.ledger.is_running()),
        ]
    }

    /// Stop order: who may change things, what is recorded, the sound, then its state.
    fn end(self, supervisor: Supervisor) {
        tracing::info!("ending");
        if let Some(osc) = self.osc {
            osc.stop();
        }
        if let Some(grpc) = self.grpc {
            drop(grpc.stop);
            if grpc.thread.join().is_err() {
                tracing::error!("the gRPC server had failed");
            }
        }
        self.ledger.end();
        self.prints.end();
        supervisor.stop();
        self.keeper.stop();
    }
}

/// The sockets for OSC; bound before anything runs, so that a taken address is told at once.
fn bind_osc(flags: &Flags, settings: &Settings) -> Result<Option<osc::Sockets>, Failure> {
    let mut wanted = settings.osc.clone();
    match flags.osc.as_deref() {
        Some("off") => return Ok(None),
        Some(text) => wanted.listen = toml::Spanned::new(0..0, text.to_string()),
        None => {}
    }
    let Some(address) = wanted.address().map_err(|e| Failure::new(Exit::Usage, format!("--osc: {e}")))?
    else {
        return Ok(None);
    };
    let socket = osc::bind(address, &wanted.allow).map_err(|e| {
        let exit = match e {
            osc::BindError::Exposed { .. } => Exit::Config,
            osc::BindError::Taken { .. } => Exit::Unavailable,
            osc::BindError::Failed { .. } => Exit::Io,
        };
        Failure::new(exit, e)
    })?;
    Ok(Some(socket))
}

/// The addresses for gRPC; bound before anything runs. Flags win over the settings.
fn bind_grpc(flags: &Flags, settings: &Settings) -> Result<grpc::Listeners, Failure> {
    let refused = |e: grpc::BindError| Failure::new(e.exit(), e);
    let mut wanted = settings.http.clone();
    let mut exit = Exit::Config;
    if let Some(text) = flags.http.as_deref() {
        let text = if text == "off" { "" } else { text };
        wanted.listen = toml::Spanned::new(0..0, text.to_string());
        if !text.is_empty() && text.parse::<SocketAddr>().is_err() && text.parse::<IpAddr>().is_err() {
            exit = Exit::Usage;
        }
    }
    let address = wanted.address().map_err(|e| Failure::new(exit, format!("--http: {e}")))?;
    let socket = match &flags.socket {
        Some(path) if path.as_os_str() == "off" => None,
        Some(path) => Some(path.clone()),
        // It was checked when it was read.
        None => wanted.socket().ok().flatten(),
    };
    let mut listeners = grpc::Listeners { tcp: Vec::new(), sockets: Vec::new() };
    if let Some(address) = address {
        listeners.tcp.push(grpc::bind(address).map_err(refused)?);
    }
    if let Some(path) = socket {
        listeners.sockets.push(grpc::bind_socket(&path).map_err(refused)?);
    }
    Ok(listeners)
}

/// The prints; flags win over the settings.
fn start_prints(flags: &Flags, settings: &Settings, host: &Handle, state: &StateDir) -> Prints {
    // It was checked when it was read.
    let named = flags.print_dir.clone().or(settings.print.dir().ok().flatten());
    let dir = named.unwrap_or_else(|| state.path().join("prints"));
    let limits = Limits {
        buffer_seconds: *settings.print.buffer_s.get_ref(),
        spare_bytes: *settings.print.spare_mib.get_ref() << 20,
    };
    Prints::new(host.clone(), &dir, limits)
}

/// What readings refer to, and which alarms there are.
fn standards(settings: &Settings) -> Standards {
    let wanted = &settings.alarms;
    let (silence, stuck) = (*wanted.silence_seconds.get_ref(), *wanted.stuck_seconds.get_ref());
    // One that is off is read with the usual time.
    let usual = AlarmSettings::default();
    let or = |seconds: f64, usual: f64| if seconds > 0.0 { seconds } else { usual };
    Standards {
        reference_dbfs: *settings.levels.reference_dbfs.get_ref(),
        alarms: AlarmSettings {
            silence_dbfs: *wanted.silence_dbfs.get_ref(),
            silence_s: or(silence, usual.silence_s),
            stuck_s: or(stuck, usual.stuck_s),
        },
        raise: Raise {
            silence: silence > 0.0,
            stuck: stuck > 0.0,
            inverted: wanted.inverted,
            clock: wanted.clock,
        },
    }
}

fn start_grpc(
    listeners: grpc::Listeners,
    heard: &Heard,
    osc: Option<Arc<osc::stats::Stats>>,
) -> std::io::Result<Option<Grpc>> {
    if listeners.tcp.is_empty() && listeners.sockets.is_empty() {
        return Ok(None);
    }
    let Heard { host, telemetry, library, ledger, prints } = *heard;
    let counts = Arc::new(grpc::counts::Counts::default());
    let http = metrics::router(metrics::Sources {
        host: host.clone(),
        telemetry: telemetry.clone(),
        snapshots: library.clone(),
        osc,
        http: counts.clone(),
        since: Instant::now(),
    });
    let services = grpc::Services {
        host: host.clone(),
        snapshots: Some(library.clone()),
        meters: Some(Arc::new(telemetry.clone())),
        prints: Some(prints.clone()),
        ledger: Some(ledger.clone()),
        http,
        counts,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("grpc".into()).spawn(move || {
        // Dropping the other end is the signal.
        let shutdown = async { drop(stopped.await) };
        if let Err(e) = runtime.block_on(grpc::serve(listeners, services, shutdown)) {
            tracing::error!("gRPC ended: {e}");
        }
    })?;
    Ok(Some(Grpc { stop, thread }))
}

fn start_osc(sockets: osc::Sockets, settings: &Settings, heard: &Heard) -> std::io::Result<osc::Server> {
    let Heard { host, telemetry, library, ledger, prints } = *heard;
    let target = |t: &settings::OscTarget| osc::Target { addr: t.addr, hz: *t.hz.get_ref() };
    let wanted = osc::OscSettings {
        name: settings.machine.name.clone(),
        allow: settings.osc.allow.clone(),
        targets: settings.osc.target.iter().map(target).collect(),
        ..Default::default()
    };
    let meters = Arc::new(OscMeters::new(host.clone(), telemetry.clone()));
    let snapshots = Arc::new(OscSnapshots(library.clone()));
    let ledger = Arc::new(OscLedger(ledger.clone()));
    let ports = osc::Ports {
        meters: Some(meters),
        snapshots: Some(snapshots),
        ledger: Some(ledger),
        prints: Some(Arc::new(OscPrints(prints.clone()))),
        alarms: Some(Arc::new(OscAlarms(telemetry.clone()))),
    };
    osc::Server::start_with(sockets, host.clone(), ports, wanted)
}

fn load_settings(flags: &Flags) -> Result<Settings, Failure> {
    match &flags.config {
        Some(path) => Settings::load(path).map_err(|e| Failure::new(Exit::Config, e)),
        None => Ok(Settings::default()),
    }
}

/// HUP, TERM and INT come through the iterator; a second TERM or INT ends the process in its handler.
fn catch_signals() -> std::io::Result<Signals> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 0, ending.clone())?;
        signal_hook::flag::register(signal, ending.clone())?;
    }
    Signals::new([SIGHUP, SIGTERM, SIGINT])
}

/// A rack and the text it was read from.
struct RackFile {
    plan: RackPlan,
    text: String,
}

/// Starts from the rack file and what the state directory remembers of it.
fn restored(state: &StateDir, rack: RackFile, fresh: bool) -> (Control, Origin) {
    let (last, refused) = state.last_state().load();
    for (file, reason) in &refused {
        tracing::warn!("{file} in the state directory is refused: {reason}");
    }
    let restored = store::restore(last.as_ref().map(|r| &r.content), fresh, &rack.text, &rack.plan);
    for note in &restored.notes {
        tracing::info!("state: {note}");
    }
    // It loaded when the state was merged, so it loads.
    let loaded = restored.rack.as_ref().and_then(|text| rack::load(text, "last state").ok());
    let mut control = Control::new(loaded.map_or(rack.plan, |l| l.plan));
    control.set_file(&rack.text);
    control.restore(&restored);
    (control, restored.origin)
}

/// The rack from its file, or the built-in default. Warnings are logged.
fn read_rack(path: Option<&Path>) -> Result<RackFile, Failure> {
    let (name, text) = match path {
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read(path).map_err(|e| {
                Failure::new(Exit::Io, format!("cannot read the rack {name}: {e}; check the path"))
            })?;
            (name, text)
        }
        None => (racks::DEFAULT.0.to_string(), racks::DEFAULT.1.into()),
    };
    let loaded = rack::load_bytes(&text, &name).map_err(|e| Failure::new(Exit::Config, e))?;
    for warning in loaded.warnings.iter() {
        tracing::warn!("{name}: {}", warning.message);
    }
    // It was read as text just now, so it is text.
    Ok(RackFile { plan: loaded.plan, text: String::from_utf8_lossy(&text).into_owned() })
}

/// Flags win over the settings; `auto` is decided here, once.
fn choose_backend(flags: &Flags, settings: &Settings) -> Result<Backend, Failure> {
    let choice = flags.backend.unwrap_or(settings.audio.backend);
    let choice = match (choice, &flags.input) {
        (BackendChoice::Jack, Some(_)) => {
            usage("--input plays a file on the built-in clock: add --backend clock", "jack")
        }
        (_, Some(_)) => BackendChoice::Clock,
        (choice, None) => choice,
    };
    let for_clock = flags.rate.map(|_| "--rate").or(flags.period.map(|_| "--period"));
    let choice = match choice {
        BackendChoice::Auto if for_clock.is_none() && jack::server_answers() => BackendChoice::Jack,
        BackendChoice::Auto => BackendChoice::Clock,
        choice => choice,
    };
    if let (BackendChoice::Jack, Some(flag)) = (choice, for_clock) {
        usage(&format!("{flag} sets the built-in clock; a JACK server has its own"), "jack");
    }
    if choice == BackendChoice::Jack {
        if let Some(why) = jack::library_missing() {
            return Err(Failure::new(Exit::Unavailable, format!("{why}; install it or use --backend clock")));
        }
        let named = settings.jack.client.as_ref().map(|c| c.get_ref().clone());
        let client_name = flags.client_name.clone().or(named).unwrap_or_else(|| "lathe".into());
        return Ok(Backend::Jack { client_name, connect: settings.jack.connect.clone() });
    }
    if flags.input.is_some() && flags.rate.is_some() {
        usage("--input plays at the file's rate: leave --rate out", "clock");
    }
    Ok(Backend::Clock {
        rate: flags.rate.or(settings.audio.rate.as_ref().map(|r| *r.get_ref())),
        period: flags
            .period
            .map(|p| p as usize)
            .or(settings.audio.period.as_ref().map(|p| *p.get_ref()))
            .unwrap_or(clock::DEFAULT_PERIOD),
        input: flags.input.clone(),
    })
}

/// A combination of flags that makes no sense: exit 2, as clap does.
fn usage(reason: &str, backend: &str) -> ! {
    let message = format!("{reason} (backend {backend})");
    Flags::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit()
}

fn start_failure(error: anyhow::Error) -> Failure {
    let code = match error.downcast_ref::<crate::files::FileError>() {
        Some(_) => Exit::Io,
        None if error.is::<lathe_core::engine::BuildError>() => Exit::Config,
        None => Exit::Unavailable,
    };
    Failure::new(code, error)
}

/// The one line on stdout. A closed pipe is not an error.
fn say_ready(state: &State, origin: Origin, osc: Option<SocketAddr>, http: Option<SocketAddr>) {
    let State { backend, source, rate, period, latency, .. } = state;
    let shown = |a: Option<SocketAddr>| a.map_or("off".to_string(), |a| a.to_string());
    let (osc, http) = (shown(osc), shown(http));
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "ready backend={backend} source={source} rate={rate} period={period} latency={latency} \
         state={origin} osc={osc} http={http}"
    );
    let _ = out.flush();
}

/// Reads the rack file again. Whatever is wrong with it, what runs goes on as it is.
fn reload(supervisor: &Supervisor, path: Option<&Path>) {
    let file = match read_rack(path) {
        Ok(file) => file,
        Err(failure) => {
            let mut lines = failure.message.lines();
            tracing::error!("the rack was not reloaded: {}", lines.next().unwrap_or_default());
            return lines.for_each(|line| tracing::error!("{line}"));
        }
    };
    let reloaded = {
        let mut control = supervisor.shared.control();
        let reloaded = control.reload(file.plan);
        if reloaded.is_ok() {
            control.set_file(&file.text);
        }
        reloaded
    };
    match reloaded {
        Ok(Reloaded::Sent(revision)) => tracing::info!(revision, "rack reloaded"),
        Ok(Reloaded::Ports) => {
            tracing::info!("rack reloaded; its ports differ and are registered anew");
            supervisor.shared.reopen();
        }
        Err(error) => tracing::error!("the rack was not reloaded: {error}"),
    }
}
