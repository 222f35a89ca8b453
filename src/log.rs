// SPDX-License-Identifier: MIT OR Apache-2.0
//! Log lines on stderr: escaped, since names in them come from the network, and not more than someone could
//! read. One line an event, written at once. Any thread but the audio thread.
//!
//! To the journal (`JOURNAL_STREAM` is our stderr) a line begins with its priority, as in `<4>`, and has
//! no time of its own.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, callsite};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Lines of one call site at once, and then per second.
const BURST: f64 = 50.0;
const PER_SECOND: f64 = 5.0;
/// Lines left out are told of after this long, or with the next line of their call site.
const TELL_AFTER: Duration = Duration::from_secs(5);
/// Most bytes of a line's text.
const LONGEST: usize = 4096;

static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Lines left out since the start.
pub fn left_out() -> u64 {
    LEFT_OUT.load(Relaxed)
}

/// The running log.
#[derive(Clone)]
pub struct Log(Arc<Lines>);

/// Where lines go, and how.
struct Lines {
    format: LogFormat,
    journal: bool,
    colour: bool,
    sites: Mutex<HashMap<callsite::Identifier, Site>>,
    out: fn(&[u8]),
}

/// What one call site has said lately.
struct Site {
    level: Level,
    target: String,
    /// The beginning of its last line.
    said: String,
    tokens: f64,
    at: Instant,
    left_out: u64,
    last_out: Instant,
}

/// Starts the log of the process; `LATHE_LOG` filters it.
pub fn start(format: LogFormat) -> Log {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("LATHE_LOG")
        .from_env_lossy();
    let journal = is_journal();
    let colour = !journal && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let out = |line: &[u8]| _ = std::io::stderr().lock().write_all(line); // nowhere to say that it failed
    let log = Log(Arc::new(Lines { format, journal, colour, sites: Mutex::default(), out }));
    tracing_subscriber::registry().with(filter).with(log.clone()).init();
    log
}

/// One line for people when no log runs, or after it: why the program ends.
pub fn last_words(text: &str) {
    let before = if is_journal() { "<3>" } else { "" };
    eprintln!("{before}lathed: {text}");
}

/// True if stderr is what the service manager says is the journal's stream.
fn is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(std::io::stderr())
        .is_ok_and(|s| stream.to_str() == Some(&format!("{}:{}", s.st_dev, s.st_ino)))
}

impl Log {
    /// Now and then: tells of lines that were left out.
    pub fn tend(&self, now: Instant) {
        let mut sites = self.0.sites.lock().unwrap_or_else(PoisonError::into_inner);
        for site in sites.values_mut() {
            if site.left_out > 0 && now.saturating_duration_since(site.last_out) >= TELL_AFTER {
                self.0.tell_left_out(site);
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let data = event.metadata();
        let now = Instant::now();
        let mut sites = self.0.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let site = sites.entry(data.callsite()).or_insert_with(|| Site {
            level: *data.level(),
            target: data.target().to_string(),
            said: String::new(),
            tokens: BURST,
            at: now,
            left_out: 0,
            last_out: now,
        });
        if !site.may_speak(now) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if site.left_out > 0 {
            self.0.tell_left_out(site);
        }
        site.said = fields.message.chars().take(80).collect();
        self.0.write(*data.level(), &fields.target.clone().unwrap_or(site.target.clone()), &fields);
    }
}

impl Site {
    fn may_speak(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * PER_SECOND).min(BURST);
        self.at = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return true;
        }
        self.left_out += 1;
        self.last_out = now;
        LEFT_OUT.fetch_add(1, Relaxed);
        false
    }
}

impl Lines {
    fn tell_left_out(&self, site: &mut Site) {
        let message = format!("{} more lines like this were left out: {}", site.left_out, site.said);
        site.left_out = 0;
        self.write(site.level, &site.target, &Fields { message, ..Fields::default() });
    }

    fn write(&self, level: Level, target: &str, fields: &Fields) {
        let mut line = String::new();
        if self.journal {
            let priority = match level {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                _ => 7,
            };
            let _ = write!(line, "<{priority}>");
        }
        match self.format {
            LogFormat::Text => self.text(&mut line, level, target, fields),
            LogFormat::Json => json(&mut line, level, target, fields),
        }
        line.push('\n');
        (self.out)(line.as_bytes());
    }

    fn text(&self, line: &mut String, level: Level, target: &str, fields: &Fields) {
        if !self.journal {
            let colour = match level {
                _ if !self.colour => "",
                Level::ERROR => "\x1b[31m",
                Level::WARN => "\x1b[33m",
                _ => "\x1b[32m",
            };
            let end = if self.colour { "\x1b[0m" } else { "" };
            let _ = write!(line, "{} {colour}{level:>5}{end} ", now());
        }
        let mut text = format!("{target}: {}", fields.message);
        for (name, value) in &fields.others {
            let value = match value {
                serde_json::Value::String(s) if s.contains([' ', '"', '=']) || s.is_empty() => {
                    format!("{s:?}")
                }
                serde_json::Value::String(s) => s.clone(),
                other => other.to_string(),
            };
            let space = if fields.message.is_empty() && text.ends_with(' ') { "" } else { " " };
            let _ = write!(text, "{space}{name}={value}");
        }
        escape(&text, line);
    }
}

