// SPDX-License-Identifier: MIT OR Apache-2.0
//! The equaliser's parts: what each band is made of and where it works. Control side.

use super::dynamic::{self, Dynamic};
use super::linear::{Kernels, Plan, Taken};
use super::listen::Region;
use super::{B, BAND_MINIMUM, BANDS, Shape, band_param};
use crate::dsp::analog::{Matched, proportional_q, slope_q};
use crate::dsp::filters::{self, MAX_SECTIONS};
use crate::dsp::svf::{Chain, Coefs, Section};
use crate::param::Values;
use crate::units::{Format, Note, Notes};

/// Seats for sections: band × [`MAX_SECTIONS`] + section.
pub const PLACES: usize = BANDS * MAX_SECTIONS;

/// Where a band works, as far as the layout has such channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    All,
    Left,
    Right,
    Mid,
    Side,
}

/// One band of a design.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    pub shape: Shape,
    pub route: Route,
    /// Sections from place `band × MAX_SECTIONS`; 0: no static part.
    pub len: usize,
    /// Longest time constant of its filters in frames.
    pub tau: f64,
    /// Sections from the same place that went into the kernels; then `len` is 0.
    pub in_kernel: usize,
}

/// Bands that follow each other on the same route, run together; only the first may be dynamic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    pub route: Route,
    /// Range of [`Design::places`].
    pub from: usize,
    pub to: usize,
    /// The band whose dynamic part comes first.
    pub dynamic: Option<usize>,
}

/// Ready-made sections of all bands, of fixed size.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    pub bands: [Band; BANDS],
    pub dynamics: [Option<Dynamic>; BANDS],
    /// By place.
    pub sections: [Section; PLACES],
    pub coefs: [Coefs; PLACES],
    /// The places in use, in the order of the signal; the first of band `b` is at `starts[b]`.
    pub places: [u8; PLACES],
    pub starts: [usize; BANDS],
    /// What each band works on, whether it does anything or not.
    pub regions: [Region; BANDS],
    groups: [Group; BANDS],
    group_count: usize,
    /// Bands of linear or mixed phase, before the others.
    pub kernels: Option<Kernels>,
}

#[allow(clippy::disallowed_methods, reason = "control side: designs")]
impl Design {
    /// Control side. `notes` says what this format cannot do as asked.
    pub fn new(format: &Format, values: &Values, notes: &mut Notes) -> Design {
        let (mut d, taken) = Design::bands(format, values, notes);
        d.kernels = Plan::new(format, values).and_then(|plan| Kernels::new(format, &plan, &taken));
        d
    }

    /// Control side. The bands that are no kernels, alone.
    pub fn cascade(format: &Format, values: &Values) -> Design {
        Design::bands(format, values, &mut Notes::default()).0
    }

    fn bands(format: &Format, values: &Values, notes: &mut Notes) -> (Design, Vec<Taken>) {
        let nothing = Band { shape: Shape::Bell, route: Route::All, len: 0, tau: 0.0, in_kernel: 0 };
        let kernels = Plan::new(format, values).is_some();
        let mut taken = Vec::new();
        let mut d = Design {
            bands: [nothing; BANDS],
            dynamics: [None; BANDS],
            sections: [Section::UNITY; PLACES],
            coefs: [Coefs::new(&Section::UNITY); PLACES],
            places: [0; PLACES],
            starts: [0; BANDS],
            regions: [Region::NOTHING; BANDS],
            groups: [Group { route: Route::All, from: 0, to: 0, dynamic: None }; BANDS],
            group_count: 0,
            kernels: None,
        };
        let mut used = 0;
        for band in 0..BANDS {
            d.starts[band] = used;
            let wanted = Wanted::new(values, band);
            d.regions[band] = wanted.region(format);
            let own = (wanted.shape, wanted.freq, wanted.q);
            let dynamic = Dynamic::new(format, values, band, own, notes);
            let neutral = wanted.is_neutral() && dynamic.is_none();
            let Some(route) = (if neutral { None } else { wanted.route(format, notes) }) else { continue };
            d.dynamics[band] = dynamic;
            let chain = wanted.chain(format, notes);
            for (i, section) in chain.as_slice().iter().enumerate() {
                let place = band * MAX_SECTIONS + i;
                (d.sections[place], d.coefs[place]) = (*section, Coefs::new(section));
            }
            let shape = wanted.shape;
            if kernels && wanted.in_kernel() && dynamic.is_none() {
                d.bands[band] = Band { shape, route, len: 0, tau: 0.0, in_kernel: chain.len };
                taken.push(Taken { route, sections: chain.as_slice().to_vec() });
                continue;
            }
            for i in 0..chain.len {
                d.places[used + i] = (band * MAX_SECTIONS + i) as u8;
            }
            let tau = dynamic.map_or(0.0, |d| d.tau());
            let tau = chain.as_slice().iter().map(Section::time_constant).fold(tau, f64::max);
            d.bands[band] = Band { shape, route, len: chain.len, tau, in_kernel: 0 };
            let dynamic = dynamic.map(|_| band);
            d.join(Group { route, from: used, to: used + chain.len, dynamic });
            used += chain.len;
        }
        (d, taken)
    }

