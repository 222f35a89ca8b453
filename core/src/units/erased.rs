// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kinds and units without their types, so that a rack can hold any of them in one list.

use std::any::Any;
use std::marker::PhantomData;

use super::{Block, Format, Kind, Notes, Place, Readings, Refusal, SlotParam, Unit, UnitSpec};
use crate::param::{ParamSpec, ParamTable, Values};

/// A [`Kind`] as the catalog lists it. Control side.
pub trait AnyKind: Sync {
    fn spec(&self) -> &'static UnitSpec;
    /// The whole table of a slot with this unit: the unit's own lines, then [`SlotParam`].
    fn table(&self) -> ParamTable;
    /// What it lets one listen to; see [`Kind::listen`].
    fn listen(&self) -> Option<ParamSpec>;
    /// Where in a rack it may stand.
    fn place(&self) -> Place;
    /// A boxed `Option<Parts>` for [`AnyUnit::exchange`].
    fn design(
        &self,
        format: &Format,
        values: &Values,
        notes: &mut Notes,
    ) -> Result<Box<dyn Any + Send>, Refusal>;
    /// Designs and builds.
    fn build(&self, format: &Format, values: &Values, notes: &mut Notes)
    -> Result<Box<dyn AnyUnit>, Refusal>;
    fn time_constant(&self, format: &Format, values: &Values) -> f64;
    fn designs_long(&self, values: &Values) -> bool;
}

/// A [`Unit`] of any type. Audio thread.
pub trait AnyUnit: Send {
    /// Exchanges the `Option<Parts>` in the box; parts of another unit are left alone.
    fn exchange(&mut self, parts: &mut (dyn Any + Send), at: usize);
    fn process(&mut self, block: &mut Block<'_>);
    fn reset(&mut self);
    fn latency(&self) -> usize;
    fn readings(&self, out: &mut Readings);
}

impl<U: Unit> AnyUnit for U {
    fn exchange(&mut self, parts: &mut (dyn Any + Send), at: usize) {
        if let Some(parts) = parts.downcast_mut::<Option<U::Parts>>() {
            Unit::exchange(self, parts, at);
        }
    }
    fn process(&mut self, block: &mut Block<'_>) {
        Unit::process(self, block);
    }
    fn reset(&mut self) {
        Unit::reset(self);
    }
    fn latency(&self) -> usize {
        Unit::latency(self)
    }
    fn readings(&self, out: &mut Readings) {
        Unit::readings(self, out);
    }
}

/// The catalog's entry for one kind.
pub struct Erased<K>(PhantomData<fn() -> K>);

impl<K: Kind> Erased<K> {
    pub const NEW: Self = Erased(PhantomData);
    const SPEC: &'static UnitSpec = &K::SPEC;
}

#[allow(clippy::disallowed_methods, reason = "control half")]
impl<K: Kind> AnyKind for Erased<K> {
    fn spec(&self) -> &'static UnitSpec {
        Self::SPEC
    }
    fn table(&self) -> ParamTable {
        Self::SPEC.own_params().and(SlotParam::SPECS)
    }
    fn listen(&self) -> Option<ParamSpec> {
        K::listen()
    }
    fn place(&self) -> Place {
        K::place()
    }
    fn design(
        &self,
        format: &Format,
        values: &Values,
        notes: &mut Notes,
    ) -> Result<Box<dyn Any + Send>, Refusal> {
        Ok(Box::new(Some(K::design(format, values, notes)?)))
    }
    fn build(
        &self,
        format: &Format,
        values: &Values,
        notes: &mut Notes,
    ) -> Result<Box<dyn AnyUnit>, Refusal> {
        let parts = K::design(format, values, notes)?;
        Ok(Box::new(K::build(format, values, parts)?))
    }
    fn time_constant(&self, format: &Format, values: &Values) -> f64 {
        K::time_constant(format, values)
    }
    fn designs_long(&self, values: &Values) -> bool {
        K::designs_long(values)
    }
}