/// One object a line, with the keys that `tracing` users know.
fn json(line: &mut String, level: Level, target: &str, fields: &Fields) {
    let escaped = |text: &str| {
        let mut out = String::new();
        escape(text, &mut out);
        serde_json::Value::from(out)
    };
    let mut said = serde_json::Map::new();
    said.insert("message".into(), escaped(&fields.message));
    for (name, value) in &fields.others {
        let value = value.as_str().map(escaped).unwrap_or_else(|| value.clone());
        said.insert((*name).into(), value);
    }
    let object = serde_json::json!({
        "timestamp": now(), "level": level.as_str(), "target": target, "fields": said,
    });
    let _ = write!(line, "{object}");
}

fn now() -> String {
    let mut time = String::new();
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// Appends text that stays on its line and looks like what it is, and not too much of it.
fn escape(text: &str, out: &mut String) {
    let end = out.len() + LONGEST;
    for c in text.chars() {
        if out.len() >= end {
            out.push('…');
            return;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_invisible(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
}

/// Format characters: those that turn the direction of text, hide it, or end a line.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, serde_json::Value)>,
    /// Of a record of the crate `log`.
    target: Option<String>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: serde_json::Value) {
        match (field.name(), value) {
            ("message", serde_json::Value::String(text)) => self.message = text,
            ("log.target", serde_json::Value::String(text)) => self.target = Some(text),
            (name, value) if !name.starts_with("log.") => self.others.push((name, value)),
            _ => {}
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests of the written lines share one place; each runs alone.
    static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static ALONE: Mutex<()> = Mutex::new(());

    fn written(format: LogFormat, journal: bool, say: impl FnOnce(&Log)) -> String {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        WRITTEN.lock().unwrap().clear();
        let out = |line: &[u8]| WRITTEN.lock().unwrap().extend(line);
        let log = Log(Arc::new(Lines { format, journal, colour: false, sites: Mutex::default(), out }));
        let kept = log.clone();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log), || say(&kept));
        String::from_utf8(std::mem::take(&mut *WRITTEN.lock().unwrap())).unwrap()
    }

    const HOSTILE: &str =
        "a\n2026-01-01 ERROR forged\r\x1b[2J\x1b]0;title\x07\u{9b}31m\u{202e}txt.exe\u{200b}\u{2028}z";

    fn is_clean(line: &str) -> bool {
        !line.chars().any(|c| c.is_control() || is_invisible(c))
    }

    #[test]
    fn what_comes_from_the_network_stays_on_its_line_and_is_visible() {
        let say = |_: &Log| {
            tracing::warn!(name = HOSTILE, shown = %HOSTILE, debug = ?HOSTILE, n = 3, "no {HOSTILE}");
        };
        let text = written(LogFormat::Text, false, say);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(is_clean(text.trim_end_matches('\n')), "{text:?}");
        assert!(
            text.contains("\\u{1b}[2J") && text.contains("\\u{202e}txt") && text.contains(" n=3"),
            "{text}"
        );
        let json = written(LogFormat::Json, false, say);
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        for field in ["message", "name", "shown", "debug"] {
            assert!(is_clean(object["fields"][field].as_str().unwrap()), "{field}: {json}");
        }
        assert_eq!((&object["level"], &object["fields"]["n"]), (&"WARN".into(), &3.into()));
    }

    #[test]
    fn a_flood_is_a_bounded_number_of_bytes_and_counted() {
        let giant = "é\x1b".repeat(40_000);
        let begin = Instant::now();
        let text = written(LogFormat::Text, false, |log| {
            for n in 0..100_000 {
                tracing::warn!("refused {n} {HOSTILE}");
            }
            for _ in 0..100 {
                tracing::error!("{giant}");
            }
            log.tend(Instant::now() + TELL_AFTER);
        });
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "100,100 hostile events in {seconds:.2} s: {} bytes, {} lines",
            text.len(),
            text.lines().count()
        );
        let lines = 2.0 * (BURST + PER_SECOND * seconds + 2.0);
        assert!((text.lines().count() as f64) <= lines, "{} lines", text.lines().count());
        assert!(text.lines().all(|l| is_clean(l) && l.len() < LONGEST + 100));
        let told: u64 = text
            .lines()
            .filter_map(|l| l.split(" more lines like this").next()?.rsplit(' ').next()?.parse::<u64>().ok())
            .sum();
        let shown = text.lines().filter(|l| !l.contains(" more lines like this")).count() as u64;
        assert_eq!(told + shown, 100_100, "every line is shown or counted");
    }

    #[test]
    fn one_call_site_does_not_silence_another() {
        let text = written(LogFormat::Text, false, |_| {
            (0..1000).for_each(|_| tracing::warn!("noise"));
            tracing::warn!("signal");
        });
        assert!(text.lines().last().unwrap().ends_with("signal"), "{text}");
    }

    #[test]
    fn the_journal_gets_priorities_and_no_times() {
        let text = written(LogFormat::Text, true, |_| {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!(rate = 48_000, "i");
            tracing::debug!("d");
        });
        let target = module_path!();
        let expected = format!("<3>{target}: e\n<4>{target}: w\n<6>{target}: i rate=48000\n<7>{target}: d\n");
        assert_eq!(text, expected);
    }
}