    fn join(&mut self, group: Group) {
        match self.groups[..self.group_count].last_mut() {
            Some(last) if last.route == group.route && group.dynamic.is_none() => last.to = group.to,
            _ => {
                self.groups[self.group_count] = group;
                self.group_count += 1;
            }
        }
    }

    pub fn groups(&self) -> &[Group] {
        &self.groups[..self.group_count]
    }

    /// Places of one band in order.
    pub fn band_places(&self, band: usize) -> &[u8] {
        &self.places[self.starts[band]..][..self.bands[band].len]
    }

    /// True if a band is the same in both designs, bit by bit.
    pub fn same_band(&self, other: &Design, band: usize) -> bool {
        let (a, b) = (&self.bands[band], &other.bands[band]);
        let range = band * MAX_SECTIONS..band * MAX_SECTIONS + a.len;
        a.len == b.len
            && self.dynamics[band] == other.dynamics[band]
            && ((a.len == 0 && self.dynamics[band].is_none())
                || (a.route == b.route && self.coefs[range.clone()] == other.coefs[range]))
    }

    /// True if the kernels are made of the same bands, bit by bit.
    pub fn same_kernels(&self, other: &Design) -> bool {
        (0..BANDS).all(|band| {
            let (a, b) = (&self.bands[band], &other.bands[band]);
            let range = band * MAX_SECTIONS..band * MAX_SECTIONS + a.in_kernel;
            a.in_kernel == b.in_kernel
                && (a.in_kernel == 0
                    || (a.route == b.route && self.sections[range.clone()] == other.sections[range]))
        })
    }

    /// True if what one band has gathered in this design is worth something in the other: the same shape at
    /// the same place, within an octave.
    pub fn alike(&self, other: &Design, band: usize) -> bool {
        let (a, b) = (&self.bands[band], &other.bands[band]);
        let near = |p: &u8| {
            let (f, g) = (self.sections[usize::from(*p)].g, other.sections[usize::from(*p)].g);
            f < 2.0 * g && g < 2.0 * f
        };
        a.len == b.len && a.shape == b.shape && a.route == b.route && self.band_places(band).iter().all(near)
    }

    /// The same of the dynamic parts.
    pub fn dynamics_alike(&self, other: &Design, band: usize) -> bool {
        dynamic::alike(&self.dynamics[band], &other.dynamics[band])
            && self.bands[band].route == other.bands[band].route
    }

    /// Longest time constant of the filters of all bands in frames.
    pub fn time_constant(&self) -> f64 {
        self.bands.iter().map(|b| b.tau).fold(0.0, f64::max)
    }
}

/// What the values ask of one band. Control side.
struct Wanted {
    band: usize,
    on: bool,
    shape: Shape,
    freq: f64,
    gain: f64,
    q: f64,
    order: usize,
    channel: usize,
    cut: f64,
    cut_freq: f64,
    minimum: bool,
}

