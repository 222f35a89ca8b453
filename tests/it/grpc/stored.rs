// SPDX-License-Identifier: MIT OR Apache-2.0
//! Snapshots through gRPC, on a real directory.
use lathed::grpc::v1;
use lathed::grpc::v1::snapshot_service_client::SnapshotServiceClient;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::rig::{Rig, batch, plan, real, violations};

fn create(name: &str) -> v1::CreateSnapshotRequest {
    v1::CreateSnapshotRequest { name: name.into(), notes: "n".into(), author: "a".into() }
}

fn recall(name: &str, morph_seconds: f64) -> v1::RecallSnapshotRequest {
    v1::RecallSnapshotRequest { name: name.into(), morph_seconds }
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_recalled_renamed_deleted() {
    let rig = Rig::start(plan(1), true).await;
    let mut rack = rig.rack().await;
    let mut stored = SnapshotServiceClient::new(rig.channel().await);
    rack.set_values(batch([real("trim/trim", -6.0)])).await.unwrap();
    let verse = stored.create_snapshot(create("Verse")).await.unwrap().into_inner().snapshot.unwrap();
    assert_eq!((verse.version, verse.sample_rate, verse.values["trim/trim"]), (1, 48_000, -6.0));
    rack.set_values(batch([real("trim/trim", 3.0)])).await.unwrap();
    let back = stored.recall_snapshot(recall("Verse", 0.0)).await.unwrap().into_inner();
    assert!(back.audible && back.revision > 0);
    assert_eq!(rig.host.control().get("trim/trim").unwrap().1, -6.0);
    let status = stored.recall_snapshot(recall("Vers", 0.0)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("did you mean \"Verse\""), "{status}");
    let status = stored.recall_snapshot(recall("Verse", -1.0)).await.unwrap_err();
    assert_eq!(violations(&status)[0].0, "morph_seconds");
    assert_eq!(stored.create_snapshot(create("a\nb")).await.unwrap_err().code(), Code::InvalidArgument);
    let mut update = v1::UpdateSnapshotRequest {
        name: "Verse".into(),
        snapshot: Some(v1::Snapshot { name: "Chorus".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".into()] }),
        etag: "other".into(),
    };
    assert_eq!(stored.update_snapshot(update.clone()).await.unwrap_err().code(), Code::Aborted);
    update.etag = verse.etag;
    let chorus = stored.update_snapshot(update.clone()).await.unwrap().into_inner().snapshot.unwrap();
    assert_eq!(chorus.name, "Chorus");
    update.update_mask = Some(prost_types::FieldMask { paths: vec!["values".into()] });
    assert_eq!(violations(&stored.update_snapshot(update).await.unwrap_err())[0].0, "update_mask");
    let found = stored.get_snapshot(v1::GetSnapshotRequest { name: "Chorus".into() }).await.unwrap();
    assert_eq!(found.into_inner().snapshot.unwrap().notes, "n");
    let noted = v1::UpdateSnapshotRequest {
        name: "Chorus".into(),
        snapshot: Some(v1::Snapshot { notes: "louder".into(), name: "ignored".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["notes".into()] }),
        etag: chorus.etag.clone(),
    };
    let louder = stored.update_snapshot(noted.clone()).await.unwrap().into_inner().snapshot.unwrap();
    assert_eq!((louder.name.as_str(), louder.notes.as_str()), ("Chorus", "louder"));
    assert_eq!((louder.version, &louder.values), (chorus.version + 1, &chorus.values));
    let stale = stored.update_snapshot(noted.clone()).await.unwrap_err();
    assert_eq!(
        (stale.code(), stale.get_details_error_info().unwrap().reason.as_str()),
        (Code::Aborted, "CHANGED")
    );
    let nothing = v1::UpdateSnapshotRequest {
        snapshot: Some(v1::Snapshot::default()),
        update_mask: None,
        etag: String::new(),
        ..noted
    };
    assert_eq!(violations(&stored.update_snapshot(nothing).await.unwrap_err())[0].0, "snapshot");
    let toml = include_str!("../../../config/racks/stereo-master.toml").to_string();
    rack.load_rack(v1::LoadRackRequest { toml, ..Default::default() }).await.unwrap();
    let status = stored.recall_snapshot(recall("Chorus", 0.0)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(!status.get_details_precondition_failure().unwrap().violations.is_empty());
    let delete = v1::DeleteSnapshotRequest { name: "Chorus".into(), etag: String::new() };
    stored.delete_snapshot(delete.clone()).await.unwrap();
    assert_eq!(stored.delete_snapshot(delete).await.unwrap_err().code(), Code::NotFound);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_together_while_some_are_deleted() {
    let rig = Rig::start(plan(0), true).await;
    let mut stored = SnapshotServiceClient::new(rig.channel().await);
    for n in 0..7 {
        stored.create_snapshot(create(&format!("S{n}"))).await.unwrap();
    }
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListSnapshotsRequest { page_size: 3, page_token };
        let page = stored.list_snapshots(request).await.unwrap().into_inner();
        assert_eq!(page.current, "S6");
        names.extend(page.snapshots.into_iter().map(|s| s.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        if names.len() == 3 {
            let request = v1::DeleteSnapshotRequest { name: "S2".into(), ..Default::default() };
            stored.delete_snapshot(request).await.unwrap();
        }
    }
    assert_eq!(names, ["S0", "S1", "S2", "S3", "S4", "S5", "S6"]);
    let bad = v1::ListSnapshotsRequest { page_size: 3, page_token: "nonsense".into() };
    assert_eq!(stored.list_snapshots(bad).await.unwrap_err().code(), Code::InvalidArgument);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_state_directory_they_are_off() {
    let rig = Rig::start(plan(0), false).await;
    let mut stored = SnapshotServiceClient::new(rig.channel().await);
    let status = stored.create_snapshot(create("A")).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("state directory"), "{status}");
    rig.stop().await;
}
