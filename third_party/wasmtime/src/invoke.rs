//! Calling a component's export with arguments written in WAVE, the component model's text encoding of
//! values. The C API has the values but not the notation.

use crate::drive::{self, wasmoor_drive_t};
use std::slice;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::wasm_wave::{self, untyped::UntypedFuncCall};
use wasmtime::component::{Component, ComponentExportIndex, Func, Instance, Val};
use wasmtime::{Engine, Result, bail, format_err};
use wasmtime_c_api::{
    WasmtimeStoreContextMut, wasm_byte_vec_t, wasmtime_component_t, wasmtime_error_t,
};

/// Every exported function with this name, at the top or inside an exported interface.
fn find_exports(
    component: &Component,
    engine: &Engine,
    name: &str,
) -> Vec<(String, ComponentExportIndex)> {
    let mut found = Vec::new();
    for (export, item) in component.component_type().exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) if export == name => {
                found.extend(
                    component
                        .get_export_index(None, export)
                        .map(|i| (export.to_string(), i)),
                );
            }
            ComponentItem::ComponentInstance(instance) => {
                let outer = component.get_export_index(None, export);
                for (inner, item) in instance.exports(engine) {
                    if inner == name && matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                        let index = component.get_export_index(outer.as_ref(), inner);
                        found.extend(index.map(|i| (format!("{export}#{inner}"), i)));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn invoke(
    mut context: WasmtimeStoreContextMut<'_>,
    component: &Component,
    instance: &Instance,
    call: &str,
    by: Option<&wasmoor_drive_t>,
) -> Result<String> {
    let call = UntypedFuncCall::parse(call).map_err(|error| {
        format_err!("cannot parse the call {call:?}: {error}; write it as name(argument, ...)")
    })?;
    let engine = context.engine().clone();
    let found = find_exports(component, &engine, call.name());
    let index = match found.as_slice() {
        [(_, index)] => index,
        [] => bail!("the component exports no function '{}'", call.name()),
        many => {
            let names: Vec<_> = many.iter().map(|(name, _)| name.as_str()).collect();
            bail!(
                "several exports are called '{}': {}",
                call.name(),
                names.join(", ")
            )
        }
    };
    let func: Func = instance
        .get_func(&mut context, index)
        .ok_or_else(|| format_err!("export '{}' is not a function", call.name()))?;
    let ty = func.ty(&context);
    let types: Vec<_> = ty.params().map(|(_, ty)| ty).collect();
    let params: Vec<Val> = call
        .to_wasm_params(&types)
        .map_err(|error| format_err!("arguments of '{}': {error}", call.name()))?;
    let mut results = vec![Val::Bool(false); ty.results().len()];
    drive::call(context, &func, &params, &mut results, by)?;
    let shown: std::result::Result<Vec<_>, _> = results.iter().map(wasm_wave::to_string).collect();
    let shown = shown.map_err(|error| format_err!("the result cannot be shown: {error}"))?;
    Ok(match shown.as_slice() {
        [one] => one.clone(),
        many => many.join(", "),
    })
}

/// Calls `name(args)`, driven unless `by` is null, and writes its results, as WAVE text, to `out`.
///
/// # Safety
/// The pointers must be valid as C's usual rules want it; `instance` must be of `component`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmoor_component_invoke(
    context: WasmtimeStoreContextMut<'_>,
    component: &wasmtime_component_t,
    instance: &Instance,
    call: *const u8,
    call_len: usize,
    by: Option<&wasmoor_drive_t>,
    out: &mut wasm_byte_vec_t,
) -> Option<Box<wasmtime_error_t>> {
    // wasmtime_component_t is repr(transparent) round a private Component.
    let component = unsafe { &*std::ptr::from_ref(component).cast::<Component>() };
    let call = unsafe { slice::from_raw_parts(call, call_len) };
    let result = std::str::from_utf8(call)
        .map_err(|_| format_err!("the call is not valid UTF-8"))
        .and_then(|call| invoke(context, component, instance, call, by));
    match result {
        Ok(text) => {
            out.set_buffer(text.into_bytes());
            None
        }
        Err(error) => Some(Box::new(wasmtime_error_t::from(error))),
    }
}