/// A band further than this from its analog prototype says so, dB.
const NOTED_DB: f64 = 0.1;

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Wanted {
    fn new(values: &Values, band: usize) -> Wanted {
        let get = |p: B| values.get(band_param(band, p));
        let choice = |p: B| values.choice(band_param(band, p));
        let shape = Shape::ALL[choice(B::Shape).min(Shape::ALL.len() - 1)];
        let (gain, q) = (get(B::Gain), get(B::Q));
        let q = match (choice(B::Width), shape) {
            (1, Shape::Bell | Shape::PassiveHigh) => proportional_q(q, gain),
            (2, Shape::LowShelf | Shape::HighShelf) => slope_q(get(B::Slope), gain),
            _ => q,
        };
        Wanted {
            band,
            on: values.on(band_param(band, B::On)),
            shape,
            freq: get(B::Freq),
            gain,
            q,
            order: choice(B::Order).clamp(1, 16),
            channel: choice(B::Channel),
            cut: get(B::Cut),
            cut_freq: get(B::CutFreq),
            minimum: choice(B::Phase) == BAND_MINIMUM,
        }
    }

    /// True if the band follows the unit's phase. An all-pass is nothing but phase and stays what it is.
    fn in_kernel(&self) -> bool {
        !self.minimum && self.shape != Shape::Allpass
    }

    fn is_neutral(&self) -> bool {
        use Shape::*;
        let silent = match self.shape {
            Bell | LowShelf | HighShelf | Tilt | BaxandallLow | BaxandallHigh => self.gain == 0.0,
            PassiveLow | PassiveHigh => self.gain == 0.0 && self.cut == 0.0,
            Highpass | Lowpass | Notch | Bandpass | Allpass | LrHighpass | LrLowpass => false,
        };
        !self.on || silent
    }

    /// Where the band works in this layout; `None` if nowhere.
    fn route(&self, format: &Format, notes: &mut Notes) -> Option<Route> {
        let roles = &format.layout.roles;
        let pairs = !format.layout.pairs().is_empty();
        let (route, found, instead) = match self.channel {
            1 => (Route::Left, roles.iter().any(|r| r.is_left()), None),
            2 => (Route::Right, roles.iter().any(|r| r.is_right()), None),
            3 => (Route::Mid, pairs, Some(Route::All)),
            4 => (Route::Side, pairs, None),
            _ => (Route::All, true, None),
        };
        if found {
            return Some(route);
        }
        let what = if instead.is_some() { "the band works on all channels" } else { "the band does nothing" };
        let asked = B::SPECS[B::Channel as usize].show(self.channel as f64);
        self.note(B::Channel, format!("this layout has no {asked}; {what}"), notes);
        instead
    }

    /// What the band works on.
    fn region(&self, format: &Format) -> Region {
        let route = self.route(format, &mut Notes::default());
        Region::new(self.shape, self.freq, self.q, route, format.rate())
    }

    fn note(&self, p: B, text: String, notes: &mut Notes) {
        notes.0.push(Note { param: band_param(self.band, p), text });
    }

    /// The next Linkwitz–Riley order.
    fn lr_order(&self, notes: &mut Notes) -> usize {
        let order = self.order.next_power_of_two().clamp(2, 16);
        if order != self.order {
            let text = format!("Linkwitz-Riley filters have order 2, 4, 8 or 16; effective {order}");
            self.note(B::Order, text, notes);
        }
        order
    }

    /// The band's sections. `notes` says how far this rate realises it.
    fn chain(&self, format: &Format, notes: &mut Notes) -> Chain {
        let m = self.matched(format.rate(), notes);
        let show = |v: f64| B::SPECS[B::Freq as usize].show(v);
        let real = filters::realised(self.freq, format.rate());
        if self.shape == Shape::Allpass && real < self.freq {
            let text = format!("{} is beyond this rate; effective {}", show(self.freq), show(real));
            self.note(B::Freq, text, notes);
        }
        if m.error_db > NOTED_DB {
            let text = format!("at this rate within {:.1} dB of what is asked", m.error_db);
            self.note(B::Freq, text, notes);
        }
        m.chain
    }

    fn matched(&self, rate: f64, notes: &mut Notes) -> Matched {
        let (f, g, q) = (self.freq, self.gain, self.q);
        match self.shape {
            Shape::Bell => filters::bell(f, g, q, rate),
            Shape::LowShelf => filters::low_shelf(f, g, q, rate),
            Shape::HighShelf => filters::high_shelf(f, g, q, rate),
            Shape::Highpass => filters::highpass(f, self.order, rate),
            Shape::Lowpass => filters::lowpass(f, self.order, rate),
            Shape::Notch => filters::notch(f, q, rate),
            Shape::Bandpass => filters::bandpass(f, q, rate),
            Shape::Allpass => filters::allpass(f, q, rate),
            Shape::Tilt => filters::tilt(f, g, rate),
            Shape::BaxandallLow => filters::baxandall_low(f, g, rate),
            Shape::BaxandallHigh => filters::baxandall_high(f, g, rate),
            Shape::PassiveLow => filters::passive_low(f, g, self.cut, rate),
            Shape::PassiveHigh => filters::passive_high(f, g, q, self.cut_freq, self.cut, rate),
            Shape::LrHighpass => filters::linkwitz_riley_highpass(f, self.lr_order(notes), rate),
            Shape::LrLowpass => filters::linkwitz_riley_lowpass(f, self.lr_order(notes), rate),
        }
    }
}
