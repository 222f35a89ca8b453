// SPDX-License-Identifier: MIT OR Apache-2.0
//! The OSC server over real sockets, on a rack that the clock drives.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::{self, Layout};
use lathed::audio::supervisor::{Backend, Supervisor};
use lathed::control::{Client, Control};
use lathed::osc::ports::{Meters, Refusal, Snapshots};
use lathed::osc::request::Code;
use lathed::osc::{Arg, Booleans, Message, OscSettings, Server, bind, decode, encode, encode_bundle};

use super::jackd::wait_for;

/// A rack, its driver and its server.
pub struct Rig {
    pub supervisor: Supervisor,
    pub server: Server,
    pub meters: Arc<Fake>,
}

/// Meters and snapshots that remember what was asked.
#[derive(Default)]
pub struct Fake {
    polls: Mutex<Vec<(u64, Vec<String>)>>,
    dropped: Mutex<Vec<u64>>,
    names: Mutex<Vec<String>>,
}

impl Meters for Fake {
    fn poll(&self, subscriber: u64, _: f64, names: &[String]) -> Option<Vec<(String, f64)>> {
        self.polls.lock().unwrap().push((subscriber, names.to_vec()));
        Some(
            names
                .iter()
                .map(|n| (n.clone(), if n.starts_with("out") { -14.5 } else { f64::NEG_INFINITY }))
                .collect(),
        )
    }
    fn reset(&self) {}
    fn names(&self) -> Vec<String> {
        ["in/peak/L", "out/momentary", "out/true_peak", "comp/gain_reduction"].map(String::from).to_vec()
    }
    fn drop_subscriber(&self, subscriber: u64) {
        self.dropped.lock().unwrap().push(subscriber);
    }
}

impl Fake {
    pub fn dropped(&self) -> Vec<u64> {
        self.dropped.lock().unwrap().clone()
    }
}

impl Snapshots for Fake {
    fn store(&self, name: &str, _: Client) -> Result<(), Refusal> {
        self.names.lock().unwrap().push(name.into());
        Ok(())
    }
    fn recall(&self, name: &str, _: f64, _: Client) -> Result<u64, Refusal> {
        Err((Code::Failed, format!("there is no snapshot \"{name}\"")))
    }
    fn delete(&self, _: &str, _: Client) -> Result<(), Refusal> {
        Ok(())
    }
    fn list(&self) -> Vec<String> {
        self.names.lock().unwrap().clone()
    }
    fn current(&self) -> Option<(String, bool)> {
        self.names.lock().unwrap().last().map(|n| (n.clone(), false))
    }
}

impl Rig {
    pub fn start(settings: OscSettings) -> Rig {
        let meters = Arc::new(Fake::default());
        Rig::made(settings, meters.clone(), meters)
    }

    /// With these snapshots.
    pub fn with(settings: OscSettings, snapshots: Arc<dyn Snapshots>) -> Rig {
        Rig::made(settings, Arc::default(), snapshots)
    }

    fn made(settings: OscSettings, meters: Arc<Fake>, snapshots: Arc<dyn Snapshots>) -> Rig {
        let mut plan = RackPlan::empty(Layout::named("stereo").unwrap());
        let slot = |id: &str, unit| SlotPlan::unit(id, units::find(unit).unwrap());
        plan.slots = vec![slot("gain", "gain"), slot("eq", "equalizer")];
        let backend = Backend::Clock { rate: None, period: 256, input: None };
        let supervisor = Supervisor::start(Control::new(plan), backend).unwrap();
        supervisor.wait_ready();
        let socket = bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
        let server =
            Server::start(socket, supervisor.shared.clone(), Some(meters.clone()), Some(snapshots), settings)
                .unwrap();
        Rig { supervisor, server, meters }
    }

    pub fn peer(&self) -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Peer { socket, to: self.server.address() }
    }

    pub fn revision(&self) -> u64 {
        self.supervisor.shared.control().revision()
    }

    pub fn value(&self, name: &str) -> f64 {
        self.supervisor.shared.control().get(name).unwrap().1
    }

    pub fn end(self) {
        self.server.stop();
        self.supervisor.stop();
    }
}

/// Someone on the network.
pub struct Peer {
    pub socket: UdpSocket,
    pub to: SocketAddr,
}

pub fn message(address: &str, args: &[Arg]) -> Message {
    Message::new(address, args.to_vec())
}

impl Peer {
    pub fn send(&self, address: &str, args: &[Arg]) {
        self.raw(&encode(&message(address, args), Booleans::Tags));
    }

