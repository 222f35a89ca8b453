// SPDX-License-Identifier: MIT OR Apache-2.0
//! The accept loop: gRPC, gRPC-web, health, reflection and plain HTTP on every socket alike.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tonic::service::Routes;

use super::connection::{self, Peer, Wire};
use super::counts::Counts;
use super::events::{self, Events};
use super::{Closing, Meters, Rooms, ledger, listen, meters, prints, rack, snapshots, system, v1};
use crate::control::{Handle, Snapshots};
use crate::ledger::Ledger;
use crate::print::Prints;

/// Connections at once; more are closed at once.
const MAX_CONNECTIONS: usize = 256;
/// Bytes of one message from a client.
const MAX_MESSAGE: usize = 256 << 10;
/// Time that calls have to end when the server stops.
const GRACE: Duration = Duration::from_secs(1);

/// What is served.
pub struct Services {
    pub host: Handle,
    /// `None`: the daemon runs without a state directory.
    pub snapshots: Option<Arc<dyn Snapshots>>,
    /// `None`: nothing measures.
    pub meters: Option<Arc<dyn Meters>>,
    /// `None`: the daemon has no place for prints.
    pub prints: Option<Prints>,
    /// `None`: the daemon keeps no ledger.
    pub ledger: Option<Ledger>,
    /// Plain HTTP beside gRPC, on the same sockets. Without a fallback of its own.
    pub http: axum::Router,
    pub counts: Arc<Counts>,
}

/// Serves until `shutdown`, then ends streams, and calls within a second. The listeners end with it.
///
/// # Errors
/// A listener cannot be used by this runtime, or a part of the server has failed.
pub async fn serve(
    listeners: listen::Listeners,
    services: Services,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let (close, closing) = watch::channel(false);
    let (_end, ended) = watch::channel(false);
    let (closing, ended) = (Closing(closing), Closing(ended));
    let local = |l: &std::net::TcpListener| l.local_addr().is_ok_and(|a| a.ip().to_canonical().is_loopback());
    let reflect = listeners.tcp.iter().all(local);
    let counts = services.counts.clone();
    let (router, mut events) = router(services, closing, reflect).await?;
    let door = Door {
        router,
        counts,
        seats: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        graceful: Arc::new(GracefulShutdown::new()),
        ended,
    };
    let mut doors = tokio::task::JoinSet::new();
    for tcp in listeners.tcp {
        doors.spawn(door.clone().open(Listener::Tcp(TcpListener::from_std(tcp)?)));
    }
    for socket in &listeners.sockets {
        let listener = UnixListener::from_std(socket.listener.try_clone()?)?;
        doors.spawn(door.clone().open(Listener::Unix(listener)));
    }
    // Neither ends by itself before the server is told to.
    let failed = tokio::select! {
        () = shutdown => None,
        Some(_) = doors.join_next() => Some("an accept loop"),
        _ = &mut events => Some("the watch over the audio"),
    };
    doors.shutdown().await;
    // An error means that nobody watches.
    let _ = close.send(true);
    if let Some(graceful) = Arc::into_inner(door.graceful) {
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    }
    failed.map_or(Ok(()), |part| Err(io::Error::other(format!("{part} has failed"))))
}

/// Everything that is answered, and the task that looks at the audio.
async fn router(
    services: Services,
    closing: Closing,
    reflect: bool,
) -> io::Result<(axum::Router, tokio::task::JoinHandle<()>)> {
    let events = Events::new();
    let (health, health_service) = tonic_health::server::health_reporter();
    events::tell_health(&health, &services.host.audio()).await;
    let looks =
        events::run(services.host.clone(), services.meters.clone(), events.clone(), health, closing.clone());
    let looks = tokio::spawn(looks);
    let Services { host, snapshots, meters, prints, ledger, http, counts: _ } = services;
    let rooms = Rooms { host, snapshots, meters, prints, ledger, events, closing };
    let mut routes = routes(&rooms).add_service(health_service);
    if reflect {
        routes = with_reflection(routes)?;
    }
    // gRPC-web before the merge: it answers everything else on HTTP/1.1 with 400.
    let router = routes.into_axum_router().reset_fallback().layer(tonic_web::GrpcWebLayer::new());
    Ok((router.merge(http).fallback(unknown), looks))
}

/// Our services.
fn routes(rooms: &Rooms) -> Routes {
    let racks = v1::rack_service_server::RackServiceServer::new(rack::Racks::new(rooms.clone()));
    let stored = v1::snapshot_service_server::SnapshotServiceServer::new(snapshots::Stored(rooms.clone()));
    let meters = v1::meter_service_server::MeterServiceServer::new(meters::Watched(rooms.clone()));
    let printed = v1::print_service_server::PrintServiceServer::new(prints::Printed(rooms.clone()));
    let ledger = v1::ledger_service_server::LedgerServiceServer::new(ledger::Kept(rooms.clone()));
    let daemon = v1::system_service_server::SystemServiceServer::new(system::Daemon::new(rooms.clone()));
    Routes::default()
        .add_service(racks.max_decoding_message_size(MAX_MESSAGE))
        .add_service(stored.max_decoding_message_size(MAX_MESSAGE))
        .add_service(meters.max_decoding_message_size(MAX_MESSAGE))
        .add_service(printed.max_decoding_message_size(MAX_MESSAGE))
        .add_service(ledger.max_decoding_message_size(MAX_MESSAGE))
        .add_service(daemon.max_decoding_message_size(MAX_MESSAGE))
}

/// Both versions of reflection: tools ask for either.
fn with_reflection(routes: Routes) -> io::Result<Routes> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = builder().build_v1().map_err(io::Error::other)?;
    let v1alpha = builder().build_v1alpha().map_err(io::Error::other)?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}

/// What is asked for is not there: UNIMPLEMENTED to gRPC, 404 to others.
async fn unknown(request: axum::extract::Request) -> axum::response::Response {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    match kind.is_some_and(|k| k.starts_with("application/grpc")) {
        true => tonic::Status::unimplemented("there is no such service").into_http::<axum::body::Body>(),
        false => StatusCode::NOT_FOUND.into_response(),
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Box<dyn Wire>, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                let _ = stream.set_nodelay(true); // fails if it is closed already
                Ok((Box::new(stream), Peer::new(false)))
            }
            Listener::Unix(listener) => Ok((Box::new(listener.accept().await?.0), Peer::new(true))),
        }
    }
}

/// How connections come in.
#[derive(Clone)]
struct Door {
    router: axum::Router,
    counts: Arc<Counts>,
    seats: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
    ended: Closing,
}

impl Door {
    /// The accept loop of one socket.
    async fn open(self, listener: Listener) {
        loop {
            let (wire, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, mostly: others may be closed meanwhile.
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(seat) = self.seats.clone().try_acquire_owned() else {
                self.counts.turn_away();
                tracing::debug!("{MAX_CONNECTIONS} connections are open: one more was closed");
                continue;
            };
            let (router, ended) = (self.router.clone(), self.ended.clone());
            let (watcher, counts) = (self.graceful.watcher(), self.counts.clone());
            tokio::spawn(async move {
                let open = counts.connect();
                connection::run(wire, peer, router, counts, watcher, ended).await;
                drop((seat, open));
            });
        }
    }
}
