#include "function/worker/messages.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "function/worker/wire.h"

namespace wasmoor::function {
namespace {

using std::chrono::nanoseconds;

constexpr uint64_t kMostCode = static_cast<uint64_t>(Code::kUnauthenticated);
// Of a trap, as far as it is told.
constexpr size_t kMostFrames = 256, kMostFrameName = 512, kMostText = 256 << 10;
constexpr unsigned kLeastStatus = 100, kMostStatus = 999;
constexpr uint64_t kMostNanoseconds = uint64_t{1} << 62;

std::string_view Cut(std::string_view text, size_t most) { return text.substr(0, most); }

void WriteAllowance(const Allowance& allowance, WireWriter* writer) {
  writer->Number(allowance.millicores);
  writer->Number(allowance.memory_bytes);
  writer->Number(static_cast<uint64_t>(allowance.time.count()));
}

Allowance ReadAllowanceOf(WireReader* reader) {
  Allowance allowance;
  allowance.millicores = static_cast<uint32_t>(reader->Number(UINT32_MAX));
  allowance.memory_bytes = reader->Number();
  allowance.time = std::chrono::milliseconds(reader->Number(kMostNanoseconds));
  return allowance;
}

void WriteError(const Error& error, WireWriter* writer) {
  writer->Number(static_cast<uint64_t>(error.code()));
  writer->Text(Cut(error.message(), kMostText));
}

Error ReadErrorOf(WireReader* reader) {
  auto code = static_cast<Code>(reader->Number(kMostCode));
  if (code == Code::kOk) code = Code::kUnknown;
  return Error(code, std::string(reader->Text()));
}

void WriteTrap(const wasm::Trap& trap, WireWriter* writer) {
  writer->Number(static_cast<uint64_t>(trap.code));
  writer->Text(Cut(trap.message, kMostText));
  writer->Text(Cut(trap.backtrace, kMostText));
  const size_t count = std::min(trap.frames.size(), kMostFrames);
  writer->Number(count);
  for (const wasm::Frame& frame : std::span(trap.frames).first(count)) {
    writer->Number(frame.function_index);
    writer->Number(frame.module_offset);
    writer->Text(Cut(frame.function, kMostFrameName));
  }
}

wasm::Trap ReadTrap(WireReader* reader) {
  wasm::Trap trap;
  trap.code = static_cast<wasm::TrapCode>(
      reader->Number(static_cast<uint64_t>(wasm::TrapCode::kHostFunction)));
  trap.message = reader->Text();
  trap.backtrace = reader->Text();
  trap.frames.resize(reader->Count(3 * sizeof(uint64_t)));
  for (wasm::Frame& frame : trap.frames) {
    frame.function_index = static_cast<uint32_t>(reader->Number(UINT32_MAX));
    frame.module_offset = reader->Number();
    frame.function = reader->Text();
  }
  return trap;
}

// RFC 9110, 5.6.2 and 5.5: what could end a field, or a head, is in neither.
bool IsFieldName(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != kMarks.npos;
  });
}

bool IsFieldValue(std::string_view value) {
  constexpr unsigned char kSpace = 0x20, kDelete = 0x7f;
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return (c >= kSpace && c != kDelete) || c == '\t'; });
}

}  // namespace

// ---- Of a worker.

void Write(const WorkerSetup& setup, std::string* to) {
  WireWriter writer(to);
  writer.Text(setup.key);
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures())
    writer.Number(setup.features.*feature.member ? 1 : 0);
  writer.Number(setup.guests);
  writer.Number(setup.memory_bytes);
  writer.Number(setup.idle_memory_bytes);
  writer.Number(static_cast<uint64_t>(setup.groups));
  writer.Number(setup.jail ? 1 : 0);
  writer.Number(setup.asks_others ? 1 : 0);
}

std::optional<WorkerSetup> ReadWorkerSetup(std::string_view bytes) {
  WireReader reader(bytes);
  WorkerSetup setup;
  setup.key = reader.Text();
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures())
    setup.features.*feature.member = reader.Number(1) == 1;
  setup.guests = static_cast<uint32_t>(reader.Number(UINT32_MAX));
  setup.memory_bytes = reader.Number();
  setup.idle_memory_bytes = reader.Number();
  setup.groups = static_cast<Groups>(reader.Number(static_cast<uint64_t>(Groups::kRequired)));
  setup.jail = reader.Number(1) == 1;
  setup.asks_others = reader.Number(1) == 1;
  if (!reader.done()) return std::nullopt;
  return setup;
}

