// measure [--at-once N --times T | --threads] COMMAND [ARGUMENT...]: runs COMMAND and prints, as
// one line of JSON, what the kernel says it took. COMMAND reads and writes /dev/null; its errors
// are ours.
//
// A program of its own because exec(2) hands the peak resident size of whoever calls it on to the
// new program's (ru_maxrss of getrusage(2)): a parent as large as an interpreter would hide every
// child that is smaller. This one has less than a megabyte.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

constexpr int kCannotRun = 125;
constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

enum class Traced { kNo, kYes };

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
  exit(kCannotRun);
}

int64_t Now() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosecondsPerSecond + now.tv_nsec;
}

int64_t Microseconds(const timeval& time) { return time.tv_sec * 1'000'000 + time.tv_usec; }

// With vfork(2), for fork(2) copies page tables, and that would be a part of what is measured.
pid_t Start(char* const* command, Traced traced) {
  const pid_t child = vfork();
  if (child < 0) Die("vfork");
  if (child > 0) return child;
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  if (traced == Traced::kYes) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  execvp(command[0], command);
  _exit(kCannotRun);
}

// As a shell has it.
int StatusOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void RunOnce(char* const* command) {
  const int64_t started = Now();
  const pid_t child = Start(command, Traced::kNo);
  int status = 0;
  rusage usage = {};
  if (wait4(child, &status, 0, &usage) != child) Die("wait4");
  const int64_t ended = Now();
  // What it left running in the background is ours now (the subreaper of prctl(2)): the next
  // measurement must not run beside it.
  rusage after = {};
  while (wait(nullptr) > 0) continue;
  getrusage(RUSAGE_CHILDREN, &after);
  const int64_t background = Microseconds(after.ru_utime) + Microseconds(after.ru_stime) -
                             Microseconds(usage.ru_utime) - Microseconds(usage.ru_stime);
  printf(
      "{\"wall_ns\": %ld, \"user_us\": %ld, \"system_us\": %ld, \"peak_kib\": %ld, "
      "\"background_us\": %ld, \"status\": %d}\n",
      ended - started, Microseconds(usage.ru_utime), Microseconds(usage.ru_stime), usage.ru_maxrss,
      background, StatusOf(status));
}

// `times` runs, `at_once` of them at any moment; the status is the worst.
void RunMany(char* const* command, int at_once, int times) {
  const int64_t started = Now();
  int begun = 0, running = 0, worst = 0;
  while (begun < times || running > 0) {
    if (begun < times && running < at_once) {
      Start(command, Traced::kNo);
      ++begun;
      ++running;
      continue;
    }
    int status = 0;
    if (wait(&status) < 0) Die("wait");
    --running;
    if (StatusOf(status) > worst) worst = StatusOf(status);
  }
  printf("{\"wall_ns\": %ld, \"times\": %d, \"status\": %d}\n", Now() - started, times, worst);
}

// Counts the threads that the program starts, its first included: ptrace(2) tells of each as it is
// cloned, so none is too short-lived to be seen.
void CountThreads(char* const* command) {
  const pid_t child = Start(command, Traced::kYes);
  int status = 0, threads = 1;
  if (waitpid(child, &status, 0) != child) Die("waitpid");
  if (WIFSTOPPED(status)) {
    const long options = PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, nullptr, options) != 0) Die("ptrace");
    ptrace(PTRACE_CONT, child, nullptr, 0L);
  }
  while (!WIFEXITED(status) && !WIFSIGNALED(status)) {
    int seen = 0;
    const pid_t who = waitpid(-1, &seen, __WALL);
    if (who < 0) Die("waitpid");
    if (who == child) status = seen;
    if (!WIFSTOPPED(seen)) continue;
    const int event = seen >> 16;
    if (event == PTRACE_EVENT_CLONE) ++threads;
    // The stops of ptrace itself are not for the program: a new thread begins with SIGSTOP.
    const int signal = WSTOPSIG(seen);
    const bool own = event != 0 || signal == SIGSTOP || signal == SIGTRAP;
    ptrace(PTRACE_CONT, who, nullptr, static_cast<long>(own ? 0 : signal));
  }
  printf("{\"threads\": %d, \"status\": %d}\n", threads, StatusOf(status));
}

[[noreturn]] void Usage() {
  fputs("usage: measure [--at-once N --times T | --threads] COMMAND [ARGUMENT...]\n", stderr);
  exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  int at_once = 0, times = 0, next = 1;
  Traced traced = Traced::kNo;
  for (; next < argc && strncmp(argv[next], "--", 2) == 0; ++next) {
    if (strcmp(argv[next], "--threads") == 0) {
      traced = Traced::kYes;
    } else if (next + 1 < argc && strcmp(argv[next], "--at-once") == 0) {
      at_once = atoi(argv[++next]);
    } else if (next + 1 < argc && strcmp(argv[next], "--times") == 0) {
      times = atoi(argv[++next]);
    } else {
      Usage();
    }
  }
  if (next >= argc || (at_once > 0) != (times > 0)) Usage();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) Die("prctl");
  if (traced == Traced::kYes) {
    CountThreads(argv + next);
  } else if (at_once > 0) {
    RunMany(argv + next, at_once, times);
  } else {
    RunOnce(argv + next);
  }
  return 0;
}
