// SPDX-License-Identifier: MIT OR Apache-2.0
//! A small client of a running daemon that waits: one connection, one thread, one call at a time.

mod refusal;
mod server;

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status, Streaming};

use crate::exit::{Exit, Failure};
pub use crate::grpc::v1;
use v1::ledger_service_client::LedgerServiceClient;
use v1::meter_service_client::MeterServiceClient;
use v1::print_service_client::PrintServiceClient;
use v1::rack_service_client::RackServiceClient;
use v1::snapshot_service_client::SnapshotServiceClient;
use v1::system_service_client::SystemServiceClient;

pub use server::{DEFAULT, Server};

/// Messages of a daemon, one after the other.
pub type Stream<T> = Streaming<T>;

/// Longest wait for a connection, and for an answer.
const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(30);

/// A connection to a daemon.
pub struct Client {
    runtime: Runtime,
    channel: Channel,
    server: Server,
}

impl Client {
    /// Connects within two seconds.
    ///
    /// # Errors
    /// `Unavailable`, in one line that says how to start a daemon.
    pub fn connect(server: &Server) -> Result<Self, Failure> {
        Self::connect_within(server, CONNECT)
    }

    /// Connects within `patience`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_within(server: &Server, patience: Duration) -> Result<Self, Failure> {
        let none = |why: String| {
            let hint = "start one with `lathed`, or name another with --server";
            Failure::new(Exit::Unavailable, format!("no daemon answers at {server}: {why}; {hint}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Failure::new(Exit::Io, format!("cannot wait for answers: {e}")))?;
        let endpoint = Endpoint::new(server.uri().to_string()).map_err(|e| none(root(&e)))?;
        let connected = runtime
            .block_on(async { timeout(patience, endpoint.connect_timeout(patience).connect()).await })
            .map_err(|_| none(format!("nothing within {} s", patience.as_secs_f64())))?;
        let channel = connected.map_err(|e| none(root(&e)))?;
        Ok(Client { runtime, channel, server: server.clone() })
    }

    pub fn server(&self) -> &Server {
        &self.server
    }
    pub fn rack(&self) -> RackServiceClient<Channel> {
        RackServiceClient::new(self.channel.clone())
    }
    pub fn snapshots(&self) -> SnapshotServiceClient<Channel> {
        SnapshotServiceClient::new(self.channel.clone())
    }
    pub fn meters(&self) -> MeterServiceClient<Channel> {
        MeterServiceClient::new(self.channel.clone())
    }
    pub fn prints(&self) -> PrintServiceClient<Channel> {
        PrintServiceClient::new(self.channel.clone())
    }
    pub fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone())
    }
    pub fn system(&self) -> SystemServiceClient<Channel> {
        SystemServiceClient::new(self.channel.clone())
    }

    /// Waits for the answer of one call.
    ///
    /// # Errors
    /// What the daemon refused, or that it went away.
    pub fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Failure> {
        self.call_about(&[], call)
    }

    /// The same, for at most `patience`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_within<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.wait(patience, &[], call)
    }

    /// The same; `names` are what the items of the request are called in a refusal.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_about<T>(
        &self,
        names: &[String],
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.wait(ANSWER, names, call)
    }

    fn wait<T>(
        &self,
        patience: Duration,
        names: &[String],
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match self.runtime.block_on(async { timeout(patience, call).await }) {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(refusal::failure(&status, names, &self.server.to_string())),
            Err(_) => Err(Failure::new(
                Exit::Unavailable,
                format!("{} gives no answer within {} s", self.server, patience.as_secs()),
            )),
        }
    }

    /// The next message of a stream, or `None` if none comes within `patience`.
    ///
    /// # Errors
    /// The stream ended.
    pub fn next<T>(&self, stream: &mut Streaming<T>, patience: Duration) -> Result<Option<T>, Failure> {
        match self.runtime.block_on(async { timeout(patience, stream.message()).await }) {
            Err(_) => Ok(None),
            Ok(Ok(Some(message))) => Ok(Some(message)),
            Ok(Ok(None)) => {
                Err(Failure::new(Exit::Unavailable, format!("the daemon at {} has ended", self.server)))
            }
            Ok(Err(status)) => Err(refusal::failure(&status, &[], &self.server.to_string())),
        }
    }
}

/// The innermost cause, which is what a person can act on.
fn root(e: &dyn std::error::Error) -> String {
    let mut e = e;
    while let Some(cause) = e.source() {
        e = cause;
    }
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
