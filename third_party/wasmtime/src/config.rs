//! Engine configuration that the C API does not reach.

use wasmtime::{Config, Engine, WasmBacktraceDetails};
use wasmtime_c_api::{wasm_config_t, wasm_engine_t, wasmtime_error_t};

// wasm_config_t and wasm_engine_t are repr(C) structs of one field each, which is private there.
const _: () = assert!(size_of::<wasm_config_t>() == size_of::<Config>());
const _: () = assert!(size_of::<wasm_engine_t>() == size_of::<Engine>());

fn inner(config: &mut wasm_config_t) -> &mut Config {
    unsafe { &mut *std::ptr::from_mut(config).cast::<Config>() }
}

/// An engine that only runs precompiled code: it starts without setting a compiler up.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_config_no_compiler(config: &mut wasm_config_t) {
    inner(config).enable_compiler(false);
}

/// Whether backtraces name source files and lines where the module carries DWARF. Unset, the engine
/// asks an environment variable, which is not the guest's operator speaking.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_config_backtrace_details(config: &mut wasm_config_t, enable: bool) {
    inner(config).wasm_backtrace_details(if enable {
        WasmBacktraceDetails::Enable
    } else {
        WasmBacktraceDetails::Disable
    });
}

/// Like `wasm_engine_new_with_config`, which aborts the process where this returns an error.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_engine_new(
    config: Box<wasm_config_t>,
    out: &mut *mut wasm_engine_t,
) -> Option<Box<wasmtime_error_t>> {
    let mut config = config;
    match Engine::new(inner(&mut config)) {
        Ok(engine) => {
            *out = Box::into_raw(Box::new(engine)).cast::<wasm_engine_t>();
            None
        }
        Err(error) => Some(Box::new(wasmtime_error_t::from(error))),
    }
}