// ---- Of a function.

void Write(const Ready& function, std::string* to) {
  WireWriter writer(to);
  writer.Text(function.function);
  writer.Text(function.tenant);
  writer.Text(function.name);
  writer.Number(static_cast<uint64_t>(function.kind));
  writer.Texts(function.manifest->arguments);
  writer.Number(function.manifest->reuse.requests);
  writer.Number(static_cast<uint64_t>(function.manifest->reuse.idle.count()));
  writer.Pairs(function.granted->environment);
  writer.Number(function.granted->outgoing.size());
  for (const serve::Destination& one : function.granted->outgoing) {
    writer.Text(one.host);
    writer.Number(one.port);
  }
}

std::shared_ptr<Ready> ReadFunction(std::string_view bytes) {
  WireReader reader(bytes);
  auto function = std::make_shared<Ready>();
  auto manifest = std::make_shared<Manifest>();
  auto granted = std::make_shared<Granted>();
  function->function = reader.Text();
  function->tenant = reader.Text();
  function->name = reader.Text();
  function->kind = static_cast<Kind>(reader.Number(static_cast<uint64_t>(Kind::kLibrary)));
  manifest->arguments = reader.Texts();
  manifest->reuse.requests = static_cast<uint32_t>(reader.Number(UINT32_MAX));
  manifest->reuse.idle = std::chrono::milliseconds(reader.Number(UINT32_MAX));
  granted->environment = reader.Pairs();
  granted->outgoing.resize(reader.Count(2 * sizeof(uint64_t)));
  for (serve::Destination& one : granted->outgoing) {
    one.host = reader.Text();
    one.port = static_cast<uint16_t>(reader.Number(UINT16_MAX));
  }
  if (!reader.done()) return nullptr;
  function->manifest = std::move(manifest);
  function->granted = std::move(granted);
  return function;
}

void Write(const wasi::Preopen& directory, std::string* to) {
  WireWriter writer(to);
  writer.Text(directory.host);
  writer.Text(directory.guest);
  writer.Number(directory.access == wasi::Access::kReadWrite ? 1 : 0);
}

std::optional<wasi::Preopen> ReadDirectory(std::string_view bytes) {
  WireReader reader(bytes);
  wasi::Preopen directory;
  directory.host = reader.Text();
  directory.guest = reader.Text();
  directory.access = reader.Number(1) == 1 ? wasi::Access::kReadWrite : wasi::Access::kReadOnly;
  if (!reader.done()) return std::nullopt;
  return directory;
}

// ---- Of a run.

void Write(uint64_t function, const CommandPlan& plan, const TextPairs& environment,
           std::string* to) {
  WireWriter writer(to);
  writer.Number(function);
  WriteAllowance(plan.allowance, &writer);
  writer.Texts(plan.arguments);
  writer.Text(plan.invocation.function);
  writer.Texts(plan.invocation.arguments);
  writer.Number(plan.invocation.bytes ? 1 : 0);
  writer.Text(plan.invocation.bytes.value_or(std::string()));
  writer.Pairs(environment);
}

std::optional<ProgramOrder> ReadProgramOrder(std::string_view bytes) {
  WireReader reader(bytes);
  ProgramOrder order;
  order.function = reader.Number();
  order.allowance = ReadAllowanceOf(&reader);
  order.arguments = reader.Texts();
  order.invocation.function = reader.Text();
  order.invocation.arguments = reader.Texts();
  const bool has_bytes = reader.Number(1) == 1;
  const std::string_view text = reader.Text();
  if (has_bytes) order.invocation.bytes = text;
  order.environment = reader.Pairs();
  if (!reader.done()) return std::nullopt;
  return order;
}

void Write(uint64_t function, const ComponentRun::Plan& plan, std::string* to) {
  WireWriter writer(to);
  writer.Number(function);
  WriteAllowance(plan.allowance, &writer);
  writer.Text(plan.method);
  writer.Text(plan.target);
  writer.Number(plan.has_body ? 1 : 0);
  writer.Number(plan.fields.size());
  for (const wasm::HttpField& field : plan.fields) {
    writer.Text(field.name);
    writer.Text(field.value);
  }
}

