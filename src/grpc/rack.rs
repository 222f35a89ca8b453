// SPDX-License-Identifier: MIT OR Apache-2.0
//! `RackService`: thin handlers over the one writer.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use lathe_core::engine::response::{self, Feed, ResponseError};
use lathe_core::rack::{self, plan::RackPlan};
use prost::Message as _;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::recent::{self, Made, Recent};
use super::v1::{self, rack_service_server::RackService};
use super::{Answers, Rooms, aside, audible, client, convert, pattern, refuse, watch};
use crate::control::{Client, Control, Edit, Handle, Reloaded, When};

/// Most addresses and patterns of one `GetValues`.
const MAX_ADDRESSES: usize = 256;
/// Longest delay of a batch in seconds.
const MAX_DELAY: f64 = 3600.0;
/// Responses measured at once.
const MEASURING: usize = 2;
/// Sample rates of a response in Hz, and the usual one while no engine runs.
const RATES: std::ops::RangeInclusive<u32> = 8000..=384_000;
const USUAL_RATE: u32 = 48_000;
/// Longest id of a request in bytes.
const MAX_ID: usize = 64;

pub(super) struct Racks {
    rooms: Rooms,
    recent: Arc<Mutex<Recent>>,
    /// Turns for measurements of responses, which take the time of a core.
    measuring: Arc<Semaphore>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Racks {
    pub fn new(rooms: Rooms) -> Self {
        Racks { rooms, recent: Arc::default(), measuring: Arc::new(Semaphore::new(MEASURING)) }
    }

    /// Runs with the writer locked, beside the network's threads.
    async fn locked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Control) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let host = self.rooms.host.clone();
        aside(move || work(&mut host.control())).await?
    }

    /// One step of history in either direction.
    async fn travel(&self, client: Client, back: bool) -> Result<(u64, bool, String), Status> {
        let (reloaded, revision, what) = self
            .locked(move |c| {
                let step = if back { c.undo(client) } else { c.redo(client) };
                let nothing = || match back {
                    true => refuse::precondition("HISTORY", "history", "there is nothing to undo"),
                    false => refuse::precondition("HISTORY", "history", "there is nothing to redo"),
                };
                let (reloaded, what) = step.map_err(|e| refuse::build(&e))?.ok_or_else(nothing)?;
                Ok((reloaded, c.revision(), what))
            })
            .await?;
        Ok((revision, self.settle(reloaded, revision).await, what))
    }

    /// After another rack was accepted: asks for other ports if it has them, and waits.
    async fn settle(&self, reloaded: Reloaded, revision: u64) -> bool {
        if reloaded == Reloaded::Ports {
            self.rooms.host.reopen();
        }
        audible(&self.rooms.host, revision).await
    }
}

#[tonic::async_trait]
impl RackService for Racks {
    async fn get_rack(&self, _: Request<v1::GetRackRequest>) -> Answer<v1::GetRackResponse> {
        let rack = self.locked(|c| Ok(convert::rack(c))).await?;
        Ok(Response::new(v1::GetRackResponse { rack: Some(rack) }))
    }

    async fn get_values(&self, request: Request<v1::GetValuesRequest>) -> Answer<v1::GetValuesResponse> {
        let wanted = request.into_inner().addresses;
        if wanted.len() > MAX_ADDRESSES {
            let why = format!("at most {MAX_ADDRESSES} addresses and patterns, not {}", wanted.len());
            return Err(refuse::exhausted("addresses", why));
        }
        self.locked(move |c| values(c, &wanted)).await.map(Response::new)
    }

    async fn set_values(&self, request: Request<v1::SetValuesRequest>) -> Answer<v1::SetValuesResponse> {
        let client = client(&request);
        let request = request.into_inner();
        if request.request_id.len() > MAX_ID {
            return Err(refuse::field("request_id", format!("a request id has at most {MAX_ID} bytes")));
        }
        let (host, recent) = (self.rooms.host.clone(), self.recent.clone());
        let (mut response, made) = aside(move || set(&host, &recent, &request, client)).await??;
        response.audible = made && audible(&self.rooms.host, response.revision).await;
        Ok(Response::new(response))
    }

    type WatchRackStream = Answers<v1::WatchRackResponse>;

    async fn watch_rack(&self, _: Request<v1::WatchRackRequest>) -> Answer<Self::WatchRackStream> {
        Ok(Response::new(watch::start(&self.rooms)))
    }

