//! Calls into components that can be ended while they wait. Their WASI is the engine's own, and it waits in an
//! asynchronous runtime, where neither a tick of the epoch nor a signal reaches it. So such a component
//! runs on a stack of its own (a fibre) on the caller's thread, where a runtime of its own has its timers: when it
//! waits, the caller is back here, and sleeps until what it waits for is there, or somebody rings because it must end;
//! then the fibre is unwound. No other thread has a part in it, and no descriptor is needed.

use crate::onthread;
use std::ffi::c_void;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Builder, Runtime};
use wasmtime::component::{Component, Func, Instance, InstancePre, Linker, Val};
use wasmtime::{Result, format_err};
use wasmtime_c_api::{
    WasmtimeStoreContextMut, WasmtimeStoreData, wasmtime_component_linker_t, wasmtime_component_t,
    wasmtime_error_t,
};
use wasmtime_wasi::WasiView;

/// Where one guest waits.
#[allow(non_camel_case_types)] // As C has it.
pub struct wasmoor_driver_t {
    runtime: Runtime,
    sleeper: Mutex<Option<Waker>>,
}

/// Null if there is no memory for one.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_driver_new() -> Option<Box<wasmoor_driver_t>> {
    // Without I/O, whose descriptors would be of one thread only.
    let runtime = Builder::new_current_thread().enable_time().build().ok()?;
    Some(Box::new(wasmoor_driver_t {
        runtime,
        sleeper: Mutex::new(None),
    }))
}

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_driver_delete(_: Box<wasmoor_driver_t>) {}

/// A guest that waits looks whether it must end. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_driver_ring(driver: &wasmoor_driver_t) {
    let sleeper = driver.sleeper.lock().unwrap().clone();
    if let Some(sleeper) = sleeper {
        sleeper.wake();
    }
}

/// How a guest is driven. Layout shared with extra.h.
#[repr(C)]
pub struct wasmoor_drive_t {
    /// Says whether the guest must end.
    must_stop: extern "C" fn(*mut c_void) -> bool,
    /// Hears when the guest begins to wait, and when it has ended to.
    waits: extern "C" fn(*mut c_void, bool),
    guest: *mut c_void,
    driver: *const wasmoor_driver_t,
    /// What it may have at once of the engine's: descriptors, streams, pollables. Beyond, it traps.
    resources: usize,
}

impl wasmoor_drive_t {
    fn driver(&self) -> &wasmoor_driver_t {
        unsafe { &*self.driver }
    }

    fn look<T>(
        &self,
        future: std::pin::Pin<&mut impl Future<Output = Result<T>>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T>> {
        // First, so that who rings after the look wakes this.
        *self.driver().sleeper.lock().unwrap() = Some(context.waker().clone());
        if (self.must_stop)(self.guest) {
            return Poll::Ready(Err(format_err!("interrupted")));
        }
        future.poll(context)
    }
}

/// Runs `future` to its end on this thread, or until the guest must stop.
fn drive<T>(by: &wasmoor_drive_t, future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    let result = by.driver().runtime.block_on(poll_fn(|context| {
        (by.waits)(by.guest, false);
        let found = by.look(future.as_mut(), context);
        (by.waits)(by.guest, found.is_pending());
        found
    }));
    *by.driver().sleeper.lock().unwrap() = None;
    result
}

/// Calls `func`, driven if `by` says so.
pub(crate) fn call(
    mut context: WasmtimeStoreContextMut<'_>,
    func: &Func,
    params: &[Val],
    results: &mut [Val],
    by: Option<&wasmoor_drive_t>,
) -> Result<()> {
    match by {
        None => func.call(&mut context, params, results),
        Some(by) => drive(by, func.call_async(&mut context, params, results)),
    }
}

fn to_c(result: Result<()>) -> Option<Box<wasmtime_error_t>> {
    result
        .err()
        .map(|error| Box::new(wasmtime_error_t::from(error)))
}

// Both are repr(transparent) round one private field.
const _: () = assert!(size_of::<wasmtime_component_t>() == size_of::<Component>());
const _: () =
    assert!(size_of::<wasmtime_component_linker_t>() == size_of::<Linker<WasmtimeStoreData>>());

/// Adds the engine's WASI 0.2 in the form that driven calls need.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_component_linker_add_driven_wasi(
    linker: &mut wasmtime_component_linker_t,
) -> Option<Box<wasmtime_error_t>> {
    let linker = unsafe { &mut *std::ptr::from_mut(linker).cast::<Linker<WasmtimeStoreData>>() };
    to_c(onthread::add_to_linker(linker))
}

/// Opens what the memories of its instances are mapped from: in the calling thread's table.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_component_open_images(
    component: &wasmtime_component_t,
) -> Option<Box<wasmtime_error_t>> {
    let component = unsafe { &*std::ptr::from_ref(component).cast::<Component>() };
    to_c(component.initialize_copy_on_write_image())
}

/// A component with its imports found.
#[allow(non_camel_case_types)] // As C has it.
pub struct wasmoor_linked_t(InstancePre<WasmtimeStoreData>);

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_component_link(
    linker: &wasmtime_component_linker_t,
    component: &wasmtime_component_t,
    out: &mut *mut wasmoor_linked_t,
) -> Option<Box<wasmtime_error_t>> {
    let linker = unsafe { &*std::ptr::from_ref(linker).cast::<Linker<WasmtimeStoreData>>() };
    let component = unsafe { &*std::ptr::from_ref(component).cast::<Component>() };
    let linked = linker.instantiate_pre(component);
    to_c(linked.map(|linked| *out = Box::into_raw(Box::new(wasmoor_linked_t(linked)))))
}

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_linked_delete(_: Box<wasmoor_linked_t>) {}

/// Instantiates what is linked, driven unless `by` is null.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_component_instantiate(
    linked: &wasmoor_linked_t,
    mut context: WasmtimeStoreContextMut<'_>,
    by: Option<&wasmoor_drive_t>,
    out: &mut Instance,
) -> Option<Box<wasmtime_error_t>> {
    let result = match by {
        None => linked.0.instantiate(&mut context),
        Some(by) => {
            let table = context.data_mut().ctx().table;
            table.set_max_capacity(by.resources);
            drive(by, linked.0.instantiate_async(&mut context))
        }
    };
    to_c(result.map(|instance| *out = instance))
}

/// Calls a function of the type `() -> result`, as wasi:cli/run's is, driven unless `by` is null. `succeeded`
/// is what it returned.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_component_run(
    func: &Func,
    context: WasmtimeStoreContextMut<'_>,
    by: Option<&wasmoor_drive_t>,
    succeeded: &mut bool,
) -> Option<Box<wasmtime_error_t>> {
    let mut results = [Val::Bool(false)];
    let result = call(context, func, &[], &mut results, by);
    *succeeded = matches!(results[0], Val::Result(Ok(_)));
    to_c(result)
}
