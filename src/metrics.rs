// SPDX-License-Identifier: MIT OR Apache-2.0
//! `/metrics` for Prometheus: values are read when they are asked for, and nothing is measured for it.
//! What each means is in `docs/metrics.md`. Network threads.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use crate::control::load::STEPS;
use crate::control::{Handle, Snapshots};
use crate::grpc::counts::Counts;
use crate::osc::stats::{Loss, Stats};
use crate::telemetry::{AlarmKind, Telemetry};

/// What OpenMetrics calls its text.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Where the values are.
pub struct Sources {
    pub host: Handle,
    pub telemetry: Telemetry,
    pub snapshots: Arc<dyn Snapshots>,
    /// `None`: without OSC.
    pub osc: Option<Arc<Stats>>,
    pub http: Arc<Counts>,
    pub since: Instant,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// Answers `GET /metrics`.
pub fn router(sources: Sources) -> axum::Router {
    let mut registry = Registry::with_prefix("lathe");
    registry.register_collector(Box::new(sources));
    let registry = Arc::new(registry);
    axum::Router::new().route("/metrics", axum::routing::get(move || answer(registry.clone())))
}

/// Beside the network's threads: locks are taken.
async fn answer(registry: Arc<Registry>) -> Response {
    let page = tokio::task::spawn_blocking(move || {
        let mut page = String::new();
        text::encode(&mut page, &registry).map(|()| page)
    });
    match page.await {
        Ok(Ok(page)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], page).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// One family after the other.
struct Page<'a>(DescriptorEncoder<'a>);

type Labels<'a> = [(&'a str, &'a str)];

impl Page<'_> {
    fn gauge(&mut self, name: &str, unit: Option<&str>, help: &str, value: f64) -> Result<(), Error> {
        let unit = unit.map(|u| Unit::Other(u.into()));
        self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, unit: Option<&str>, help: &str, value: u64) -> Result<(), Error> {
        let unit = unit.map(|u| Unit::Other(u.into()));
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        metric.encode_counter(&value, None::<&Exemplar<Vec<(String, String)>, f64>>)
    }

    fn seconds(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?;
        metric.encode_counter(&value, None::<&Exemplar<Vec<(String, String)>, f64>>)
    }

    /// A counter by reason.
    fn reasons(&mut self, name: &str, help: &str, values: &[(&str, u64)]) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (reason, value) in values {
            let labels = [("reason", *reason)];
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter(value, None::<&Exemplar<Vec<(String, String)>, f64>>)?;
        }
        Ok(())
    }

    /// How many alarms are on, by kind and tap, and how often they have begun.
    fn alarms(&mut self, telemetry: &Telemetry) -> Result<(), Error> {
        let all = telemetry.alarms();
        let help = "Alarms that are on: channels of a tap, or 1";
        let mut metric = self.0.encode_descriptor("alarms_on", help, None, MetricType::Gauge)?;
        for kind in AlarmKind::ALL {
            let taps: &[&str] = if kind == AlarmKind::Clock { &[""] } else { &["in", "out"] };
            for tap in taps {
                let on = all.iter().filter(|(a, on)| *on && a.kind == kind && a.tap == *tap).count();
                let labels = [("alarm", kind.symbol()), ("tap", *tap)];
                metric.encode_family(&labels)?.encode_gauge(&(on as f64))?;
            }
        }
        let help = "Alarms that have begun";
        let mut metric = self.0.encode_descriptor("alarms", help, None, MetricType::Counter)?;
        for kind in AlarmKind::ALL {
            let labels = [("alarm", kind.symbol())];
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter(
                &telemetry.alarms_raised(kind),
                None::<&Exemplar<Vec<(String, String)>, f64>>,
            )?;
        }
        Ok(())
    }

    fn info(&mut self, name: &str, help: &str, labels: &Labels) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut page = Page(encoder);
        page.info("build", "The version that runs", &[("version", env!("CARGO_PKG_VERSION"))])?;
        let up = self.since.elapsed().as_secs_f64();
        page.gauge("uptime", Some("seconds"), "Time since the start", up)?;
        self.audio(&mut page)?;
        self.load(&mut page)?;
        page.alarms(&self.telemetry)?;
        self.engine(&mut page)?;
        if let Some(osc) = &self.osc {
            encode_osc(&mut page, osc)?;
        }
        self.http(&mut page)?;
        let left_out = crate::log::left_out();
        page.counter("log_lines_left_out", None, "Log lines left out because they were too many", left_out)
    }
}