    async fn load_rack(&self, request: Request<v1::LoadRackRequest>) -> Answer<v1::LoadRackResponse> {
        let client = client(&request);
        let v1::LoadRackRequest { toml, validate_only, file_name } = request.into_inner();
        let name = if file_name.is_empty() { "rack.toml".to_string() } else { file_name };
        let loaded = aside(move || rack::load(&toml, &name)).await?;
        let found = match &loaded {
            Ok(loaded) => &loaded.warnings,
            Err(found) => found,
        };
        let diagnostics = found.iter().map(convert::diagnostic).collect();
        let mut response = v1::LoadRackResponse { valid: loaded.is_ok(), diagnostics, ..Default::default() };
        if validate_only {
            response.revision = self.locked(|c| Ok(c.revision())).await?;
            return Ok(Response::new(response));
        }
        let plan = loaded.map_err(|found| refuse::diagnostics(&found))?.plan;
        let (reloaded, revision) = self
            .locked(move |c| {
                let reloaded = c.replace(plan, client, "load").map_err(|e| refuse::build(&e))?;
                Ok((reloaded, c.revision()))
            })
            .await?;
        response.revision = revision;
        response.ports_changed = reloaded == Reloaded::Ports;
        response.audible = self.settle(reloaded, revision).await;
        Ok(Response::new(response))
    }

    async fn get_response(
        &self,
        request: Request<v1::GetResponseRequest>,
    ) -> Answer<v1::GetResponseResponse> {
        let request = request.into_inner();
        let busy = || refuse::exhausted("response", "others are measured; ask again when they are done");
        let turn = self.measuring.clone().try_acquire_owned().map_err(|_| busy())?;
        let (plan, revision, rate) =
            self.locked(|c| Ok((c.plan().clone(), c.revision(), c.spec().map(|s| s.sample_rate)))).await?;
        let response = aside(move || {
            let _turn = turn;
            curves(&plan, request, rate.unwrap_or(USUAL_RATE))
        });
        let mut response = response.await??;
        response.revision = revision;
        Ok(Response::new(response))
    }

    async fn get_rack_file(&self, _: Request<v1::GetRackFileRequest>) -> Answer<v1::GetRackFileResponse> {
        let (plan, revision) = self.locked(|c| Ok((c.plan().clone(), c.revision()))).await?;
        Ok(Response::new(v1::GetRackFileResponse { toml: rack::export(&plan), revision }))
    }

    async fn undo(&self, request: Request<v1::UndoRequest>) -> Answer<v1::UndoResponse> {
        let (revision, audible, what) = self.travel(client(&request), true).await?;
        Ok(Response::new(v1::UndoResponse { revision, audible, what }))
    }

    async fn redo(&self, request: Request<v1::RedoRequest>) -> Answer<v1::RedoResponse> {
        let (revision, audible, what) = self.travel(client(&request), false).await?;
        Ok(Response::new(v1::RedoResponse { revision, audible, what }))
    }

    async fn list_history(
        &self,
        request: Request<v1::ListHistoryRequest>,
    ) -> Answer<v1::ListHistoryResponse> {
        let most = match request.into_inner().page_size {
            0 => usize::MAX,
            n => usize::try_from(n).map_err(|_| refuse::field("page_size", "0 or more"))?,
        };
        let step =
            |s: &crate::control::history::Step| v1::HistoryStep { what: s.what.clone(), client: s.client.0 };
        let steps = self.locked(move |c| Ok(c.history().steps().take(most).map(step).collect())).await?;
        Ok(Response::new(v1::ListHistoryResponse { steps }))
    }

    async fn set_panic(&self, request: Request<v1::SetPanicRequest>) -> Answer<v1::SetPanicResponse> {
        let client = client(&request);
        let on = request.into_inner().panic;
        let (revision, panic, frame) = self
            .locked(move |c| {
                let frame = c.status().map(|s| s.frame.load(Relaxed));
                c.set_panic(on, client);
                Ok((c.revision(), c.panic(), frame))
            })
            .await?;
        // In force with the next frame, whatever else is on its way.
        let audible = match frame {
            Some(frame) => super::runs_on(&self.rooms.host, frame).await,
            None => false,
        };
        Ok(Response::new(v1::SetPanicResponse { revision, audible, panic }))
    }
}