    pub fn raw(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to).unwrap();
    }

    /// All that comes within a time.
    pub fn all(&self, within: Duration) -> Vec<Message> {
        let (end, mut out, mut buffer) = (Instant::now() + within, Vec::new(), [0; 65_536]);
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
                out.extend(decode(&buffer[..n]).unwrap().messages);
            }
        }
        out
    }

    /// What comes up to the answer of a ping, which is sent now, and again if it was lost in a flood.
    pub fn until_pong(&self) -> Vec<Message> {
        static NUMBER: AtomicI32 = AtomicI32::new(0);
        let pong = message("/pong", &[Arg::Int(NUMBER.fetch_add(1, Relaxed))]);
        let (mut out, mut buffer) = (Vec::new(), [0; 65_536]);
        self.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        for _ in 0..10 {
            self.send("/ping", &pong.args);
            while let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
                out.extend(decode(&buffer[..n]).unwrap().messages);
                if out.contains(&pong) {
                    out.retain(|m| m.address != "/pong");
                    return out;
                }
            }
        }
        panic!("no pong; {out:?}");
    }

    /// The arguments of the next message with this address; what comes before it is dropped.
    pub fn until(&self, address: &str, patience: Duration) -> Vec<Arg> {
        let (end, mut buffer) = (Instant::now() + patience, [0; 65_536]);
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok((n, _)) = self.socket.recv_from(&mut buffer) {
                let messages = decode(&buffer[..n]).unwrap().messages;
                if let Some(m) = messages.into_iter().find(|m| m.address == address) {
                    return m.args;
                }
            }
        }
        panic!("no {address} within {patience:?}");
    }

    /// What one message is answered with.
    pub fn ask(&self, address: &str, args: &[Arg]) -> Vec<Message> {
        self.send(address, args);
        self.until_pong()
    }

    /// Subscribes, and takes the full state.
    pub fn listen(&self, subtree: &str) -> Vec<Message> {
        self.send("/subscribe", &[Arg::Str(subtree.into())]);
        self.all(Duration::from_millis(150))
    }
}

pub fn text(text: &str) -> Arg {
    Arg::Str(text.into())
}

/// A time from now, as a tag.
pub fn tag(ahead: Duration) -> u64 {
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + ahead;
    ((at.as_secs() + 2_208_988_800) << 32) | ((u64::from(at.subsec_nanos()) << 32) / 1_000_000_000)
}

const SOON: Duration = Duration::from_millis(150);

#[test]
fn values_are_set_and_asked_for_in_every_form() {
    let rig = Rig::start(OscSettings::default());
    let a = rig.peer();
    assert_eq!(a.ask("/rack/gain/trim", &[Arg::Float(-3.0)]), []);
    assert_eq!(a.ask("/rack/gain/trim", &[]), [message("/rack/gain/trim", &[Arg::Float(-3.0)])]);
    assert_eq!(a.ask("/rack/gain/trim/text", &[]), [message("/rack/gain/trim/text", &[text("-3 dB")])]);
    a.ask("/rack/gain/trim/norm", &[Arg::Float(1.0)]);
    assert_eq!(rig.value("gain/trim"), 24.0);
    a.ask("/rack/gain/trim/text", &[text("-1.5 dB")]);
    assert_eq!(rig.value("gain/trim"), -1.5);
    a.ask("/rack/bypass", &[Arg::Bool(true)]);
    assert_eq!(a.ask("/rack/bypass", &[]), [message("/rack/bypass", &[Arg::Int(1)])]);
    let before = rig.revision();
    for (address, arg, code, words) in [
        ("/rack/gain/trim", Arg::Float(99.0), "value", "-60"),
        ("/rack/gain/trim", Arg::Float(f32::NAN), "value", "-60"),
        ("/rack/gain/trm", Arg::Float(0.0), "address", "trim"),
        ("/rack/gain/trim/norm", Arg::Float(1.5), "value", "0 to 1"),
        ("/rack/nothing/*", Arg::Float(0.0), "address", "matches"),
        ("/snapshot/recall", text("none"), "failed", "none"),
        ("/redo", Arg::Int(1), "failed", "nothing to redo"),
    ] {
        let got = a.ask(address, &[arg]);
        let [m] = &got[..] else { panic!("{address}: {got:?}") };
        let [Arg::Str(of), Arg::Str(c), Arg::Str(why)] = &m.args[..] else { panic!("{m:?}") };
        assert!(m.address == "/error" && of == address && c == code && why.contains(words), "{m:?}");
    }
    assert_eq!(rig.revision(), before);
    a.ask("/undo", &[]);
    assert_eq!(a.ask("/rack/b*", &[]), [message("/rack/bypass", &[Arg::Int(0)])]);
    let all = a.ask("/rack//*", &[]);
    assert_eq!(all.len(), rig.supervisor.shared.control().controls().len());
    rig.end();
}

