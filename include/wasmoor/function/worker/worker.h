#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/function/server.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasm/engine.h"

// Functions in processes of their own: a worker for all functions of a tenant, and one for each
// function that has none. It is this very executable, started again, with no right but to run what
// the server gives it: code from the server's cache and the directories that were granted, all as
// descriptors. The server reads, admits, limits and answers requests as ever; only their guests run
// elsewhere. A worker is not trusted: what it says is checked, and one that talks nonsense, or
// dies, takes what runs in it along and nobody else's.
namespace wasmoor::function {

// What the engines of a server and of its workers are made with, which so have the same code.
wasm::EngineOptions FunctionEngineOptions(const wasm::Features& features, uint32_t guests,
                                          std::shared_ptr<const hostcall::Table> host);

// For ServerParts::workers. `words` start this executable as a worker: [0] is the name it goes by,
// and RunWorker is what it must call then.
ServerParts::MakeWorkers WorkersOf(std::vector<std::string> words, wasm::Features features);

// The worker's side: what this process returns as its exit status.
int RunWorker(const wasm::EngineFactory& engine);

}  // namespace wasmoor::function
