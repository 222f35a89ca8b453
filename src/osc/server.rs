// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server: one thread, a UDP socket and TCP on the same number. It takes all that has come, serves the sources in turn, and
//! in between tells what has changed.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use super::desk::{Desk, Out};
use super::policy::{Allow, LEASE, is_answerable, standing};
use super::ports::{Meters, Ports, Snapshots};
use super::precheck::MAX_PACKET;
use super::queue::Queue;
use super::stats::{Log, Loss, Stats};
use super::streams::Streams;
use crate::control::Handle;

/// Longest work on packets before changes are told.
const SHARE: Duration = Duration::from_millis(5);
/// Shortest time for taking what has come; after a packet that took longer, as long as that.
const GULP: Duration = Duration::from_micros(200);
/// Asked of the kernel; what `net.core.rmem_max` allows is given.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A fixed receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub addr: SocketAddr,
    /// Readings a second.
    pub hz: u32,
}

/// What the server is told.
#[derive(Clone, Debug)]
pub struct OscSettings {
    /// The machine's name, for `/hello.reply`.
    pub name: String,
    pub allow: Vec<Allow>,
    pub targets: Vec<Target>,
    /// How long a subscription lives without a message.
    pub lease: Duration,
}

impl Default for OscSettings {
    fn default() -> Self {
        OscSettings { name: String::new(), allow: Vec::new(), targets: Vec::new(), lease: LEASE }
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A mistake in the settings: exit 78.
    #[error(
        "OSC on {0} would be open to the network: name who may use it, such as [[osc.allow]] net = \
         \"192.168.1.0/24\", role = \"operate\", or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// Exit 69.
    #[error("OSC port {0} is taken; is another lathed running? Choose another with [osc] listen")]
    Taken(SocketAddr),
    #[error("OSC cannot listen on {0}: {1}")]
    Failed(SocketAddr, io::Error),
}

/// UDP and TCP on one number.
#[derive(Debug)]
pub struct Sockets {
    pub udp: UdpSocket,
    pub tcp: TcpListener,
}

impl Sockets {
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }
}

/// Free numbers that are tried until one is free for both.
const ATTEMPTS: usize = 16;

/// The sockets. An address that others can reach needs an allow-list.
///
/// # Errors
/// As [`BindError`] says; the caller chooses the exit code.
pub fn bind(addr: SocketAddr, allow: &[Allow]) -> Result<Sockets, BindError> {
    if !addr.ip().to_canonical().is_loopback() && allow.is_empty() {
        return Err(BindError::Exposed(addr));
    }
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken(addr),
        _ => BindError::Failed(addr, e),
    };
    let mut attempts = if addr.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        let udp = UdpSocket::bind(addr).map_err(failed)?;
        match TcpListener::bind(udp.local_addr().map_err(failed)?) {
            Ok(tcp) => return Ok(Sockets { udp, tcp }),
            Err(e) if attempts == 1 => return Err(failed(e)),
            Err(_) => attempts -= 1,
        }
    }
}

/// The running server; it ends with [`stop`](Server::stop) or when dropped.
pub struct Server {
    stop: Arc<AtomicBool>,
    stats: Arc<Stats>,
    address: SocketAddr,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start(
        sockets: Sockets,
        host: Handle,
        meters: Option<Arc<dyn Meters>>,
        snapshots: Option<Arc<dyn Snapshots>>,
        settings: OscSettings,
    ) -> io::Result<Server> {
        Server::start_with(sockets, host, Ports { meters, snapshots, ..Ports::default() }, settings)
    }

