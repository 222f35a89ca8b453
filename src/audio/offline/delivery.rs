// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a rack's audio changes its rate on the way to a file.
//!
//! A ceiling holds at the rate at which it is kept: converted after the limiter, peaks rise again. So the rack is
//! cut before the last limiter of the main chain, or before the last split that has one in a branch where the main
//! chain has none; what is before it runs at the input's rate, it and what follows at the rate that is delivered.
//! A limiter that is bypassed limits nothing, and does not count. Where there is no limiter the cut is before a
//! final dither, which has to meet the samples that are written, or at the end. Whenever a limiter does stand
//! before the conversion and none after it holds the output, that is said.

use lathe_core::rack::plan::{Content, RackPlan, SlotPlan, Source};

/// A rack in two parts, either of which may be empty.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Hz.
    pub from: u32,
    pub to: u32,
    /// Runs at `from`.
    pub head: RackPlan,
    /// Runs at `to`; empty where nothing is converted.
    pub tail: RackPlan,
    pub cut: Cut,
}

/// Where the conversion stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing is converted.
    Nowhere,
    Before(String),
    /// After the last slot.
    End,
    /// Before the first slot, because `listener` of the second part would listen to `source` in the first.
    Start {
        listener: String,
        source: String,
    },
}

impl Delivery {
    pub fn new(plan: &RackPlan, from: u32, to: u32) -> Delivery {
        let (at, cut) = if from == to { (plan.slots.len(), Cut::Nowhere) } else { cut(plan) };
        let part = |slots: &[SlotPlan]| RackPlan { slots: slots.to_vec(), latency_ms: None, ..plan.clone() };
        let (head, tail) = plan.slots.split_at(at);
        let mut head = part(head);
        if cut == Cut::Nowhere {
            head.latency_ms = plan.latency_ms;
        }
        Delivery { from, to, head, tail: part(tail), cut }
    }

    /// What whoever renders should know of the conversion; `None` where it goes without saying.
    pub fn note(&self) -> Option<String> {
        let Delivery { from, to, .. } = self;
        match &self.cut {
            Cut::Nowhere => None,
            Cut::End => Some(format!(
                "{}; {from} Hz became {to} Hz after its last slot, which may raise peaks",
                self.no_limiter()
            )),
            Cut::Before(_) if self.tail.slots.iter().any(|s| is(s, LIMITER) && works(s)) => None,
            Cut::Before(slot) if !self.tail.slots.iter().any(|s| limits(s).is_some()) => Some(format!(
                "{}; {from} Hz became {to} Hz before \"{slot}\", which may raise peaks",
                self.no_limiter()
            )),
            Cut::Before(slot) => self.head.slots.iter().find_map(limits).map(|inner| {
                format!(
                    "{from} Hz became {to} Hz before \"{slot}\" and after limiter \"{inner}\", whose ceiling that may \
                     exceed; no limiter in the main path holds the output"
                )
            }),
            Cut::Start { listener, source } => Some(format!(
                "slot \"{listener}\" listens to \"{source}\" across the conversion; the whole rack ran at {to} Hz"
            )),
        }
    }

    /// Why nothing holds a ceiling after the conversion.
    fn no_limiter(&self) -> String {
        let all = self.head.walk().into_iter().chain(self.tail.walk());
        match all.rev().find(|s| is(s, LIMITER)) {
            Some(slot) => format!("limiter \"{}\" is not at work", slot.id),
            None => "the rack has no limiter".into(),
        }
    }
}

/// The index of the first slot that runs at the delivered rate.
fn cut(plan: &RackPlan) -> (usize, Cut) {
    let slots = &plan.slots;
    let main = slots.iter().rposition(|s| is(s, LIMITER) && works(s));
    let branch = || slots.iter().rposition(|s| limits(s).is_some());
    let dither = || slots.iter().rposition(|s| is(s, "dither")).filter(|at| at + 1 == slots.len());
    let Some(at) = main.or_else(branch).or_else(dither) else { return (slots.len(), Cut::End) };
    match listener(plan, at) {
        Some((listener, source)) => (0, Cut::Start { listener, source }),
        None => (at, Cut::Before(plan.slots[at].id.clone())),
    }
}