/// Measures the response of the rack or a slot.
fn curves(
    plan: &RackPlan,
    request: v1::GetResponseRequest,
    usual: u32,
) -> Result<v1::GetResponseResponse, Status> {
    let rate = if request.sample_rate == 0 { usual } else { request.sample_rate };
    if !RATES.contains(&rate) {
        let why = format!("{} Hz to {} Hz are allowed, not {rate} Hz", RATES.start(), RATES.end());
        return Err(refuse::field("sample_rate", why));
    }
    let feed = Feed::named(&request.feed, &plan.layout).map_err(|why| refuse::field("feed", why))?;
    let frequencies = match request.frequencies_hz {
        some if !some.is_empty() => some,
        _ => response::spread(10.0, (0.5 * f64::from(rate)).min(24_000.0), 256),
    };
    let slot = Some(request.slot.as_str()).filter(|s| !s.is_empty());
    let measured = response::response(plan, rate, slot, feed, &frequencies).map_err(|e| match e {
        ResponseError::Build(e) => refuse::build(&e),
        ResponseError::NoSlot(_) => Status::not_found(e.to_string()),
        ResponseError::NoPair(_) => refuse::field("feed", e),
        ResponseError::Frequency(..) | ResponseError::TooMany(_) => refuse::field("frequencies_hz", e),
    })?;
    let curve = |c: &response::Curve| v1::ResponseCurve {
        name: c.name.to_string(),
        level_db: c.magnitude.iter().map(|m| response::level(*m)).collect(),
        phase_rad: c.phase.clone(),
    };
    Ok(v1::GetResponseResponse {
        revision: 0,
        sample_rate: rate,
        latency_frames: measured.latency as u32,
        curves: measured.curves.iter().map(curve).collect(),
        frequencies_hz: frequencies,
        cut: measured.cut,
    })
}

/// The values of what was asked for, in the order of the rack.
fn values(control: &Control, wanted: &[String]) -> Result<v1::GetValuesResponse, Status> {
    for (n, address) in wanted.iter().enumerate().filter(|(_, a)| !pattern::is_pattern(a)) {
        control.get(address).map_err(|e| refuse::address(&format!("addresses[{n}]"), &e))?;
    }
    if let Some(n) = wanted.iter().position(|w| w.len() > rack::address::MAX_ADDRESS) {
        let why = format!("a pattern has at most {} bytes", rack::address::MAX_ADDRESS);
        return Err(refuse::field(&format!("addresses[{n}]"), why));
    }
    let mut lines = control.controls();
    lines.retain(|l| wanted.is_empty() || wanted.iter().any(|w| pattern::matches(w, &l.address)));
    let values = lines.iter().map(convert::line).collect();
    Ok(v1::GetValuesResponse { revision: control.revision(), values })
}

/// The batch as the writer wants it.
fn edit(control: &Control, request: &v1::SetValuesRequest, client: Client) -> Result<Edit, Status> {
    let mut items = Vec::with_capacity(request.items.len());
    for (n, item) in request.items.iter().enumerate() {
        let missing = || refuse::field(&format!("items[{n}]"), "one of real, norm and text is needed");
        items.push(convert::item(item).ok_or_else(missing)?);
    }
    if items.is_empty() {
        return Err(refuse::field("items", "a batch holds at least one item"));
    }
    let when = match &request.at {
        None => When::Now,
        Some(v1::set_values_request::At::AtFrame(frame)) => When::At(*frame),
        Some(v1::set_values_request::At::Delay(d)) => {
            let seconds = convert::seconds(d).filter(|s| (0.0..=MAX_DELAY).contains(s));
            let seconds =
                seconds.ok_or_else(|| refuse::field("delay", format!("0 s to {MAX_DELAY} s are allowed")))?;
            let (Some(spec), Some(status)) = (control.spec(), control.status()) else {
                return Err(refuse::precondition(
                    "NO_ENGINE",
                    "engine",
                    "no engine runs yet, so there is no clock",
                ));
            };
            let now = status.frame.load(Relaxed);
            When::At(now + (seconds * f64::from(spec.sample_rate)) as u64)
        }
    };
    Ok(Edit { client, items, when, validate_only: request.validate_only })
}

/// Makes a batch; true if it is on its way to the sound.
fn set(
    host: &Handle,
    recent: &Mutex<Recent>,
    request: &v1::SetValuesRequest,
    client: Client,
) -> Result<(v1::SetValuesResponse, bool), Status> {
    let content = recent::content(&request.encode_to_vec());
    let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
    let named = !request.request_id.is_empty() && !request.validate_only;
    let before = match named {
        true => recent.find(&request.request_id, content),
        false => Ok(None),
    };
    let before = before
        .map_err(|_| refuse::field("request_id", "this id was given to a request with another content"))?;
    let mut control = host.control();
    let mut edit = edit(&control, request, client)?;
    // A repeat is only checked, so that it is answered alike.
    edit.validate_only |= before.is_some();
    let applied = control.edit(&edit).map_err(|e| refuse::edit(&edit, &e))?;
    let made = before.unwrap_or(Made { revision: applied.revision, scheduled: applied.scheduled });
    if named && before.is_none() {
        recent.remember(&request.request_id, content, made);
    }
    let value = |(a, v): &(String, f64)| Some(convert::value(a, &control.get(a).ok()?.0, *v));
    let values = applied.values.iter().filter_map(value).collect();
    let Made { revision, scheduled } = made;
    let response = v1::SetValuesResponse { revision, audible: false, values, client: client.0, scheduled };
    Ok((response, !scheduled && !request.validate_only))
}
