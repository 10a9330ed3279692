#pragma once

#include <memory>

#include "wasm/wasmtime/component.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::wasm::wasmtime {

// A handler with an engine, a pool and a ticker of its own.
Result<std::unique_ptr<HttpHandler>> MakeHttpHandler(const EngineOptions& engine,
                                                     const ComponentCode& code,
                                                     const HttpOptions& options);

}  // namespace wasmoor::wasm::wasmtime
