#include <array>
#include <type_traits>
#include <utility>

#include "wasi/functions.h"
#include "wasmoor/wasi/context.h"

namespace wasmoor::wasi {
namespace {

using hostcall::Outcome;
using hostcall::Value;
using hostcall::ValueType;

template <typename T>
constexpr ValueType TypeOf() {
  static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  return sizeof(T) == 4 ? ValueType::kI32 : ValueType::kI64;
}

// An i32 that becomes an unsigned 32-bit parameter is zero-extended wherever it is used from there
// on.
template <typename T>
T ValueOf(const Value& value) {
  if constexpr (sizeof(T) == 4)
    return static_cast<T>(value.i32);
  else
    return static_cast<T>(value.i64);
}

// What stands between an engine's frame and a function of preview 1.
template <auto kFunction>
struct Border;

template <typename... Params, Reply (*kFunction)(Context&, Call&, Params...)>
struct Border<kFunction> {
  static Outcome Cross(void* context, Call& call) {
    // A guest that calls without end but never blocks is told here.
    if (call.interrupt.requested()) return Outcome::kStopped;
    return Invoke(*static_cast<Context*>(context), call, std::index_sequence_for<Params...>());
  }

  static hostcall::Function Describe(std::string_view name) {
    return {"wasi_snapshot_preview1", name, {{TypeOf<Params>()...}, {ValueType::kI32}}, Cross};
  }

 private:
  template <size_t... kIndex>
  static Outcome Invoke(Context& context, Call& call, std::index_sequence<kIndex...>) {
    const Reply reply = kFunction(context, call, ValueOf<Params>(call.frame[kIndex])...);
    if (reply.outcome() != Outcome::kReturned) return reply.outcome();
    return call.Return(static_cast<int32_t>(reply.error()));
  }
};

using Functions = std::array<hostcall::Function, 46>;

Functions Describe() {
  Functions functions = {
      Border<ArgsGet>::Describe("args_get"),
      Border<ArgsSizesGet>::Describe("args_sizes_get"),
      Border<ClockResGet>::Describe("clock_res_get"),
      Border<ClockTimeGet>::Describe("clock_time_get"),
      Border<EnvironGet>::Describe("environ_get"),
      Border<EnvironSizesGet>::Describe("environ_sizes_get"),
      Border<FdAdvise>::Describe("fd_advise"),
      Border<FdAllocate>::Describe("fd_allocate"),
      Border<FdClose>::Describe("fd_close"),
      Border<FdDatasync>::Describe("fd_datasync"),
      Border<FdFdstatGet>::Describe("fd_fdstat_get"),
      Border<FdFdstatSetFlags>::Describe("fd_fdstat_set_flags"),
      Border<FdFdstatSetRights>::Describe("fd_fdstat_set_rights"),
      Border<FdFilestatGet>::Describe("fd_filestat_get"),
      Border<FdFilestatSetSize>::Describe("fd_filestat_set_size"),
      Border<FdFilestatSetTimes>::Describe("fd_filestat_set_times"),
      Border<FdPread>::Describe("fd_pread"),
      Border<FdPrestatDirName>::Describe("fd_prestat_dir_name"),
      Border<FdPrestatGet>::Describe("fd_prestat_get"),
      Border<FdPwrite>::Describe("fd_pwrite"),
      Border<FdRead>::Describe("fd_read"),
      Border<FdReaddir>::Describe("fd_readdir"),
      Border<FdRenumber>::Describe("fd_renumber"),
      Border<FdSeek>::Describe("fd_seek"),
      Border<FdSync>::Describe("fd_sync"),
      Border<FdTell>::Describe("fd_tell"),
      Border<FdWrite>::Describe("fd_write"),
      Border<PathCreateDirectory>::Describe("path_create_directory"),
      Border<PathFilestatGet>::Describe("path_filestat_get"),
      Border<PathFilestatSetTimes>::Describe("path_filestat_set_times"),
      Border<PathLink>::Describe("path_link"),
      Border<PathOpen>::Describe("path_open"),
      Border<PathReadlink>::Describe("path_readlink"),
      Border<PathRemoveDirectory>::Describe("path_remove_directory"),
      Border<PathRename>::Describe("path_rename"),
      Border<PathSymlink>::Describe("path_symlink"),
      Border<PathUnlinkFile>::Describe("path_unlink_file"),
      Border<PollOneoff>::Describe("poll_oneoff"),
      Border<ProcExit>::Describe("proc_exit"),
      Border<ProcRaise>::Describe("proc_raise"),
      Border<RandomGet>::Describe("random_get"),
      Border<SchedYield>::Describe("sched_yield"),
      Border<SockAccept>::Describe("sock_accept"),
      Border<SockRecv>::Describe("sock_recv"),
      Border<SockSend>::Describe("sock_send"),
      Border<SockShutdown>::Describe("sock_shutdown"),
  };
  for (hostcall::Function& function : functions) {
    if (function.name == "proc_exit") function.signature.results.clear();
  }
  return functions;
}

}  // namespace

std::span<const hostcall::Function> Preview1() {
  static const Functions kFunctions = Describe();
  return kFunctions;
}

}  // namespace wasmoor::wasi
