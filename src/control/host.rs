// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a transport holds: the way to the one writer, and what drives the sound.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::Control;
use super::load::LoadMeter;

/// What drives now, for people and programs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioState {
    /// `jack` or `clock`.
    pub backend: &'static str,
    /// `jack`, `demo`, `file` or `none`.
    pub source: &'static str,
    /// Of the audible driver, 0 while there is none.
    pub rate: u32,
    pub period: usize,
    /// Frames from main in to main out, the driver's own included.
    pub latency: usize,
    /// Someone can hear it, or could: a server or the clock asked for drives.
    pub audible: bool,
    /// The server's last cycle is too old.
    pub hung: bool,
    /// Glitches that JACK told of, or periods that the file that plays was not decoded in time for.
    pub xruns: u64,
    /// Engines lost to a panic or a hung driver.
    pub lost_engines: u64,
    /// The server's transport rolls, or stands; `None`: there is none.
    pub rolling: Option<bool>,
}

/// The running rack, as a transport sees it. Locks are held for as long as a change takes, never for a
/// disk or a network.
pub trait Host: Send + Sync + 'static {
    fn control(&self) -> MutexGuard<'_, Control>;
    fn audio(&self) -> AudioState;
    /// The rack's ports changed: asks for a new engine with the ports it has now.
    fn reopen(&self);
    /// What the callback that drives now takes; `None` if nobody measures.
    fn load(&self) -> Option<Arc<LoadMeter>> {
        None
    }
}

pub type Handle = Arc<dyn Host>;

/// Waits, without blocking, until a revision is in the sound.
#[derive(Clone, Copy, Debug)]
pub struct Audible {
    revision: u64,
    until: Instant,
}

impl Audible {
    /// Time between two calls of [`poll`](Self::poll).
    pub const POLL: Duration = Duration::from_millis(2);

    /// Whoever asked is answered within half a second, whatever became of the server.
    const WAIT: Duration = Duration::from_millis(420);

    /// From now on.
    pub fn new(revision: u64) -> Self {
        Audible { revision, until: Instant::now() + Self::WAIT }
    }

    /// True once nobody is to be kept waiting any longer.
    pub fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// `Some(true)`: it is in the sound that someone can hear. `Some(false)`: nobody can, or it took too long.
    pub fn poll(&self, host: &dyn Host) -> Option<bool> {
        let applied = host.control().is_applied(self.revision);
        let late = self.is_late();
        match (applied, host.audio()) {
            // Nothing is applied while the server hangs.
            (_, audio) if audio.hung => Some(false),
            (true, audio) => Some(audio.audible),
            (false, _) if late => Some(false),
            _ => None,
        }
    }
}
