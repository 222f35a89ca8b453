// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entry of a print that is about to begin, and its place in the list.

use std::sync::Arc;

use lathe_core::units::Layout;

use super::entry::{Entry, FORMAT, Hashes, State};
use super::facts::Facts;
use super::live::Live;
use super::shelf::Shelf;
use super::want::{MAX_DESCRIPTION, file_name};
use super::{MAX_RUNNING, PrintError, Want, now_unix_ms};
use crate::files::{BitDepth, WriteSpec};
use crate::utc::moment;

/// The entry of a print, checked, without what is known only when it begins.
pub fn draft(want: &Want, layout: &Layout, rate: u32) -> Result<Entry, PrintError> {
    if !matches!(want.depth, BitDepth::I24 | BitDepth::F32) {
        return Err(PrintError::Format(format!("{} bits cannot be printed: 24 or 32f", want.depth)));
    }
    let spec = WriteSpec { sample_rate: rate, channels: layout.len(), channel_mask: layout.mask() };
    if let Some(why) = want.container.refuses(&spec, want.depth) {
        return Err(PrintError::Format(why));
    }
    let length = want.description.chars().count();
    if length > MAX_DESCRIPTION {
        return Err(PrintError::Description(length));
    }
    let now = now_unix_ms();
    let start_utc = moment((now / 1000) as i64);
    let name = match want.name.trim() {
        "" => format!("print {}", start_utc.trim_end_matches('Z').replace('T', " ").replace(':', "-")),
        name => file_name(name)?.to_string(),
    };
    let seed = format!("{name}\n{now} {}", std::process::id());
    Ok(Entry {
        format: FORMAT,
        file: String::new(),
        id: blake3::hash(seed.as_bytes()).to_hex()[..16].to_string(),
        name,
        state: State::Recording,
        why: String::new(),
        description: want.description.clone(),
        source: want.source,
        container: want.container,
        bits: want.depth.to_string(),
        sample_rate: rate,
        layout: layout.name(),
        channels: layout.names().into_iter().map(String::from).collect(),
        channel_mask: spec.channel_mask,
        start_unix_ms: now,
        start_utc,
        start_frame: 0,
        frames: 0,
        latency_frames: 0,
        clipped_samples: 0,
        buffer_used: 0.0,
        gaps: 0,
        gap_frames: 0,
        xruns: 0,
        faults: Vec::new(),
        loudness: Default::default(),
        revision_first: 0,
        revision_last: 0,
        changed: false,
        hashes: Hashes::default(),
        program: format!("lathe {}", env!("CARGO_PKG_VERSION")),
        sound_revisions: Default::default(),
        rack_name: String::new(),
        rack: String::new(),
        values: Default::default(),
    })
}

impl Entry {
    /// What ran at the moment it began.
    pub fn adopt(&mut self, facts: Facts) {
        let Facts { revision, rack_name, rack, values, sound_revisions, hashes } = facts;
        (self.revision_first, self.revision_last) = (revision, revision);
        (self.rack_name, self.rack, self.values) = (rack_name, rack, values);
        (self.sound_revisions, self.hashes) = (sound_revisions, hashes);
    }
}

/// Takes a place in the list, if there is one and the name is free.
pub fn claim(shelf: &Shelf, entry: &mut Entry, made_up: bool) -> Result<Arc<Live>, PrintError> {
    let names = shelf.folder.list().unwrap_or_default();
    let mut prints = shelf.prints();
    if prints.iter().filter(|p| !p.is_over()).count() >= MAX_RUNNING {
        return Err(PrintError::TooMany);
    }
    let given = entry.name.clone();
    for number in 1.. {
        if number > 1 {
            entry.name = format!("{given} ({number})");
        }
        entry.file = format!("{}.{}", entry.name, entry.container.extension());
        let files = [entry.sidecar(), entry.file.clone(), entry.part()];
        let taken = prints.iter().any(|p| p.name() == entry.name) || files.iter().any(|f| names.contains(f));
        match (taken, made_up) {
            (false, _) => break,
            (true, true) => {}
            (true, false) => return Err(PrintError::Exists(given)),
        }
    }
    let live = Arc::new(Live::new(entry.clone()));
    prints.push(live.clone());
    Ok(live)
}
