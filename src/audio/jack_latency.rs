// SPDX-License-Identifier: MIT OR Apache-2.0
//! What rust-jack does not wrap: the latency callback and its recomputation. JACK's own thread.
//! One of the named files with `unsafe`.
#![allow(unsafe_code)]

use std::sync::Arc;

use jack::{Client, LatencyType, Port, Unowned};

use super::jack::Shared;

/// The ports between which the delay is.
pub struct Latencies {
    inputs: Vec<Port<Unowned>>,
    outputs: Vec<Port<Unowned>>,
    shared: Arc<Shared>,
}

/// Keeps what the callback reads alive; hold it until the client is closed.
pub struct Registered {
    _latencies: Arc<Latencies>,
}

impl Latencies {
    pub fn new(inputs: Vec<Port<Unowned>>, outputs: Vec<Port<Unowned>>, shared: Arc<Shared>) -> Self {
        Latencies { inputs, outputs, shared }
    }

    /// Notification thread. What came to one side leaves the other with our own frames added.
    fn report(&self, mode: LatencyType) {
        let (from, to) = match mode {
            LatencyType::Capture => (&self.inputs, &self.outputs),
            LatencyType::Playback => (&self.outputs, &self.inputs),
        };
        let connected = from.iter().filter(|p| p.connected_count().is_ok_and(|n| n > 0));
        let range = connected
            .map(|p| p.get_latency_range(mode))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .unwrap_or((0, 0));
        let ours = self.shared.latency();
        for port in to {
            port.set_latency_range(mode, (range.0.saturating_add(ours), range.1.saturating_add(ours)));
        }
    }
}

/// Session thread, before the client is activated.
pub fn register(client: &Client, latencies: Latencies) -> Registered {
    let latencies = Arc::new(latencies);
    let arg = Arc::as_ptr(&latencies).cast_mut().cast();
    // SAFETY: `client` is open. `arg` points to the value that the returned guard keeps alive, and the
    // guard is held by the process handler, which rust-jack drops after it has closed the client (or
    // never, when activation fails), so JACK cannot call with a dangling pointer.
    unsafe { jack_sys::jack_set_latency_callback(client.raw(), Some(callback), arg) };
    Registered { _latencies: latencies }
}

unsafe extern "C" fn callback(mode: jack_sys::jack_latency_callback_mode_t, arg: *mut libc::c_void) {
    let mode = match mode {
        jack_sys::JackCaptureLatency => LatencyType::Capture,
        _ => LatencyType::Playback,
    };
    // SAFETY: `arg` is what `register` passed, alive as argued there, and only read.
    let latencies = unsafe { &*arg.cast::<Latencies>() };
    // An unwind must not cross into C.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| latencies.report(mode)));
}

/// Session thread. Has every client's latency callback called again; waits for the server.
pub fn recompute(client: &Client) {
    // SAFETY: the client is open as long as it is borrowed.
    unsafe { jack_sys::jack_recompute_total_latencies(client.raw()) };
}

/// A client as a plain address, for [`close_leaked`].
pub struct Raw(*mut jack_sys::jack_client_t);

pub fn raw(client: &Client) -> Raw {
    Raw(client.raw())
}

/// Session thread. Closes the client that rust-jack leaks when it cannot activate it.
pub fn close_leaked(raw: Raw) {
    // SAFETY: activation failed, and rust-jack then forgets its client without closing it: nobody else
    // owns or uses the pointer. What its callbacks refer to was forgotten too and stays valid.
    drop(unsafe { Client::from_raw(raw.0) });
}
