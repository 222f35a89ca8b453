// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bridge on a terminal: streams that follow what is shown, keys, and a daemon that goes away and comes back.

use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::looks::{AT_ONCE, Look, PATIENCE, take, turn};
use super::scale::{Scale, further};
use super::state::{Scope, State};
use super::{scope, view};
use crate::client::v1::{
    GetRackRequest, GetStatusRequest, ResetMetersRequest, WatchMetersRequest, WatchMetersResponse,
    WatchScopeRequest, WatchScopeResponse, WatchSpectrumRequest, WatchSpectrumResponse,
};
use crate::client::{Client, Server, Stream};
use crate::exit::{Exit, Failure};

/// Between two looks at keys, at the status, and for a daemon that went away.
const KEYS: Duration = Duration::from_millis(40);
const STATUS: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(500);
/// Readings may be this late before they count as lost.
const SILENCE: Duration = Duration::from_secs(5);
/// Spectra and goniometers are for eyes.
const FASTEST_LOOK_HZ: f64 = 20.0;

/// A daemon that answers.
struct Link {
    client: Client,
    meters: Stream<WatchMetersResponse>,
    asked: WatchMetersRequest,
    scale: &'static Scale,
    spectrum: Option<Look<WatchSpectrumRequest, WatchSpectrumResponse>>,
    scope: Option<Look<WatchScopeRequest, WatchScopeResponse>>,
    status: Instant,
    heard: Instant,
}

/// What a key asks of the loop.
enum Wish {
    Nothing,
    End,
    Reset,
    /// Another tap, so many further on.
    Tap(isize),
}

fn request(state: &State, hz: f64) -> WatchMetersRequest {
    WatchMetersRequest {
        hz,
        taps: state.wanted_taps(),
        slots: vec!["*".to_string()],
        readings: state.readings(),
    }
}

/// Takes the terminal, watches until the user ends it, and gives the terminal back.
///
/// # Errors
/// The daemon refused at the start, or the terminal failed.
pub fn run(client: Client, mut state: State, hz: f64) -> Result<(), Failure> {
    state.server = client.server().to_string();
    let server = client.server().clone();
    let link = Link::open(client, &mut state, hz)?;
    let mut terminal = ratatui::try_init().map_err(broken)?;
    let done = watch(link, &server, &mut state, hz, &mut terminal);
    ratatui::restore();
    done
}

fn broken(e: std::io::Error) -> Failure {
    Failure::new(Exit::Io, format!("cannot draw on this terminal: {e}"))
}

fn watch(
    link: Link,
    server: &Server,
    state: &mut State,
    hz: f64,
    terminal: &mut DefaultTerminal,
) -> Result<(), Failure> {
    let mut link = Some(link);
    let mut tried = Instant::now();
    loop {
        terminal.draw(|frame| view::draw(frame, state)).map_err(broken)?;
        let screen = terminal.size().map_err(broken)?;
        let gone = match &mut link {
            Some(l) => {
                let panels = view::panels(screen, state);
                l.follow(state, hz, panels.spectrum.height > 0, panels.scope.height > 0);
                l.hear(state, hz).err()
            }
            None => None,
        };
        if let Some(why) = gone {
            state.forget();
            state.lost = Some(why.message);
            (link, tried) = (None, Instant::now());
        }
        if link.is_none() && tried.elapsed() >= AGAIN {
            link = again(server, state, hz);
            tried = Instant::now();
        }
        let patience = if link.is_some() { Duration::ZERO } else { KEYS };
        match keys(state, patience)? {
            Wish::End => return Ok(()),
            Wish::Reset => reset(&mut link, state),
            Wish::Tap(by) => tap(&mut link, state, by),
            Wish::Nothing => {}
        }
    }
}

/// Tries to find the daemon again.
fn again(server: &Server, state: &mut State, hz: f64) -> Option<Link> {
    let link = Client::connect_within(server, AGAIN).and_then(|client| Link::open(client, state, hz));
    match link {
        Ok(link) => {
            state.lost = None;
            state.note = "the daemon is back".to_string();
            Some(link)
        }
        Err(why) => {
            if why.exit == Exit::Usage {
                state.taps = vec!["out".to_string()]; // what was watched is not in the rack that came back
            }
            state.lost = Some(why.message);
            None
        }
    }
}

fn reset(link: &mut Option<Link>, state: &mut State) {
    let Some(l) = link else { return };
    match l.client.call_within(PATIENCE, l.client.meters().reset_meters(ResetMetersRequest {})) {
        Ok(_) => {
            state.reset();
            state.note = "measurement begun anew".to_string();
        }
        Err(why) => state.note = why.message,
    }
}

/// The rack may have changed since it was last read.
fn tap(link: &mut Option<Link>, state: &mut State, by: isize) {
    let Some(l) = link else { return };
    match l.client.call_within(PATIENCE, l.client.rack().get_rack(GetRackRequest {})) {
        Ok(answer) => state.rack = answer.rack.unwrap_or_default(),
        Err(why) => state.note = why.message,
    }
    state.next_tap(by);
    state.note = format!("tap {}", state.tap());
}

