// SPDX-License-Identifier: MIT OR Apache-2.0
//! The alarms as the OSC server wants to see them.

use crate::osc::ports;
use crate::telemetry::Telemetry;

/// The alarms of the telemetry.
pub struct OscAlarms(pub Telemetry);

impl ports::Alarms for OscAlarms {
    fn since(&self, seen: &mut Option<u64>) -> Vec<(String, bool)> {
        let events = self.0.alarm_events(seen);
        events.iter().flat_map(|e| e.alarms.iter().map(|a| (a.address(), e.on))).collect()
    }

    fn all(&self) -> Vec<(String, bool)> {
        self.0.alarms().into_iter().map(|(alarm, on)| (alarm.address(), on)).collect()
    }
}
