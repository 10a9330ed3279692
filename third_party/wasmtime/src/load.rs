//! Mapping precompiled code from a file that is already open, so that what was verified is what runs.

use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};
use wasmtime::{Engine, Module};
use wasmtime_c_api::{wasm_engine_t, wasmtime_error_t, wasmtime_module_t};

const _: () = assert!(size_of::<wasmtime_module_t>() == size_of::<Module>());

/// Maps the module serialized in the file `fd`, which is borrowed: it is duplicated here.
///
/// # Safety
/// The file's content is native code: it must come from this engine's compiler, unaltered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmoor_module_deserialize_fd(
    engine: &wasm_engine_t,
    fd: RawFd,
    out: &mut *mut wasmtime_module_t,
) -> Option<Box<wasmtime_error_t>> {
    let engine = unsafe { &*std::ptr::from_ref(engine).cast::<Engine>() };
    let borrowed = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    let result = borrowed
        .try_clone()
        .map_err(wasmtime::Error::from)
        .and_then(|file| unsafe { Module::deserialize_open_file(engine, file) });
    match result {
        Ok(module) => {
            *out = Box::into_raw(Box::new(module)).cast::<wasmtime_module_t>();
            None
        }
        Err(error) => Some(Box::new(wasmtime_error_t::from(error))),
    }
}
