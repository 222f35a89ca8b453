// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server in this process, with a rack that the built-in clock drives.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::{self, Layout};
use lathed::audio::supervisor::{Backend, Supervisor};
use lathed::control::snapshots::Library;
use lathed::control::{Control, Handle, Snapshots};
use lathed::grpc::v1::rack_service_client::RackServiceClient;
use lathed::grpc::v1::set_values_item::Value;
use lathed::grpc::{Listeners, Services, bind, bind_socket, serve, v1};
use lathed::store::StateDir;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

pub struct Rig {
    pub addr: SocketAddr,
    pub socket: PathBuf,
    pub host: Handle,
    supervisor: Supervisor,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    _dir: tempfile::TempDir,
    _state: Option<StateDir>,
}

/// A gain, many equalizers and a limiter.
pub fn plan(equalizers: usize) -> RackPlan {
    let mut plan = RackPlan::empty(Layout::named("stereo").unwrap());
    plan.name = "Test".into();
    let unit = |id: &str, kind: &str| SlotPlan::unit(id, units::find(kind).unwrap());
    plan.slots = vec![unit("trim", "gain")];
    plan.slots.extend((1..=equalizers).map(|n| unit(&format!("eq{n}"), "equalizer")));
    plan.slots.push(unit("limiter", "limiter"));
    plan
}

impl Rig {
    pub async fn start(plan: RackPlan, stored: bool) -> Rig {
        let backend = Backend::Clock { rate: Some(48_000), period: 64, input: None };
        let supervisor = Supervisor::start(Control::new(plan), backend).unwrap();
        let supervisor = tokio::task::spawn_blocking(move || {
            supervisor.wait_ready();
            supervisor
        });
        let supervisor = supervisor.await.unwrap();
        let host: Handle = supervisor.shared.clone();
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("lathe.sock");
        let state = stored.then(|| StateDir::open(Some(&dir.path().join("state"))).unwrap());
        let library = |s: &StateDir| -> Arc<dyn Snapshots> {
            Arc::new(Library::new(host.clone(), s.snapshots().unwrap()))
        };
        let tcp = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = tcp.local_addr().unwrap();
        let listeners = Listeners { tcp: vec![tcp], sockets: vec![bind_socket(&socket).unwrap()] };
        let hello = axum::Router::new().route("/hello", axum::routing::get(|| async { "hello\n" }));
        let snapshots = state.as_ref().map(library);
        let counts = Default::default();
        let services = Services {
            host: host.clone(),
            snapshots,
            meters: None,
            prints: None,
            ledger: None,
            http: hello,
            counts,
        };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(serve(listeners, services, async move {
            let _ = stopped.await;
        }));
        Rig { addr, socket, host, supervisor, stop, served, _dir: dir, _state: state }
    }

    pub async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.addr)).unwrap().connect().await.unwrap()
    }

    pub async fn rack(&self) -> RackServiceClient<Channel> {
        RackServiceClient::new(self.channel().await)
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(3), self.served);
        ended.await.expect("the server stops").unwrap().unwrap();
        assert!(!self.socket.exists(), "the socket's file goes with the server");
        tokio::task::spawn_blocking(|| self.supervisor.stop()).await.unwrap();
    }
}

pub fn real(address: &str, value: f64) -> v1::SetValuesItem {
    v1::SetValuesItem { address: address.into(), value: Some(Value::Real(value)), ramp_ms: None }
}

pub fn batch(items: impl IntoIterator<Item = v1::SetValuesItem>) -> v1::SetValuesRequest {
    v1::SetValuesRequest { items: items.into_iter().collect(), ..Default::default() }
}

/// Fields and descriptions of a refusal.
pub fn violations(status: &Status) -> Vec<(String, String)> {
    let bad = status.get_details_bad_request().map(|b| b.field_violations).unwrap_or_default();
    bad.into_iter().map(|v| (v.field, v.description)).collect()
}
