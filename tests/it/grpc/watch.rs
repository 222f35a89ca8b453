// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stream of changes: complete, in order, and nobody waits for a reader that is stuck.
use std::time::{Duration, Instant};

use lathed::control::{Client, Edit, Input, Item, When};
use lathed::grpc::v1;
use lathed::grpc::v1::watch_rack_response::Change;
use tonic::Streaming;

use super::rig::{Rig, batch, plan, real};

async fn next(stream: &mut Streaming<v1::WatchRackResponse>) -> v1::WatchRackResponse {
    let message = tokio::time::timeout(Duration::from_secs(5), stream.message());
    message.await.expect("a change in time").unwrap().expect("the stream goes on")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_full_state_then_each_change() {
    let rig = Rig::start(plan(1), false).await;
    let mut client = rig.rack().await;
    let mut stream = client.watch_rack(v1::WatchRackRequest {}).await.unwrap().into_inner();
    let first = next(&mut stream).await;
    assert!(matches!(&first.change, Some(Change::Rack(r)) if r.slots.len() == 3), "{first:?}");
    let made = client
        .set_values(batch([real("trim/trim", 1.0), real("trim/trim", 2.0), real("limiter/ceiling", -2.0)]))
        .await
        .unwrap()
        .into_inner();
    let told = next(&mut stream).await;
    assert_eq!((told.revision, told.client, told.lost), (made.revision, made.client, 0));
    let Some(Change::Values(changed)) = told.change else { panic!("{:?}", told.change) };
    assert_eq!(changed.values, made.values[1..], "of two sets of one address the last");
    client.set_panic(v1::SetPanicRequest { panic: true }).await.unwrap();
    assert_eq!(next(&mut stream).await.change, Some(Change::Panic(true)));
    let toml = include_str!("../../../config/racks/stereo-master.toml").to_string();
    client.load_rack(v1::LoadRackRequest { toml, ..Default::default() }).await.unwrap();
    let told = next(&mut stream).await;
    assert!(matches!(&told.change, Some(Change::Rack(r)) if r.slots.len() == 4 && r.panic), "{told:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_reader_delays_nobody_and_learns_what_it_lost() {
    let rig = Rig::start(plan(16), false).await;
    let mut stuck = rig.rack().await.watch_rack(v1::WatchRackRequest {}).await.unwrap().into_inner();
    next(&mut stuck).await;
    let mut client = rig.rack().await;
    let mut slowest = Duration::ZERO;
    let addresses: Vec<String> = {
        let lines = rig.host.control().controls();
        lines.into_iter().filter(|l| l.address.ends_with("/gain")).map(|l| l.address).collect()
    };
    // Large changes, so that every buffer on the way is full long before the end.
    for n in 0..3000 {
        let items = addresses.iter().map(|a| Item {
            address: a.clone(),
            input: Input::Norm(f64::from(n % 10) / 10.0),
            ramp_ms: None,
        });
        let edit = Edit { client: Client(7), items: items.collect(), when: When::Now, validate_only: false };
        let began = Instant::now();
        rig.host.control().edit(&edit).unwrap();
        slowest = slowest.max(began.elapsed());
    }
    let began = Instant::now();
    client.get_rack(v1::GetRackRequest {}).await.unwrap();
    println!("slowest change {slowest:?}; a read beside the stuck reader {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(1));
    let (mut lost, mut told, mut last) = (0, 0, 0);
    let end = rig.host.control().revision();
    while last < end {
        let change = next(&mut stuck).await;
        assert!(change.revision > last, "in order");
        last = change.revision;
        lost += change.lost;
        told += u64::from(matches!(change.change, Some(Change::Values(_))));
        assert_eq!(change.lost > 0, matches!(change.change, Some(Change::Rack(_))));
    }
    println!("{told} told, {lost} lost");
    assert!(lost > 0);
    assert_eq!(told + lost, 3000, "every change is told or counted");
    rig.stop().await;
}
