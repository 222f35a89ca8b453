// SPDX-License-Identifier: MIT OR Apache-2.0
//! A running daemon as its clients see it: gRPC calls that block, an OSC peer, and what its threads took.

use std::time::{Duration, Instant};

use lathed::grpc::v1;
use lathed::grpc::v1::meter_service_client::MeterServiceClient;
use lathed::grpc::v1::rack_service_client::RackServiceClient;
use lathed::grpc::v1::set_values_item::Value;
use lathed::grpc::v1::set_values_request::At;
use lathed::grpc::v1::snapshot_service_client::SnapshotServiceClient;
use lathed::grpc::v1::system_service_client::SystemServiceClient;
use tonic::Status;
use tonic::transport::Channel;

use super::lathed::Lathed;
use super::osc::Peer;

/// Addresses and a state for daemons that are to be reached; more arguments follow.
pub fn reachable<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["--osc", "127.0.0.1:0", "--http", "127.0.0.1:0"], more].concat()
}

/// A client of everything that a daemon offers.
pub struct Remote {
    pub runtime: tokio::runtime::Runtime,
    pub channel: Channel,
    osc: std::net::SocketAddr,
}

impl Remote {
    pub fn of(daemon: &Lathed) -> Remote {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let url = format!("http://{}", daemon.ready("http"));
        let channel = runtime.block_on(Channel::from_shared(url).unwrap().connect()).unwrap();
        Remote { runtime, channel, osc: daemon.ready("osc").parse().unwrap() }
    }

    pub fn peer(&self) -> Peer {
        Peer { socket: std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), to: self.osc }
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

    pub fn system(&self) -> SystemServiceClient<Channel> {
        SystemServiceClient::new(self.channel.clone())
    }

    pub fn status(&self) -> v1::GetStatusResponse {
        let mut system = self.system();
        self.runtime.block_on(system.get_status(v1::GetStatusRequest {})).unwrap().into_inner()
    }

    /// Sets values as one batch.
    pub fn set(
        &self,
        values: &[(String, f64)],
        ramp_ms: Option<f64>,
        at: Option<u64>,
    ) -> Result<v1::SetValuesResponse, Status> {
        let item = |(address, v): &(String, f64)| v1::SetValuesItem {
            address: address.clone(),
            value: Some(Value::Real(*v)),
            ramp_ms,
        };
        let items = values.iter().map(item).collect();
        let request = v1::SetValuesRequest { items, at: at.map(At::AtFrame), ..Default::default() };
        let mut rack = self.rack();
        self.runtime.block_on(rack.set_values(request)).map(tonic::Response::into_inner)
    }

    pub fn store(&self, name: &str) {
        let request = v1::CreateSnapshotRequest { name: name.into(), ..Default::default() };
        let mut snapshots = self.snapshots();
        self.runtime.block_on(snapshots.create_snapshot(request)).unwrap();
    }

    pub fn recall(&self, name: &str) -> Result<v1::RecallSnapshotResponse, Status> {
        let request = v1::RecallSnapshotRequest { name: name.into(), morph_seconds: 0.0 };
        let mut snapshots = self.snapshots();
        self.runtime.block_on(snapshots.recall_snapshot(request)).map(tonic::Response::into_inner)
    }

    pub fn load(&self, toml: &str) -> Result<v1::LoadRackResponse, Status> {
        let request = v1::LoadRackRequest { toml: toml.into(), ..Default::default() };
        let mut rack = self.rack();
        self.runtime.block_on(rack.load_rack(request)).map(tonic::Response::into_inner)
    }

    pub fn undo(&self) -> Result<v1::UndoResponse, Status> {
        let mut rack = self.rack();
        self.runtime.block_on(rack.undo(v1::UndoRequest {})).map(tonic::Response::into_inner)
    }

    pub fn redo(&self) -> Result<v1::RedoResponse, Status> {
        let mut rack = self.rack();
        self.runtime.block_on(rack.redo(v1::RedoRequest {})).map(tonic::Response::into_inner)
    }
}

/// A seed and a count from the environment, for `tests/soak`.
pub fn from_env(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Processor time of the thread of a process that took most of it, in seconds, seen from outside. The audio
/// thread measures nothing of itself: that would be a system call.
pub struct Busiest {
    path: String,
}

impl Busiest {
    /// The real-time thread of JACK's that runs the callback: of the threads with real-time rights, else of
    /// all that JACK named, the busiest.
    pub fn of(pid: u32) -> Busiest {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let mut all: Vec<(bool, u64, String)> = tasks
            .flatten()
            .filter_map(|t| {
                let dir = t.path().display().to_string();
                let stat = std::fs::read_to_string(format!("{dir}/stat")).ok()?;
                // After the name in brackets: state is field 3, policy 41.
                let policy = stat.rsplit_once(')')?.1.split_whitespace().nth(38)?;
                Some((["1", "2"].contains(&policy), cpu_ns(&format!("{dir}/schedstat"))?, dir))
            })
            .collect();
        all.sort();
        let (realtime, _, dir) = all.pop().expect("a thread");
        println!("callback thread {dir}, real-time rights: {realtime}");
        Busiest { path: format!("{dir}/schedstat") }
    }

    /// Nanoseconds so far.
    pub fn now(&self) -> Option<u64> {
        cpu_ns(&self.path)
    }

    /// Looks until `stop` says so. Returns the most that was taken within any `window` in seconds, the mean
    /// share of the time, and the longest time between two looks in seconds.
    pub fn watch(self, window: f64, stop: impl Fn() -> bool) -> (f64, f64, f64) {
        let begin = Instant::now();
        let mut looks = std::collections::VecDeque::new();
        let (mut most, mut gap, mut first, mut last) = (0, 0.0_f64, None, (0.0, 0));
        while !stop() {
            let Some(cpu) = self.now() else { break };
            let at = begin.elapsed().as_secs_f64();
            first.get_or_insert((at, cpu));
            if looks.back().is_some() {
                gap = gap.max(at - last.0);
            }
            last = (at, cpu);
            looks.push_back(last);
            while looks.front().is_some_and(|(t, _)| at - t > window) {
                looks.pop_front();
            }
            most = most.max(cpu - looks.front().map_or(cpu, |(_, c)| *c));
            std::thread::sleep(Duration::from_micros(300));
        }
        let (t, c) = first.unwrap_or_default();
        let mean = (last.1 - c) as f64 * 1e-9 / (last.0 - t).max(1e-9);
        (most as f64 * 1e-9, mean, gap)
    }
}

fn cpu_ns(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}
