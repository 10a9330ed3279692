//! Limits on the sum of what a store holds. The C API's limiter counts every memory by itself, so a
//! module with a hundred memories would get a hundred times its limit.

use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::{Error, ResourceLimiter, Result};
use wasmtime_c_api::{WasmtimeStore, wasmtime_store_t};

/// What several stores together may have in memories, in C's hands. Any thread.
#[repr(C)]
pub struct wasmoor_memory_pool_t {
    used: AtomicU64,
    max: AtomicU64,
    /// Of which it is a part; null: of none.
    above: *const wasmoor_memory_pool_t,
    /// The most that was ever used.
    peak: AtomicU64,
}

impl wasmoor_memory_pool_t {
    fn above(&self) -> Option<&wasmoor_memory_pool_t> {
        unsafe { self.above.as_ref() }
    }

    fn take(&self, bytes: u64) -> bool {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = bytes <= self.max.load(Ordering::Relaxed).saturating_sub(used)
            && self.above().is_none_or(|above| above.take(bytes));
        if fits {
            self.peak.fetch_max(used + bytes, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(above) = self.above() {
            above.give_back(bytes);
        }
    }
}

/// Limits and use of one store, in C's hands. Sizes in bytes. Read and written on the store's thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasmoor_limits_t {
    memory_max: u64,
    table_elements_max: u64,
    instances_max: u64,
    memories_max: u64,
    tables_max: u64,
    memory_used: u64,
    table_elements_used: u64,
    memory_refused: u64,
    last_growth: u64,
    /// What it shares with others; null: with nobody. What it has of that, its owner gives back.
    pool: *const wasmoor_memory_pool_t,
}

// What it points to is atomic, and there for as long as this is.
unsafe impl Send for wasmoor_limits_t {}
unsafe impl Sync for wasmoor_limits_t {}

impl wasmoor_limits_t {
    fn pool(&self) -> Option<&wasmoor_memory_pool_t> {
        unsafe { self.pool.as_ref() }
    }

    /// Of a store that is gone.
    pub(crate) fn give_back(&mut self) {
        self.leave_pool();
        self.memory_used = 0;
    }

    /// What the store has is counted nowhere until it is moved under other limits.
    pub(crate) fn leave_pool(&mut self) {
        if let Some(pool) = self.pool() {
            pool.give_back(self.memory_used);
        }
        self.pool = std::ptr::null();
    }

    /// A store that has left its pool comes under `other`, with what it has. False: that is more than `other` allows.
    pub(crate) fn move_under(&mut self, other: wasmoor_limits_t) -> bool {
        let fits = self.memory_used <= other.memory_max
            && self.table_elements_used <= other.table_elements_max
            && other.pool().is_none_or(|pool| pool.take(self.memory_used));
        if fits {
            *self = wasmoor_limits_t {
                memory_used: self.memory_used,
                table_elements_used: self.table_elements_used,
                ..other
            };
        }
        fits
    }

    pub(crate) fn memory_used(&self) -> u64 {
        self.memory_used
    }

    pub(crate) fn memory_max(&self) -> u64 {
        self.memory_max
    }
}

impl ResourceLimiter for wasmoor_limits_t {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        self.last_growth = 0;
        let allowed = maximum.is_none_or(|maximum| desired <= maximum)
            && growth <= self.memory_max.saturating_sub(self.memory_used)
            && self.pool().is_none_or(|pool| pool.take(growth));
        if allowed {
            self.memory_used += growth;
            self.last_growth = growth;
        } else {
            self.memory_refused += 1;
        }
        Ok(allowed)
    }

    // Also called for a growth that memory_growing was never asked about, because it is more than the
    // memory's type can hold. Taking the last one off then, which succeeded, would give the guest
    // room for nothing.
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.memory_refused += 1;
        if !error.to_string().contains("memory type's limits") {
            self.memory_used -= self.last_growth;
            if let Some(pool) = self.pool() {
                pool.give_back(self.last_growth);
            }
            self.last_growth = 0;
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let allowed = maximum.is_none_or(|maximum| desired <= maximum)
            && growth
                <= self
                    .table_elements_max
                    .saturating_sub(self.table_elements_used);
        if allowed {
            self.table_elements_used += growth;
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        self.instances_max as usize
    }

    fn memories(&self) -> usize {
        self.memories_max as usize
    }

    fn tables(&self) -> usize {
        self.tables_max as usize
    }
}

struct Shared(*mut wasmoor_limits_t);
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    // A method, so that a closure captures the whole wrapper and with it the two impls above.
    fn get(&self) -> *mut wasmoor_limits_t {
        self.0
    }
}

/// Puts a store under `limits`, which the caller owns and keeps until the store is deleted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmoor_store_limit(
    store: &mut wasmtime_store_t,
    limits: *mut wasmoor_limits_t,
) {
    // wasmtime_store_t is a repr(C) struct of one private field.
    const _: () = assert!(size_of::<wasmtime_store_t>() == size_of::<WasmtimeStore>());
    let store = unsafe { &mut *std::ptr::from_mut(store).cast::<WasmtimeStore>() };
    let limits = Shared(limits);
    store.limiter(move |_| unsafe { &mut *limits.get() });
}
