// SPDX-License-Identifier: MIT OR Apache-2.0
//! Status, events and health.
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use lathed::control::{AudioState, Control, Host};
use lathed::grpc::v1::meter_service_client::MeterServiceClient;
use lathed::grpc::v1::system_service_client::SystemServiceClient;
use lathed::grpc::{Listeners, Services, bind, serve, v1};
use tonic::transport::Channel;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::rig::{Rig, plan};

/// A host whose audio is what the test says.
struct Stage {
    control: Mutex<Control>,
    audio: Mutex<AudioState>,
}

impl Host for Stage {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap()
    }
    fn audio(&self) -> AudioState {
        self.audio.lock().unwrap().clone()
    }
    fn reopen(&self) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_health() {
    let rig = Rig::start(plan(0), false).await;
    let mut system = SystemServiceClient::new(rig.channel().await);
    let status = system.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner();
    let audio = status.audio.unwrap();
    assert_eq!((audio.backend.as_str(), audio.source.as_str()), ("clock", "demo"));
    assert_eq!((audio.sample_rate, audio.period_frames, audio.audible), (48_000, 64, true));
    assert_eq!((status.rack_name.as_str(), status.version.as_str()), ("Test", env!("CARGO_PKG_VERSION")));
    assert!(status.client > 0 && status.revision > 0);
    let mut meters = MeterServiceClient::new(rig.channel().await);
    let off = meters.reset_meters(v1::ResetMetersRequest {}).await.unwrap_err();
    assert_eq!(off.code(), tonic::Code::FailedPrecondition);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_an_event_and_seen_in_health() {
    let runs =
        AudioState { backend: "jack", source: "jack", rate: 48_000, audible: true, ..Default::default() };
    let control = Mutex::new(Control::new(plan(0)));
    let stage = std::sync::Arc::new(Stage { control, audio: Mutex::new(runs.clone()) });
    let tcp = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = tcp.local_addr().unwrap();
    let listeners = Listeners { tcp: vec![tcp], sockets: Vec::new() };
    let http = axum::Router::new();
    let services = Services {
        host: stage.clone(),
        snapshots: None,
        meters: None,
        prints: None,
        ledger: None,
        http,
        counts: Default::default(),
    };
    let served = tokio::spawn(serve(listeners, services, std::future::pending()));
    let channel = Channel::from_shared(format!("http://{addr}")).unwrap().connect().await.unwrap();
    let mut events = SystemServiceClient::new(channel.clone())
        .watch_events(v1::WatchEventsRequest {})
        .await
        .unwrap()
        .into_inner();
    let mut health = HealthClient::new(channel)
        .watch(HealthCheckRequest { service: "lathe.v1.audio".into() })
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(2), events.message()).await.unwrap();
        let event = event.unwrap().unwrap();
        (event.r#type(), event.count)
    };
    let mut seen = async || health.message().await.unwrap().unwrap().status;
    assert_eq!(next().await, (v1::EventType::State, 0));
    assert_eq!(seen().await, ServingStatus::Serving as i32);
    *stage.audio.lock().unwrap() = AudioState { audible: false, xruns: 4, ..runs.clone() };
    assert_eq!(next().await, (v1::EventType::AudioStopped, 1));
    assert_eq!(next().await, (v1::EventType::Xrun, 4));
    assert_eq!(seen().await, ServingStatus::NotServing as i32);
    *stage.audio.lock().unwrap() = AudioState { xruns: 4, ..runs };
    assert_eq!(next().await, (v1::EventType::AudioStarted, 1));
    assert_eq!(seen().await, ServingStatus::Serving as i32);
    served.abort();
}