    /// The same with everything there is.
    ///
    /// # Errors
    /// The sockets cannot be used, or the system gives no thread.
    pub fn start_with(
        sockets: Sockets,
        host: Handle,
        ports: Ports,
        settings: OscSettings,
    ) -> io::Result<Server> {
        let Sockets { udp: socket, tcp } = sockets;
        socket.set_nonblocking(true)?;
        let streams = Streams::new(tcp)?;
        let address = socket.local_addr()?;
        // More is better, and less is no reason not to start.
        let forced = sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER);
        let _ = forced.or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER));
        let stats = Arc::new(Stats::default());
        let stop = Arc::new(AtomicBool::new(false));
        let out = Out { socket, streams, stats: stats.clone(), log: Log::default() };
        let desk = Desk::new(out, host, ports, settings)?;
        let body = Body { desk, queue: Queue::default(), buffer: vec![0; MAX_PACKET + 1], address, tick: 0 };
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("osc".into()).spawn(move || body.run(&stopped))?;
        Ok(Server { stop, stats, address, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The counters, to keep.
    pub fn counters(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// False if the thread has failed.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|t| !t.is_finished())
    }

    /// Ends within 50 ms, unless a snapshot or a print is being written.
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the OSC server had ended by a panic");
        }
    }
}

/// The thread.
struct Body {
    desk: Desk,
    queue: Queue,
    buffer: Vec<u8>,
    address: SocketAddr,
    tick: u32,
}

impl Body {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            self.wait();
            self.desk.observe(Instant::now());
            self.receive(SHARE);
            self.receive_streams();
            let begin = Instant::now();
            while begin.elapsed() < SHARE
                && let Some((from, packet)) = self.queue.pop()
            {
                let taken = Instant::now();
                self.desk.packet(from, &packet);
                self.receive(taken.elapsed().max(GULP));
            }
            self.desk.tend(Instant::now());
        }
    }

    /// Until a packet comes or something may be due. The length varies, so that the readings of the sample
    /// clock do not keep step with its periods.
    fn wait(&mut self) {
        if !self.queue.is_empty() {
            return;
        }
        self.tick = self.tick.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let spread = i64::from(self.tick >> 16) * 1000 / 65_536;
        let micros = if self.desk.is_busy() { 2_000 + 3 * spread } else { 20_000 + 20 * spread };
        let timeout = Timespec { tv_sec: 0, tv_nsec: micros * 1000 };
        let Out { socket, streams, .. } = &self.desk.out;
        let mut fds = vec![PollFd::new(socket, PollFlags::IN)];
        fds.extend(streams.poll_fds());
        // An interruption is a wait that was short.
        let _ = poll(&mut fds, Some(&timeout));
    }

    /// Takes what has come, if it may come, for so long at most.
    fn receive(&mut self, at_most: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < at_most {
            // An error is another host's port that is closed, or nothing: the next packet may be fine.
            let (length, from) = match self.desk.out.socket.recv_from(&mut self.buffer) {
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            if from == self.address || !is_answerable(from) {
                continue;
            }
            if self.admit(from, length) {
                let lost = self.queue.push(from, &self.buffer[..length]);
                let Out { stats, log, .. } = &mut self.desk.out;
                log.dropped(stats, Loss::Full, lost, || from.to_string());
            }
        }
    }

    /// The same from connections, and an end to those that are over.
    fn receive_streams(&mut self) {
        for (from, packet) in self.desk.out.streams.receive() {
            if self.admit(from, packet.len()) {
                let lost = self.queue.push(from, &packet);
                let Out { stats, log, .. } = &mut self.desk.out;
                log.dropped(stats, Loss::Full, lost, || from.to_string());
            }
        }
        self.desk.leave_streams();
    }

    fn admit(&mut self, from: SocketAddr, length: usize) -> bool {
        let now = Instant::now();
        let Desk { sources, settings, out, meters, .. } = &mut self.desk;
        out.stats.count_received();
        let Some(mut standing) = standing(from.ip(), &settings.allow) else {
            out.log.dropped(&out.stats, Loss::Stranger, 1, || from.to_string());
            return false;
        };
        // Nobody answers a handshake from an address that is not its own.
        standing.proved |= out.streams.has(from);
        let (source, forgotten) = sources.hear(from, standing, now);
        source.heard = now;
        source.ledger.received(length);
        let taken = source.packets.take(1.0, now);
        if let (Some(forgotten), Some(meters)) = (forgotten, meters) {
            meters.drop_subscriber(super::dispatch::asker(forgotten.client));
        }
        if !taken {
            out.log.dropped(&out.stats, Loss::Rate, 1, || from.to_string());
        }
        taken
    }
}