/// Every key that waits; the last one that is a wish.
fn keys(state: &mut State, patience: Duration) -> Result<Wish, Failure> {
    let mut wish = Wish::Nothing;
    let mut patience = patience;
    while event::poll(patience).map_err(broken)? {
        patience = Duration::ZERO;
        let Event::Key(key) = event::read().map_err(broken)? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Ok(Wish::End),
            KeyCode::Char('q') => return Ok(Wish::End),
            _ if state.help => state.help = false,
            KeyCode::Esc => return Ok(Wish::End),
            KeyCode::Char('?' | 'h') => state.help = true,
            KeyCode::Char('m') => state.choose(further(state.scale, 1)),
            KeyCode::Char('M') => state.choose(further(state.scale, -1)),
            KeyCode::Char('s') => {
                state.kind = state.kind.other();
                state.spectrum = None;
            }
            KeyCode::Char('r') => wish = Wish::Reset,
            KeyCode::Char('t') => wish = Wish::Tap(1),
            KeyCode::Char('T') => wish = Wish::Tap(-1),
            _ => {}
        }
    }
    Ok(wish)
}

impl Link {
    fn open(client: Client, state: &mut State, hz: f64) -> Result<Link, Failure> {
        state.status = client.call_within(PATIENCE, client.system().get_status(GetStatusRequest {}))?;
        let rack = client.call_within(PATIENCE, client.rack().get_rack(GetRackRequest {}))?;
        state.rack = rack.rack.unwrap_or_default();
        let asked = request(state, hz);
        let meters = client.call_within(PATIENCE, client.meters().watch_meters(asked.clone()))?;
        let now = Instant::now();
        Ok(Link {
            client,
            meters,
            asked,
            scale: state.scale,
            spectrum: None,
            scope: None,
            status: now,
            heard: now,
        })
    }

    /// Waits a little for readings and takes all that are there.
    fn hear(&mut self, state: &mut State, hz: f64) -> Result<(), Failure> {
        let wanted = request(state, hz);
        if wanted != self.asked {
            let answer = self.client.call_within(PATIENCE, self.client.meters().watch_meters(wanted.clone()));
            match answer {
                Ok(meters) => {
                    (self.meters, self.asked, self.scale) = (meters, wanted, state.scale);
                    self.heard = Instant::now();
                }
                Err(why) if why.exit == Exit::Unavailable => return Err(why),
                Err(why) => {
                    // What was watched before goes on.
                    state.taps.clone_from(&self.asked.taps);
                    state.choose(self.scale);
                    state.note = why.message;
                }
            }
        }
        let mut patience = KEYS;
        for _ in 0..AT_ONCE {
            match self.client.next(&mut self.meters, patience) {
                Ok(Some(m)) => state.take(m),
                Ok(None) => break,
                // What came before the end is shown first.
                Err(_) if patience.is_zero() => break,
                Err(why) => return Err(why),
            }
            (patience, self.heard) = (Duration::ZERO, Instant::now());
        }
        if self.heard.elapsed() > SILENCE.max(Duration::from_secs_f64(3.0 / hz.max(0.1))) {
            let words = format!("the daemon at {} sends no readings", self.client.server());
            return Err(Failure::new(Exit::Unavailable, words));
        }
        if self.status.elapsed() > STATUS {
            let mut system = self.client.system();
            let status = self.client.call_within(PATIENCE, system.get_status(GetStatusRequest {}))?;
            if status.applied_revision != state.status.applied_revision {
                let rack =
                    self.client.call_within(PATIENCE, self.client.rack().get_rack(GetRackRequest {}))?;
                state.rack = rack.rack.unwrap_or_default();
            }
            (state.status, self.status) = (status, Instant::now());
        }
        Ok(())
    }

    /// Asks for what is on the screen and for nothing else; a refusal is told in the panel.
    fn follow(&mut self, state: &mut State, hz: f64, spectrum: bool, scope: bool) {
        let hz = hz.clamp(1.0, FASTEST_LOOK_HZ);
        if !spectrum {
            state.spectrum = None;
        }
        if !scope {
            state.scope = Scope::default();
        }
        let client = &self.client;
        let wanted = spectrum.then(|| state.kind.request(state.tap(), hz));
        turn(&mut self.spectrum, wanted, &mut state.spectrum_refused, |r| {
            client.call_within(PATIENCE, client.meters().watch_spectrum(r))
        });
        let wanted = scope.then(|| scope::request(state.tap(), hz));
        turn(&mut self.scope, wanted, &mut state.scope_refused, |r| {
            client.call_within(PATIENCE, client.meters().watch_scope(r))
        });
        for look in take(client, &mut self.spectrum, &mut state.spectrum_refused) {
            state.spectrum = Some(look);
        }
        for look in take(client, &mut self.scope, &mut state.scope_refused) {
            state.scope.take(&look);
        }
    }
}
