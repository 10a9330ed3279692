#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "function/command_run.h"
#include "function/component_run.h"
#include "function/reply.h"
#include "function/run.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/wasm/options.h"

// What is in the frames between the server and a worker, as values. What Read… returns nothing for
// is nonsense.
namespace wasmoor::function {

using TextPairs = std::vector<std::pair<std::string, std::string>>;

// How a worker is to be.
struct WorkerSetup {
  std::string key;  // Whose functions it runs.
  wasm::Features features;
  uint32_t guests = 0;             // With threads of their own, at once.
  uint64_t memory_bytes = 0;       // Of all its guests.
  uint64_t idle_memory_bytes = 0;  // Of instances between two requests, besides.
  Groups groups = Groups::kAuto;
  bool jail = true;
  bool asks_others = false;  // Its guests may make connections.
};
void Write(const WorkerSetup& setup, std::string* to);
std::optional<WorkerSetup> ReadWorkerSetup(std::string_view bytes);

// A function, but for its code and its directories, which are descriptors.
void Write(const Ready& function, std::string* to);
std::shared_ptr<Ready> ReadFunction(std::string_view bytes);

// One of its directories.
void Write(const wasi::Preopen& directory, std::string* to);
std::optional<wasi::Preopen> ReadDirectory(std::string_view bytes);

// What a run is begun with.
struct ProgramOrder {
  uint64_t function = 0;
  Allowance allowance;
  std::vector<std::string> arguments;
  wasm::Invocation invocation;
  TextPairs environment;
};
void Write(uint64_t function, const CommandPlan& plan, const TextPairs& environment,
           std::string* to);
std::optional<ProgramOrder> ReadProgramOrder(std::string_view bytes);

// Views hold as long as the bytes.
struct ComponentOrder {
  uint64_t function = 0;
  Allowance allowance;
  std::string_view method, target;
  std::vector<wasm::HttpField> fields;
  bool has_body = false;
};
void Write(uint64_t function, const ComponentRun::Plan& plan, std::string* to);
std::optional<ComponentOrder> ReadComponentOrder(std::string_view bytes);

void Write(const ReplyHead& head, std::string* to);
std::optional<ReplyHead> ReadHead(std::string_view bytes);

// How a run ended, but for what the function returned. What would be too much for a frame is cut.
void Write(const RunResult& result, std::string* to);
std::optional<RunResult> ReadRunResult(std::string_view bytes);

// Output that a run has left at its end, which its result follows.
struct Rest {
  std::string_view bytes;
  bool broke_off = false;  // There would have been more.
};
void AppendRest(std::string_view bytes, BodyOut::State state, std::string* to);
std::optional<Rest> TakeRest(std::string_view* from);

void Write(const Error& error, std::string* to);
std::optional<Error> ReadError(std::string_view bytes);

}  // namespace wasmoor::function
