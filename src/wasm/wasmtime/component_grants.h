#pragma once

#include "wasm/wasmtime/handles.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::wasm::wasmtime {

// kInvalidArgument for what the engine's WASI cannot be told: text with a NUL in it.
Status CheckStrings(const wasi::Grants& grants);

// Adds the directories, which are opened anew, to what a component is to be given.
Status GrantDirectories(const wasi::Grants& grants, wasi_config_t* config);

}  // namespace wasmoor::wasm::wasmtime
