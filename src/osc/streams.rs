// SPDX-License-Identifier: MIT OR Apache-2.0
//! OSC over TCP: connections as sources like any other, with packets framed by a length (OSC 1.0) or by
//! SLIP (OSC 1.1), whichever the client begins with. Who does not read is let go.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use rustix::event::{PollFd, PollFlags};
use rustix::net::sockopt;

use super::precheck::MAX_PACKET;

/// Most connections at once; more are closed at once.
pub const MAX_STREAMS: usize = 32;
/// Bytes that wait for a reader before it is let go.
const MAX_UNREAD: usize = 1 << 20;
/// Asked of the kernel, which else lets megabytes wait for a reader.
const SEND_BUFFER: usize = 256 << 10;
/// Bytes taken from one connection before the next has its turn.
const GULP: usize = 64 << 10;

const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

/// How packets are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// Big-endian `i32` before each.
    Length,
    /// Between `END`s.
    Slip,
}

impl Framing {
    /// By the first byte of a connection. A length begins with 0, as no packet is longer than 64 kB.
    fn of(first: u8) -> Option<Framing> {
        match first {
            0 => Some(Framing::Length),
            END | b'/' | b'#' => Some(Framing::Slip),
            _ => None,
        }
    }

    fn write(self, packet: &[u8], out: &mut Vec<u8>) {
        if self == Framing::Length {
            out.extend((packet.len() as u32).to_be_bytes());
            return out.extend(packet);
        }
        out.push(END);
        for &b in packet {
            match b {
                END => out.extend([ESC, ESC_END]),
                ESC => out.extend([ESC, ESC_ESC]),
                b => out.push(b),
            }
        }
        out.push(END);
    }
}

/// What of a connection's bytes is not a packet yet.
#[derive(Default)]
struct Input {
    framing: Option<Framing>,
    bytes: Vec<u8>,
}

impl Input {
    /// The packets that are whole with these bytes; `None` if this is no OSC.
    fn take(&mut self, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let framing = match (self.framing, bytes.first()) {
            (Some(framing), _) => framing,
            (None, Some(&first)) => *self.framing.insert(Framing::of(first)?),
            (None, None) => return Some(Vec::new()),
        };
        self.bytes.extend_from_slice(bytes);
        match framing {
            Framing::Length => self.by_length(),
            Framing::Slip => self.by_slip(),
        }
    }

    fn by_length(&mut self) -> Option<Vec<Vec<u8>>> {
        let (mut out, mut from) = (Vec::new(), 0);
        while let Some(head) = self.bytes[from..].first_chunk::<4>() {
            let length = u32::from_be_bytes(*head) as usize;
            if length > MAX_PACKET {
                return None;
            }
            let Some(packet) = self.bytes.get(from + 4..from + 4 + length) else { break };
            out.push(packet.to_vec());
            from += 4 + length;
        }
        self.bytes.drain(..from);
        Some(out)
    }

    fn by_slip(&mut self) -> Option<Vec<Vec<u8>>> {
        let mut out = Vec::new();
        while let Some(end) = self.bytes.iter().position(|b| *b == END) {
            let framed: Vec<u8> = self.bytes.drain(..=end).collect();
            let packet = unescaped(&framed[..end])?;
            if packet.len() > MAX_PACKET {
                return None;
            }
            // Two ENDs in a row have nothing between them.
            out.extend((!packet.is_empty()).then_some(packet));
        }
        (self.bytes.len() <= 2 * MAX_PACKET).then_some(out)
    }
}

fn unescaped(framed: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(framed.len());
    let mut bytes = framed.iter();
    while let Some(&b) = bytes.next() {
        out.push(match b {
            ESC => match *bytes.next()? {
                ESC_END => END,
                ESC_ESC => ESC,
                _ => return None,
            },
            b => b,
        });
    }
    Some(out)
}

struct Stream {
    tcp: TcpStream,
    input: Input,
    output: Vec<u8>,
    /// It left, sent what is no OSC, or does not read.
    over: bool,
}