/// The symbol of the unit that holds a ceiling.
pub(super) const LIMITER: &str = "limiter";

fn is(slot: &SlotPlan, unit: &str) -> bool {
    matches!(&slot.content, Content::Unit { kind, .. } if kind.spec().symbol == unit)
}

/// False if nothing of what the slot does is heard.
fn works(slot: &SlotPlan) -> bool {
    let value = |symbol: &str| slot.table.find(symbol).map(|p| slot.values.get(p));
    value("bypass").is_none_or(|v| v == 0.0) && value("mix").is_none_or(|v| v > 0.0)
}

/// The first limiter at work that the slot is, or has in a branch.
fn limits(slot: &SlotPlan) -> Option<&str> {
    match &slot.content {
        _ if !works(slot) => None,
        Content::Unit { .. } => is(slot, LIMITER).then_some(slot.id.as_str()),
        Content::Split { branches, .. } => branches.iter().flat_map(|b| &b.slots).find_map(limits),
    }
}

/// True if the slot is a unit of this kind or has one in a branch.
pub(super) fn holds(slot: &SlotPlan, unit: &str) -> bool {
    match &slot.content {
        Content::Unit { kind, .. } => kind.spec().symbol == unit,
        Content::Split { branches, .. } => branches.iter().flat_map(|b| &b.slots).any(|s| holds(s, unit)),
    }
}