#[test]
fn a_band_is_listened_to_and_a_source_chosen() {
    let rig = Rig::start(OscSettings::default());
    let a = rig.peer();
    a.ask("/rack/monitor/listen/eq", &[Arg::Int(3)]);
    a.ask("/rack/monitor/source", &[text("delta")]);
    assert_eq!(a.ask("/rack/monitor/listen/eq", &[]), [message("/rack/monitor/listen/eq", &[Arg::Int(3)])]);
    assert_eq!(a.ask("/rack/monitor/source", &[]), [message("/rack/monitor/source", &[Arg::Int(2)])]);
    let got = a.ask("/rack/monitor/listen/gain", &[Arg::Int(1)]);
    assert!(matches!(&got[..], [m] if m.address == "/error" && format!("{m:?}").contains("listened to: eq")));
    rig.end();
}

#[test]
fn a_bundle_is_one_change_or_none() {
    let rig = Rig::start(OscSettings::default());
    let a = rig.peer();
    let trim = |v| message("/rack/gain/trim", &[Arg::Float(v)]);
    let before = rig.revision();
    let both =
        [trim(-6.0), message("/rack/eq/band?/gain", &[Arg::Float(2.0)]), message("/rack/gain/trim", &[])];
    a.raw(&encode_bundle(&both, 1, Booleans::Integers));
    assert_eq!(a.until_pong(), [trim(-6.0)], "the question sees the set");
    assert_eq!((rig.revision(), rig.value("eq/band1/gain")), (before + 1, 2.0));
    let wrong =
        [trim(-9.0), message("/rack/eq/band1/gain", &[Arg::Float(500.0)]), message("/panic", &[Arg::Int(1)])];
    a.raw(&encode_bundle(&wrong, 1, Booleans::Integers));
    assert_eq!(a.until_pong().len(), 1);
    assert_eq!((rig.revision(), rig.value("gain/trim")), (before + 1, -6.0));
    assert!(!rig.supervisor.shared.control().panic());
    a.raw(&encode_bundle(&[trim(-9.0)], tag(Duration::from_secs(11)), Booleans::Integers));
    assert!(matches!(&a.until_pong()[..], [m] if m.address == "/error"));
    rig.end();
}

#[test]
fn a_time_tag_is_kept() {
    let rig = Rig::start(OscSettings::default());
    let a = rig.peer();
    let status = rig.supervisor.shared.control().status().unwrap().clone();
    let ahead = Duration::from_millis(500);
    let due = Instant::now() + ahead;
    a.raw(&encode_bundle(&[message("/rack/gain/trim", &[Arg::Float(-6.0)])], tag(ahead), Booleans::Integers));
    assert_eq!(a.until_pong(), []);
    let before = rig.revision();
    assert_eq!(rig.value("gain/trim"), 0.0);
    wait_for("the change to be released", Duration::from_secs(2), || (rig.revision() > before).then_some(()));
    let early = due.saturating_duration_since(Instant::now());
    while status.applied.load(Relaxed) <= before {
        std::thread::sleep(Duration::from_micros(100));
    }
    let late = Instant::now().saturating_duration_since(due);
    assert!(!early.is_zero(), "it was released too late");
    println!("released {early:?} before the tag, in the sound {late:?} after it");
    assert_eq!(rig.value("gain/trim"), -6.0);
    rig.end();
}

#[test]
fn everyone_else_is_told_and_the_sender_only_in_other_forms() {
    let rig = Rig::start(OscSettings::default());
    let (a, b) = (rig.peer(), rig.peer());
    let state = a.listen("/rack/gain");
    let declared = rig.supervisor.shared.control().controls();
    assert_eq!(state.len(), 2 * declared.iter().filter(|c| c.address.starts_with("gain/")).count());
    b.listen("/rack/gain");
    a.send("/rack/gain/trim", &[Arg::Float(-3.0)]);
    a.send("/rack/eq/band1/gain", &[Arg::Float(1.0)]);
    let (plain, shown) = ("/rack/gain/trim", "/rack/gain/trim/text");
    assert_eq!(a.all(SOON), [message(shown, &[text("-3 dB")])]);
    assert_eq!(b.all(SOON), [message(plain, &[Arg::Float(-3.0)]), message(shown, &[text("-3 dB")])]);
    b.send(shown, &[text("-4 dB")]);
    assert_eq!(b.all(SOON), [message(plain, &[Arg::Float(-4.0)])]);
    assert_eq!(a.all(SOON), [message(plain, &[Arg::Float(-4.0)]), message(shown, &[text("-4 dB")])]);
    a.send("/undo", &[]);
    assert!(a.all(SOON).contains(&message(plain, &[Arg::Float(-3.0)])), "who undoes is told what it came to");
    b.all(SOON);
    // A second subscription within the lease brings no state again.
    assert_eq!(a.listen("/rack/gain"), []);
    b.send("/unsubscribe", &[]);
    a.send("/panic", &[Arg::Int(1)]);
    assert_eq!(b.all(SOON), []);
    assert!(rig.supervisor.shared.control().panic());
    rig.end();
}
