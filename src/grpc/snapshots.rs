// SPDX-License-Identifier: MIT OR Apache-2.0
//! `SnapshotService`: thin handlers over the stored racks.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::v1::{self, snapshot_service_server::SnapshotService};
use super::{Rooms, aside, audible, client, convert, refuse};
use crate::control::{SnapshotError, Snapshots};
use crate::store::Update;

/// Snapshots of a page if nothing is said, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;
/// Longest morph in seconds.
const MAX_MORPH: f64 = 600.0;

pub(super) struct Stored(pub Rooms);

type Answer<T> = Result<Response<T>, Status>;

impl Stored {
    /// Runs what may wait for the disk.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Snapshots) -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, Status> {
        let off = || refuse::snapshot(&SnapshotError::Disabled);
        let snapshots: Arc<dyn Snapshots> = self.0.snapshots.clone().ok_or_else(off)?;
        aside(move || work(&*snapshots)).await?.map_err(|e| refuse::snapshot(&e))
    }

    /// ABORTED if a tag is given and the snapshot has another one.
    async fn check_tag(&self, name: &str, etag: &str) -> Result<(), Status> {
        if etag.is_empty() {
            return Ok(());
        }
        let name = name.to_string();
        let now = convert::snapshot(self.on_disk(move |s| s.get(&name)).await?).etag;
        match now == etag {
            true => Ok(()),
            false => Err(Status::aborted(format!("etag is {now} by now; read it again and retry"))),
        }
    }
}

/// Id and version that a tag stands for; none if it is empty.
fn expected(etag: &str) -> Result<Option<(String, u32)>, Status> {
    if etag.is_empty() {
        return Ok(None);
    }
    let parts = etag.rsplit_once('-').and_then(|(id, n)| Some((id.to_string(), n.parse().ok()?)));
    match parts {
        Some(parts) => Ok(Some(parts)),
        None => Err(Status::aborted("this etag was never given; read the snapshot again and retry")),
    }
}

#[tonic::async_trait]
impl SnapshotService for Stored {
    async fn create_snapshot(
        &self,
        request: Request<v1::CreateSnapshotRequest>,
    ) -> Answer<v1::CreateSnapshotResponse> {
        let client = client(&request);
        let r = request.into_inner();
        let made = self.on_disk(move |s| s.create(&r.name, &r.notes, &r.author, client)).await?;
        Ok(Response::new(v1::CreateSnapshotResponse { snapshot: Some(convert::snapshot(made)) }))
    }

    async fn get_snapshot(
        &self,
        request: Request<v1::GetSnapshotRequest>,
    ) -> Answer<v1::GetSnapshotResponse> {
        let name = request.into_inner().name;
        let found = self.on_disk(move |s| s.get(&name)).await?;
        Ok(Response::new(v1::GetSnapshotResponse { snapshot: Some(convert::snapshot(found)) }))
    }

    async fn list_snapshots(
        &self,
        request: Request<v1::ListSnapshotsRequest>,
    ) -> Answer<v1::ListSnapshotsResponse> {
        let v1::ListSnapshotsRequest { page_size, page_token } = request.into_inner();
        let size = match usize::try_from(page_size) {
            Ok(0) => PAGE,
            Ok(n) => n.min(MAX_PAGE),
            Err(_) => return Err(refuse::field("page_size", "0 or more")),
        };
        let (all, current) = self.on_disk(|s| Ok((s.list(), s.current()))).await?;
        // A token is the id of the last one told, so that one deleted between two pages skips nothing.
        let from = match page_token.as_str() {
            "" => 0,
            token => {
                let place = token.split_once('-').and_then(|(id, n)| Some((id, n.parse::<usize>().ok()?)));
                let (id, n) = place.ok_or_else(|| refuse::field("page_token", "this is no page token"))?;
                all.iter().position(|s| s.id == id).map_or(n, |at| at + 1).min(all.len())
            }
        };
        let to = from.saturating_add(size).min(all.len());
        let next = match to < all.len() {
            true => format!("{}-{}", all[to - 1].id, to - 1),
            false => String::new(),
        };
        Ok(Response::new(v1::ListSnapshotsResponse {
            snapshots: all[from..to].iter().map(convert::summary).collect(),
            next_page_token: next,
            total_size: all.len() as i32,
            current: current.unwrap_or_default(),
        }))
    }

    async fn update_snapshot(
        &self,
        request: Request<v1::UpdateSnapshotRequest>,
    ) -> Answer<v1::UpdateSnapshotResponse> {
        let client = client(&request);
        let v1::UpdateSnapshotRequest { name, snapshot, update_mask, etag } = request.into_inner();
        let new = snapshot.ok_or_else(|| refuse::field("snapshot", "the new content is missing"))?;
        // Without a mask everything that is given is taken, as is the custom.
        let paths = update_mask.map_or_else(Vec::new, |m| m.paths);
        let named = |path: &str| paths.iter().any(|p| p == path);
        if let Some(path) = paths.iter().find(|p| !["name", "notes"].contains(&p.as_str())) {
            let why = format!("\"{path}\" cannot be changed; \"name\" and \"notes\" can");
            return Err(refuse::field("update_mask", why));
        }
        let given = |path, content: String| match paths.is_empty() {
            true => (!content.is_empty()).then_some(content),
            false => named(path).then_some(content),
        };
        let expected = expected(&etag)?;
        let update = Update { name: given("name", new.name), notes: given("notes", new.notes), expected };
        if update.name.is_none() && update.notes.is_none() {
            return Err(refuse::field("snapshot", "a new name or new notes are needed"));
        }
        let renamed = self.on_disk(move |s| s.update(&name, &update, client)).await?;
        Ok(Response::new(v1::UpdateSnapshotResponse { snapshot: Some(convert::snapshot(renamed)) }))
    }

    async fn delete_snapshot(
        &self,
        request: Request<v1::DeleteSnapshotRequest>,
    ) -> Answer<v1::DeleteSnapshotResponse> {
        let client = client(&request);
        let v1::DeleteSnapshotRequest { name, etag } = request.into_inner();
        self.check_tag(&name, &etag).await?;
        self.on_disk(move |s| s.delete(&name, client)).await?;
        Ok(Response::new(v1::DeleteSnapshotResponse {}))
    }

    async fn recall_snapshot(
        &self,
        request: Request<v1::RecallSnapshotRequest>,
    ) -> Answer<v1::RecallSnapshotResponse> {
        let client = client(&request);
        let v1::RecallSnapshotRequest { name, morph_seconds } = request.into_inner();
        if !(0.0..=MAX_MORPH).contains(&morph_seconds) {
            let why = format!("{morph_seconds} s is not allowed: 0 s to {MAX_MORPH} s");
            return Err(refuse::field("morph_seconds", why));
        }
        let revision = self.on_disk(move |s| s.recall(&name, morph_seconds, client)).await?;
        let audible = audible(&self.0.host, revision).await;
        Ok(Response::new(v1::RecallSnapshotResponse { revision, audible }))
    }
}