impl Sources {
    fn audio(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let audio = self.host.audio();
        let labels = [("backend", audio.backend), ("source", audio.source)];
        page.info("audio", "Who drives the sound", &labels)?;
        let heard = flag(audio.audible && !audio.hung);
        page.gauge("audio_up", None, "1 while a driver runs that someone can hear", heard)?;
        page.gauge("audio_hung", None, "1 while the JACK server hangs", flag(audio.hung))?;
        let rate = f64::from(audio.rate);
        page.gauge("audio_sample_rate", Some("hertz"), "Sample rate, 0 without a driver", rate)?;
        let period = audio.period as f64;
        page.gauge("audio_period", Some("frames"), "Length of a period, 0 without a driver", period)?;
        let latency = audio.latency as f64;
        page.gauge("audio_latency", Some("frames"), "Latency from main in to main out", latency)?;
        page.counter(
            "audio_xruns",
            None,
            "Glitches that JACK told of, or a file that played had",
            audio.xruns,
        )?;
        let lost = audio.lost_engines;
        page.counter("audio_lost_engines", None, "Engines lost to a panic or a hung driver", lost)
    }

    fn load(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let load = self.telemetry.load();
        page.counter("audio_cycles", None, "Periods that were run", load.periods)?;
        page.seconds("dsp_busy", "Time spent in the audio callback", load.busy_seconds)?;
        let help = "Worst share of a period that the callback took in the last second";
        page.gauge("dsp_load_worst", Some("ratio"), help, load.dsp_load)?;
        let help = "Mean share of the period that the callback took in the last second";
        page.gauge("dsp_load", Some("ratio"), help, load.mean_load)?;
        let help =
            "How much faster frames pass than the rate says, by the machine's clock; NaN until it is known";
        let deviation = load.clock.map_or(f64::NAN, |c| c.deviation);
        page.gauge("audio_clock_deviation", Some("ratio"), help, deviation)?;
        let bound = |n: usize| if n + 1 < STEPS { (n + 1) as f64 / STEPS as f64 } else { f64::INFINITY };
        let mut buckets = [(0.0, 0); STEPS];
        for (n, (bucket, count)) in buckets.iter_mut().zip(load.histogram).enumerate() {
            *bucket = (bound(n), count);
        }
        let count = load.histogram.iter().sum();
        let sum = load.busy_seconds / load.period_seconds.max(1e-9) * count as f64;
        let help = "Periods by the share of the period that the callback took";
        let unit = Unit::Other("ratio".into());
        let mut metric =
            page.0.encode_descriptor("dsp_period_load", help, Some(&unit), MetricType::Histogram)?;
        metric.encode_histogram::<[(&str, &str); 0]>(sum, count, &buckets, None)
    }

    fn engine(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let (revision, panic, status) = {
            let control = self.host.control();
            (control.revision(), control.panic(), control.status().cloned())
        };
        if let Some(status) = status {
            let help = "Frames that the engine has run; begins anew with another engine";
            page.counter("engine", Some("frames"), help, status.frame.load(Relaxed))?;
            let help = "Input samples that were no audio and became zero; begins anew with another engine";
            page.counter("input_refused", Some("samples"), help, status.refused_input.load(Relaxed))?;
            let help =
                "Times a unit was reset because its output was not finite; begins anew with another engine";
            page.counter("unit_resets", None, help, status.resets.load(Relaxed))?;
            let help = "Chains installed; begins anew with another engine";
            page.counter("chain_installs", None, help, status.installs.load(Relaxed))?;
            let applied = status.applied.load(Relaxed) as f64;
            page.gauge("revision_applied", None, "The last revision that is in the sound", applied)?;
        }
        page.gauge("revision", None, "The last revision that was accepted", revision as f64)?;
        page.gauge("panic", None, "1 while main is silenced by panic", flag(panic))?;
        let stored = self.snapshots.list().len() as f64;
        page.gauge("snapshots", None, "Snapshots stored", stored)
    }

    fn http(&self, page: &mut Page<'_>) -> Result<(), Error> {
        let http = &self.http;
        page.gauge("http_connections", None, "Connections open now", http.connections() as f64)?;
        let under_way = http.under_way() as f64;
        let help = "Calls not yet answered to the end, gRPC streams among them";
        page.gauge("http_calls_under_way", None, help, under_way)?;
        page.counter("http_calls", None, "Calls over HTTP, gRPC among them", http.calls())?;
        let refused = [("too_many_connections", http.turned_away()), ("other_site", http.foreign())];
        page.reasons("http_refused", "Connections and calls refused", &refused)
    }
}

fn encode_osc(page: &mut Page<'_>, osc: &Stats) -> Result<(), Error> {
    page.gauge("osc_clients", None, "OSC clients subscribed now", osc.clients() as f64)?;
    page.counter("osc_packets_received", None, "OSC packets received", osc.received())?;
    page.counter("osc_packets_sent", None, "OSC packets sent", osc.sent())?;
    let reasons = [
        ("malformed", Loss::Malformed),
        ("refused", Loss::Refused),
        ("rate", Loss::Rate),
        ("full", Loss::Full),
        ("stranger", Loss::Stranger),
        ("unsent", Loss::Unsent),
    ]
    .map(|(name, kind)| (name, osc.dropped(kind)));
    page.reasons("osc_dropped", "OSC packets not taken, and answers not sent", &reasons)
}