std::optional<ComponentOrder> ReadComponentOrder(std::string_view bytes) {
  WireReader reader(bytes);
  ComponentOrder order;
  order.function = reader.Number();
  order.allowance = ReadAllowanceOf(&reader);
  order.method = reader.Text();
  order.target = reader.Text();
  order.has_body = reader.Number(1) == 1;
  order.fields.resize(reader.Count(2 * sizeof(uint64_t)));
  for (wasm::HttpField& field : order.fields) {
    field.name = reader.Text();
    field.value = reader.Text();
  }
  if (!reader.done()) return std::nullopt;
  return order;
}

void Write(const ReplyHead& head, std::string* to) {
  WireWriter writer(to);
  writer.Number(head.status);
  writer.Pairs(head.fields);
}

std::optional<ReplyHead> ReadHead(std::string_view bytes) {
  WireReader reader(bytes);
  ReplyHead head;
  head.status = static_cast<unsigned>(reader.Number(kMostStatus));
  head.fields = reader.Pairs();
  if (!reader.done() || head.status < kLeastStatus) return std::nullopt;
  for (const auto& [name, value] : head.fields) {
    if (!IsFieldName(name) || !IsFieldValue(value)) return std::nullopt;
  }
  return head;
}

void Write(const RunResult& result, std::string* to) {
  WireWriter writer(to);
  writer.Number(static_cast<uint64_t>(result.cpu_time.count()));
  writer.Number(static_cast<uint64_t>(result.wall_time.count()));
  writer.Number(result.usage.memory_bytes);
  writer.Number(result.usage.table_elements);
  writer.Number(result.usage.memory_refusals);
  writer.Number(result.exit ? 1 : 0);
  if (!result.exit) return WriteError(result.exit.error(), &writer);
  writer.Number(static_cast<uint64_t>(result.exit->kind));
  writer.Number(static_cast<uint32_t>(result.exit->code));
  writer.Number(static_cast<uint32_t>(result.exit->signal));
  if (result.exit->kind == wasm::Exit::Kind::kTrapped) WriteTrap(result.exit->trap, &writer);
}

std::optional<RunResult> ReadRunResult(std::string_view bytes) {
  WireReader reader(bytes);
  RunResult result;
  result.cpu_time = nanoseconds(reader.Number(kMostNanoseconds));
  result.wall_time = nanoseconds(reader.Number(kMostNanoseconds));
  result.usage.memory_bytes = reader.Number();
  result.usage.table_elements = reader.Number();
  result.usage.memory_refusals = reader.Number();
  if (reader.Number(1) == 0) {
    result.exit = tl::unexpected(ReadErrorOf(&reader));
  } else {
    result.exit->kind = static_cast<wasm::Exit::Kind>(
        reader.Number(static_cast<uint64_t>(wasm::Exit::Kind::kSignaled)));
    result.exit->code = static_cast<int32_t>(reader.Number(UINT32_MAX));
    result.exit->signal = static_cast<int>(reader.Number(UINT32_MAX));
    if (result.exit->kind == wasm::Exit::Kind::kTrapped) result.exit->trap = ReadTrap(&reader);
  }
  if (!reader.done()) return std::nullopt;
  return result;
}

void AppendRest(std::string_view bytes, BodyOut::State state, std::string* to) {
  const std::array<uint64_t, 2> head = {bytes.size(), state == BodyOut::State::kBroken ? 1U : 0U};
  to->append(reinterpret_cast<const char*>(head.data()), sizeof head);
  *to += bytes;
}

std::optional<Rest> TakeRest(std::string_view* from) {
  std::array<uint64_t, 2> head = {};
  if (from->size() < sizeof head) return std::nullopt;
  std::memcpy(head.data(), from->data(), sizeof head);
  from->remove_prefix(sizeof head);
  if (head[0] > from->size() || head[1] > 1) return std::nullopt;
  const Rest rest{.bytes = from->substr(0, head[0]), .broke_off = head[1] == 1};
  from->remove_prefix(rest.bytes.size());
  return rest;
}

void Write(const Error& error, std::string* to) {
  WireWriter writer(to);
  WriteError(error, &writer);
}

std::optional<Error> ReadError(std::string_view bytes) {
  WireReader reader(bytes);
  Error error = ReadErrorOf(&reader);
  if (!reader.done()) return std::nullopt;
  return error;
}

}  // namespace wasmoor::function
