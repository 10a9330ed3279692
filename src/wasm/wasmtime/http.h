#pragma once

#include <memory>

#include "wasm/wasmtime/component.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::wasm::wasmtime {

// A handler with an engine, a pool and a ticker of its own.
Result<std::unique_ptr<HttpHandler>> MakeHttpHandler(const EngineOptions& engine,
                                                     const ComponentCode& code,
                                                     const HttpOptions& options);

// One that shares the engine that the component was loaded by.
Result<std::unique_ptr<HttpHandler>> MakeHttpHandler(std::shared_ptr<Shared> shared,
                                                     const wasmtime_component_t* component,
                                                     const HttpOptions& options);

}  // namespace wasmoor::wasm::wasmtime