impl Stream {
    fn flush(&mut self) {
        while !self.output.is_empty() && !self.over {
            match self.tcp.write(&self.output) {
                Ok(0) => self.over = true,
                Ok(n) => drop(self.output.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.over = true,
            }
        }
        self.over |= self.output.len() > MAX_UNREAD;
    }

    fn read(&mut self) -> Vec<Vec<u8>> {
        let (mut out, mut buffer, mut taken) = (Vec::new(), [0; 16 << 10], 0);
        while taken < GULP && !self.over {
            match self.tcp.read(&mut buffer) {
                Ok(0) => self.over = true,
                Ok(n) => match self.input.take(&buffer[..n]) {
                    Some(packets) => {
                        out.extend(packets);
                        taken += n;
                    }
                    None => self.over = true,
                },
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.over = true,
            }
        }
        out
    }
}

/// All connections.
#[derive(Default)]
pub struct Streams {
    listener: Option<TcpListener>,
    open: HashMap<SocketAddr, Stream>,
}

impl Streams {
    pub fn new(listener: TcpListener) -> std::io::Result<Streams> {
        listener.set_nonblocking(true)?;
        Ok(Streams { listener: Some(listener), open: HashMap::new() })
    }

    /// What is to be waited for.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let wanted = |s: &Stream| match s.output.is_empty() {
            true => PollFlags::IN,
            false => PollFlags::IN | PollFlags::OUT,
        };
        let listener = self.listener.iter().map(|l| PollFd::new(l, PollFlags::IN));
        listener.chain(self.open.values().map(move |s| PollFd::new(&s.tcp, wanted(s))))
    }

    /// Takes who has come, and what everyone has sent.
    pub fn receive(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        while let Some(Ok((tcp, peer))) = self.listener.as_ref().map(TcpListener::accept) {
            if self.open.len() >= MAX_STREAMS || tcp.set_nonblocking(true).is_err() {
                continue;
            }
            // Both fail if it is closed already.
            let _ = tcp.set_nodelay(true);
            let _ = sockopt::set_socket_send_buffer_size(&tcp, SEND_BUFFER);
            let stream = Stream { tcp, input: Input::default(), output: Vec::new(), over: false };
            self.open.insert(apart(peer), stream);
        }
        let mut out = Vec::new();
        for (from, stream) in &mut self.open {
            stream.flush();
            out.extend(stream.read().into_iter().map(|packet| (*from, packet)));
        }
        out
    }

    /// Sends to a connection; `None` if this address is none.
    pub fn send(&mut self, to: SocketAddr, packet: &[u8]) -> Option<bool> {
        let stream = self.open.get_mut(&to)?;
        stream.input.framing.unwrap_or(Framing::Length).write(packet, &mut stream.output);
        stream.flush();
        Some(!stream.over)
    }

    pub fn has(&self, from: SocketAddr) -> bool {
        self.open.contains_key(&from)
    }

    /// Closes those that are over.
    pub fn sweep(&mut self) -> Vec<SocketAddr> {
        let over: Vec<SocketAddr> = self.open.iter().filter(|(_, s)| s.over).map(|(a, _)| *a).collect();
        over.iter().for_each(|a| drop(self.open.remove(a)));
        over
    }
}

/// A datagram may come from the same address and port: written so, it is another address.
fn apart(peer: SocketAddr) -> SocketAddr {
    match peer.ip() {
        IpAddr::V4(v4) => SocketAddr::new(IpAddr::V6(v4.to_ipv6_mapped()), peer.port()),
        IpAddr::V6(_) => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in_however_they_are_cut() {
        let packets: [Vec<u8>; 3] =
            [b"/ping\0\0\0".to_vec(), vec![END, ESC, 0, ESC_END, ESC, END], vec![7; 3000]];
        for framing in [Framing::Length, Framing::Slip] {
            let mut bytes = Vec::new();
            packets.iter().for_each(|p| framing.write(p, &mut bytes));
            for cut in [1, 2, 3, 5, 1000, bytes.len()] {
                let mut input = Input::default();
                let out: Vec<Vec<u8>> = bytes.chunks(cut).flat_map(|c| input.take(c).unwrap()).collect();
                assert_eq!(out, packets, "{framing:?} in pieces of {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_osc_or_too_long_ends_the_connection() {
        for bad in [&b"GET / HTTP/1.1\r\n"[..], &[0, 2, 0, 0], &[0xff; 8], &[END, b'/', ESC, b'x', END]] {
            assert!(Input::default().take(bad).is_none(), "{bad:?}");
        }
        let mut input = Input::default();
        assert!(input.take(b"/a").is_some());
        assert!((0..40).any(|_| input.take(&[b'a'; 4096]).is_none()), "no end, no packet");
    }
}