/// A slot from `at` on that listens to something before, and to what.
fn listener(plan: &RackPlan, at: usize) -> Option<(String, String)> {
    let part = |slots: &[SlotPlan]| RackPlan { slots: slots.to_vec(), ..plan.clone() };
    let (head, tail) = (part(&plan.slots[..at]), part(&plan.slots[at..]));
    let before: Vec<&str> = head.walk().iter().map(|s| s.id.as_str()).collect();
    tail.walk().into_iter().find_map(|s| match &s.content {
        Content::Unit { sidechain: Source::Slot(id), .. } if before.contains(&id.as_str()) => {
            Some((s.id.clone(), id.clone()))
        }
        Content::Unit { sidechain: Source::MainIn, .. } if at > 0 => {
            Some((s.id.clone(), "main_in".to_string()))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_core::rack;

    fn plan(slots: &str) -> RackPlan {
        let text = format!("format = 1\n[rack]\nlayout = \"stereo\"\nlatency_ms = 90\n{slots}");
        rack::load(&text, "test").unwrap_or_else(|e| panic!("{}", e.render(false))).plan
    }

    fn unit(id: &str, unit: &str) -> String {
        format!("[[slot]]\nid = \"{id}\"\nunit = \"{unit}\"\n")
    }

    #[track_caller]
    fn cut_of(slots: &[String]) -> (Vec<String>, Vec<String>, Cut) {
        let d = Delivery::new(&plan(&slots.concat()), 96_000, 44_100);
        let ids = |p: &RackPlan| p.slots.iter().map(|s| s.id.clone()).collect();
        assert!(d.head.latency_ms.is_none() && d.tail.latency_ms.is_none());
        (ids(&d.head), ids(&d.tail), d.cut)
    }

    #[test]
    fn the_last_limiter_and_what_follows_run_at_the_delivered_rate() {
        let (a, b, c) = (unit("first", "limiter"), unit("eq", "equalizer"), unit("last", "limiter"));
        let (head, tail, cut) = cut_of(&[a, b, c, unit("trim", "gain")]);
        assert_eq!((head, tail), (vec!["first".into(), "eq".into()], vec!["last".into(), "trim".into()]));
        assert_eq!(cut, Cut::Before("last".into()));
    }

    #[test]
    fn a_limiter_in_a_branch_takes_its_split_along() {
        let split = "[[slot]]\nid = \"par\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"a\"\n\
                     [[slot.branch.slot]]\nid = \"low\"\nunit = \"limiter\"\n";
        let (head, _, cut) = cut_of(&[unit("eq", "equalizer"), split.into()]);
        assert_eq!((head, cut), (vec!["eq".into()], Cut::Before("par".into())));
    }

    fn split(id: &str, inner: &str) -> String {
        format!(
            "[[slot]]\nid = \"{id}\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"a\"\n\
             [[slot.branch.slot]]\nid = \"{inner}\"\nunit = \"limiter\"\n"
        )
    }

    #[track_caller]
    fn note_of(slots: &[String]) -> String {
        Delivery::new(&plan(&slots.concat()), 96_000, 44_100).note().unwrap_or_default()
    }

    #[test]
    fn a_limiter_in_a_branch_does_not_draw_the_conversion_behind_one_of_the_main_chain() {
        let slots = [unit("eq", "equalizer"), unit("lim", "limiter"), split("par", "low")];
        let (head, _, cut) = cut_of(&slots);
        assert_eq!((head, cut), (vec!["eq".into()], Cut::Before("lim".into())));
        assert_eq!(note_of(&slots), "");
    }

    #[test]
    fn a_conversion_after_a_limiter_is_said() {
        let (a, b) = (split("a", "low"), split("b", "high"));
        let note = note_of(&[a.clone(), b.clone()]);
        assert!(
            note.contains("44100 Hz before \"b\" and after limiter \"low\", whose ceiling that may"),
            "{note}"
        );
        assert_eq!(note_of(&[a.clone(), b, unit("lim", "limiter")]), "");
        assert_eq!(note_of(&[unit("eq", "equalizer"), a]), "");
    }

    #[test]
    fn a_limiter_that_does_not_work_does_not_count() {
        let off = |how: &str| unit("off", "limiter") + &format!("params = {{ {how} }}\n");
        for how in ["bypass = true", "mix = 0"] {
            let slots = [unit("lim", "limiter"), unit("eq", "equalizer"), off(how)];
            let (head, _, cut) = cut_of(&slots);
            assert_eq!(
                (head.len(), cut, note_of(&slots).as_str()),
                (0, Cut::Before("lim".into()), ""),
                "{how}"
            );
            assert_eq!(cut_of(&[off(how)]).2, Cut::End, "{how}");
            let note = note_of(&[off(how)]);
            assert!(
                note.starts_with("limiter \"off\" is not at work; 96000 Hz became 44100 Hz after"),
                "{note}"
            );
        }
    }

    #[test]
    fn a_rack_without_a_limiter_is_converted_at_its_end() {
        let (head, tail, cut) = cut_of(&[unit("eq", "equalizer")]);
        assert!(head.len() == 1 && tail.is_empty() && cut == Cut::End);
        let slots = [unit("eq", "equalizer"), unit("d", "dither")];
        assert_eq!(cut_of(&slots).2, Cut::Before("d".into()));
        let note = note_of(&slots);
        assert!(note.starts_with("the rack has no limiter; 96000 Hz became 44100 Hz before \"d\""), "{note}");
    }

    #[test]
    fn nobody_listens_across_the_conversion() {
        for source in ["main_in", "eq"] {
            let key = format!("[[slot]]\nid = \"c\"\nunit = \"compressor\"\nsidechain = \"{source}\"\n");
            let (eq, lim) = (unit("eq", "equalizer"), unit("lim", "limiter"));
            // Before the cut it may.
            let (head, ..) = cut_of(&[eq.clone(), key.clone(), lim.clone()]);
            assert_eq!(head.len(), 2);
            let (head, tail, cut) = cut_of(&[eq, lim, key]);
            assert!(head.is_empty() && tail.len() == 3, "{head:?} {tail:?}");
            assert_eq!(cut, Cut::Start { listener: "c".into(), source: source.into() });
        }
    }

    #[test]
    fn the_same_rate_leaves_the_rack_whole() {
        let p = plan(&unit("lim", "limiter"));
        let d = Delivery::new(&p, 48_000, 48_000);
        assert!(d.cut == Cut::Nowhere && d.head == p && d.tail.slots.is_empty());
    }
}
