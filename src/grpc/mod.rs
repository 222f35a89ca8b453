// SPDX-License-Identifier: MIT OR Apache-2.0
//! The services of `proto/lathe/v1`: typed access for programs, over one port and a Unix socket.
//!
//! Transport only: a handler converts, calls the one writer, and converts back. What may take long (a
//! lock, a chain to build, a disk) runs beside the network's threads; nothing is locked across an await.
//!
//! | file | what it is |
//! |---|---|
//! | `convert` | ours to theirs and back |
//! | `readings`, `look`, `look_request` | readings of the instruments and what they are asked for, likewise |
//! | `refuse` | refusals with details |
//! | `pattern` | which addresses a pattern means |
//! | `rack`, `watch`, `recent` | `RackService`, its stream of changes, requests made once |
//! | `snapshots`, `meters`, `prints`, `ledger`, `system` | the other services |
//! | `events` | what happens to the audio, for `WatchEvents` and health |
//! | `listen` | sockets, bound before anything says "ready" |
//! | [`counts`] | connections and calls, counted |
//! | `server`, `connection` | the accept loop, and one connection with its limits |

mod connection;
pub mod convert;
pub mod counts;
mod events;
mod feed;
mod ledger;
mod listen;
mod look;
mod look_request;
mod meters;
mod pattern;
mod prints;
mod rack;
pub mod readings;
mod recent;
mod refuse;
mod server;
mod snapshots;
mod system;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Status};

pub use connection::Peer;
pub use listen::{BindError, Listeners, bind, bind_socket};
pub use meters::Meters;
pub use server::{Services, serve};

/// Messages, clients and servers, generated from `proto/lathe/v1`; a test regenerates and compares.
#[allow(clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    include!("gen/lathe.v1.rs");

    /// What reflection shows.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/lathe.v1.bin");
}

/// A stream of answers.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Who asks.
fn client<T>(request: &Request<T>) -> crate::control::Client {
    request.extensions().get::<Peer>().map_or(crate::control::Client::LOCAL, |p| p.client)
}

/// Runs what may wait for a lock or a disk.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("the request failed inside"))
}

/// Waits until a revision is in the sound; false if nobody hears it, or it took too long.
async fn audible(host: &crate::control::Handle, revision: u64) -> bool {
    let audible = crate::control::Audible::new(revision);
    loop {
        match audible.poll(&**host) {
            Some(heard) => return heard,
            None => tokio::time::sleep(crate::control::Audible::POLL).await,
        }
    }
}

/// Waits until the engine has gone on from a frame; false if nobody hears it, or it took too long.
async fn runs_on(host: &crate::control::Handle, from: u64) -> bool {
    let audible = crate::control::Audible::new(0);
    let frame = || host.control().status().map_or(0, |s| s.frame.load(std::sync::atomic::Ordering::Relaxed));
    while frame() == from && !audible.is_late() && !host.audio().hung {
        tokio::time::sleep(crate::control::Audible::POLL).await;
    }
    let audio = host.audio();
    frame() != from && audio.audible && !audio.hung
}

/// Ends the streams when the server stops.
#[derive(Clone)]
pub struct Closing(tokio::sync::watch::Receiver<bool>);

impl Closing {
    async fn wait(&mut self) {
        // An error means that the server is gone, which is the same.
        let _ = self.0.wait_for(|closing| *closing).await;
    }
}

/// Sends one answer; false if the client left or the server stops.
async fn tell<T>(
    to: &tokio::sync::mpsc::Sender<Result<T, Status>>,
    closing: &mut Closing,
    answer: T,
) -> bool {
    tokio::select! {
        sent = to.send(Ok(answer)) => sent.is_ok(),
        () = closing.wait() => {
            farewell(to);
            false
        }
    }
}

/// The last of a stream when the server stops. A reader that is stuck gets none.
fn farewell<T>(to: &tokio::sync::mpsc::Sender<Result<T, Status>>) {
    let _ = to.try_send(Err(Status::unavailable("lathed is ending; connect again when it is back")));
}

/// What the receiving end of a channel is as a stream.
fn answers<T: Send + 'static>(from: tokio::sync::mpsc::Receiver<Result<T, Status>>) -> Answers<T> {
    Box::pin(tokio_stream::wrappers::ReceiverStream::new(from))
}

/// Everything handlers share.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub host: crate::control::Handle,
    pub snapshots: Option<Arc<dyn crate::control::Snapshots>>,
    pub meters: Option<Arc<dyn Meters>>,
    pub prints: Option<crate::print::Prints>,
    pub ledger: Option<crate::ledger::Ledger>,
    pub events: events::Events,
    pub closing: Closing,
}
