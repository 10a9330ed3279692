#include "container/program_source.h"

#include <fcntl.h>

#include <array>
#include <span>

#include "container/finder.h"
#include "wasmoor/container/executor.h"
#include "wasmoor/os/file.h"

namespace wasmoor::container {
namespace {

bool IsWasm(const ProgramFile& program) {
  std::array<uint8_t, kHeadBytes> head;
  const auto size = os::ReadAt(program.file, head, 0);
  return size && LooksLikeWasm(program.path, std::span(head).first(*size));
}

// Why a program that is none was tried, and what to do.
std::string Advice(const jail::ProgramRequest& request, const std::string& path) {
  if (!request.is_first)
    return "the container is one of WebAssembly, in which nothing else runs: its processes have a "
           "guest's rights; exec a .wasm file of its root filesystem";
  return fmt::format(
      "the container is marked as WebAssembly by its annotation {}: give it a .wasm file, or "
      "remove "
      "the annotation",
      MarkingAnnotation(request.spec.annotations, path));
}

// A file that is given is given with its name.
Result<ProgramFile> FindOrTake(const jail::ProgramRequest& request, const Entrypoint& entry) {
  if (request.file == nullptr) return FindProgram(request, entry.path);
  // A descriptor of its own: another may read from this one, too.
  const std::string again = fmt::format("/proc/thread-self/fd/{}", request.file->get());
  return ProgramFile{
      .path = entry.path,
      .file = TRY_AS(os::OpenAt(os::Fd(), again.c_str(), O_RDONLY), "{}", entry.path)};
}

}  // namespace

Result<program::Source> OpenProgram(const jail::ProgramRequest& request, const Entrypoint& entry) {
  ProgramFile found = TRY(FindOrTake(request, entry));
  auto source = program::TakeSource(found.path, std::move(found.file));
  if (source) return source;
  return Fail(source.error().code(), "{} ({})", source.error().message(),
              Advice(request, entry.path));
}

Result<bool> IsForWasm(const jail::ProgramRequest& request) {
  if (request.process.args.empty()) return false;
  if (!request.is_first && request.made_by == WasmExecutor::kName) return true;
  const Entrypoint entry = ParseEntrypoint(request.process.args.front());
  if (request.is_first) {
    const Mark mark = MarkOf(request.spec.annotations, entry.path);
    if (mark != Mark::kNone) return mark == Mark::kWasm;
  }
  return IsWasm(TRY(FindOrTake(request, entry)));
}

}  // namespace wasmoor::container
