//! Calls into components that can be ended while they wait. Their WASI is the engine's own, and it waits in an
//! asynchronous runtime, where neither a tick of the epoch nor a signal reaches it. So such a component
//! runs on a stack of its own (a fibre) on the caller's thread: when it waits, the caller is back here, looks
//! at every tick whether the guest must end, and unwinds the fibre if so.

use std::ffi::c_void;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::component::{Component, Func, Instance, Linker, Val};
use wasmtime::{Result, bail};
use wasmtime_c_api::{
    WasmtimeStoreContextMut, WasmtimeStoreData, wasmtime_component_linker_t, wasmtime_component_t,
    wasmtime_error_t,
};
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

/// Who says when a waiting guest must end. Layout shared with extra.h.
#[repr(C)]
pub struct wasmoor_drive_t {
    must_stop: extern "C" fn(*mut c_void) -> bool,
    guest: *mut c_void,
    tick_microseconds: u64,
}

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs `future` to its end on this thread, or until the guest must stop.
fn drive<T>(by: &wasmoor_drive_t, future: impl Future<Output = Result<T>>) -> Result<T> {
    with_ambient_tokio_runtime(|| {
        let unpark = Arc::new(Unpark {
            thread: thread::current(),
            woken: AtomicBool::new(true),
        });
        let waker = Waker::from(unpark.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if unpark.woken.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
                    return result;
                }
            }
            if (by.must_stop)(by.guest) {
                bail!("interrupted");
            }
            if !unpark.woken.load(Ordering::Acquire) {
                thread::park_timeout(Duration::from_micros(by.tick_microseconds));
            }
        }
    })
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
    to_c(wasmtime_wasi::p2::add_to_linker_async(linker))
}

/// Instantiates `component`, driven unless `by` is null.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_component_instantiate(
    linker: &wasmtime_component_linker_t,
    mut context: WasmtimeStoreContextMut<'_>,
    component: &wasmtime_component_t,
    by: Option<&wasmoor_drive_t>,
    out: &mut Instance,
) -> Option<Box<wasmtime_error_t>> {
    let linker = unsafe { &*std::ptr::from_ref(linker).cast::<Linker<WasmtimeStoreData>>() };
    let component = unsafe { &*std::ptr::from_ref(component).cast::<Component>() };
    let result = match by {
        None => linker.instantiate(&mut context, component),
        Some(by) => drive(by, linker.instantiate_async(&mut context, component)),
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
