#include <sched.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "wasi/functions.h"

namespace wasmoor::wasi {
namespace {

// Preview 1's signals in its order, with the action that it says each has (typenames.witx,
// $signal).
enum class Action : uint8_t { kTerminate, kIgnore, kStop };
struct Signal {
  int number;
  Action action;
};
constexpr std::array<Signal, 31> kSignals = {{
    {0, Action::kIgnore},          {SIGHUP, Action::kTerminate},    {SIGINT, Action::kTerminate},
    {SIGQUIT, Action::kTerminate}, {SIGILL, Action::kTerminate},    {SIGTRAP, Action::kTerminate},
    {SIGABRT, Action::kTerminate}, {SIGBUS, Action::kTerminate},    {SIGFPE, Action::kTerminate},
    {SIGKILL, Action::kTerminate}, {SIGUSR1, Action::kTerminate},   {SIGSEGV, Action::kTerminate},
    {SIGUSR2, Action::kTerminate}, {SIGPIPE, Action::kIgnore},      {SIGALRM, Action::kTerminate},
    {SIGTERM, Action::kTerminate}, {SIGCHLD, Action::kIgnore},      {SIGCONT, Action::kIgnore},
    {SIGSTOP, Action::kStop},      {SIGTSTP, Action::kStop},        {SIGTTIN, Action::kStop},
    {SIGTTOU, Action::kStop},      {SIGURG, Action::kIgnore},       {SIGXCPU, Action::kTerminate},
    {SIGXFSZ, Action::kTerminate}, {SIGVTALRM, Action::kTerminate}, {SIGPROF, Action::kTerminate},
    {SIGWINCH, Action::kIgnore},   {SIGPOLL, Action::kTerminate},   {SIGPWR, Action::kTerminate},
    {SIGSYS, Action::kTerminate},
}};

// getrandom(2) is not interrupted within 256 bytes; in larger pieces a signal ends a piece.
constexpr uint64_t kRandomPiece = 1 << 20;

}  // namespace

Reply ProcExit(Context&, Call& call, uint32_t code) {
  return call.Exit(static_cast<int32_t>(code));
}

Reply ProcRaise(Context&, Call& call, uint32_t signal) {
  if (signal >= kSignals.size()) return Errno::kInval;
  switch (kSignals[signal].action) {
    case Action::kTerminate: return call.Raise(kSignals[signal].number);
    case Action::kIgnore: return Errno::kSuccess;
    case Action::kStop: return Errno::kNotsup;  // Nobody could continue it.
  }
  return Errno::kInval;
}

Reply SchedYield(Context&, Call&) {
  sched_yield();  // sched_yield(2): always succeeds on Linux.
  return Errno::kSuccess;
}

Reply RandomGet(Context&, Call& call, Ptr buffer, Size length) {
  uint8_t* out = call.memory.At(buffer, length);
  if (out == nullptr) return Errno::kFault;
  for (uint64_t filled = 0; filled < length;) {
    const uint64_t piece = std::min(length - filled, kRandomPiece);
    int64_t count = 0;
    const Reply reply =
        Interruptible(call, [&] { return getrandom(out + filled, piece, 0); }, &count);
    if (!reply.ok()) return reply;
    if (call.interrupt.requested()) return hostcall::Outcome::kStopped;
    filled += static_cast<uint64_t>(count);
  }
  return Errno::kSuccess;
}

}  // namespace wasmoor::wasi
