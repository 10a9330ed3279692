// measure [--at-once N --times T | --threads | --namespaces LIST] COMMAND [ARGUMENT...]: runs
// COMMAND and prints, as one line of JSON, what the kernel says it took. COMMAND reads and writes
// /dev/null; its errors are ours. The word %% in it stands for the number of the run.
//
// COMMAND ++ COMMAND ... is a run in steps, one after the other. Before the last one begins,
// whatever the others have left in the background ends: so does a caller of a container runtime
// drive it, with create, start and delete.
//
// --namespaces makes new ones for COMMAND, of the letters that nsenter(1) has for them (mpiun):
// what the kernel alone takes for them.
//
// A program of its own because exec(2) hands the peak resident size of whoever calls it on to the
// new program's (ru_maxrss of getrusage(2)): a parent as large as an interpreter would hide every
// child that is smaller. This one has less than a megabyte.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kCannotRun = 125;
constexpr const char* kThen = "++";
constexpr std::string_view kNumber = "%%";
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

[[noreturn]] void Become(char* const* command, Traced traced) {
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  if (traced == Traced::kYes) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  execvp(command[0], command);
  _exit(kCannotRun);
}

// With vfork(2), for fork(2) copies page tables, and that would be a part of what is measured.
pid_t Start(char* const* command, Traced traced) {
  const pid_t child = vfork();
  if (child < 0) Die("vfork");
  if (child == 0) Become(command, traced);
  return child;
}

// Without vfork: it is what a runtime has to do.
pid_t StartIn(unsigned long namespaces, char* const* command) {
  const long child = syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child < 0) Die("clone");
  if (child == 0) Become(command, Traced::kNo);
  return static_cast<pid_t>(child);
}

unsigned long NamespacesOf(std::string_view letters) {
  unsigned long flags = 0;
  for (const char letter : letters) {
    switch (letter) {
      case 'm': flags |= CLONE_NEWNS; break;
      case 'p': flags |= CLONE_NEWPID; break;
      case 'i': flags |= CLONE_NEWIPC; break;
      case 'u': flags |= CLONE_NEWUTS; break;
      case 'n': flags |= CLONE_NEWNET; break;
      default: fprintf(stderr, "measure: no namespace is called %c\n", letter); exit(kCannotRun);
    }
  }
  return flags;
}

// As a shell has it.
int StatusOf(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

using Command = std::vector<char*>;  // With the nullptr that execvp(3) wants.

std::vector<Command> StepsOf(char** words, int count) {
  std::vector<Command> steps(1);
  for (int i = 0; i < count; ++i) {
    if (strcmp(words[i], kThen) == 0) {
      steps.back().push_back(nullptr);
      steps.emplace_back();
    } else {
      steps.back().push_back(words[i]);
    }
  }
  steps.back().push_back(nullptr);
  for (const Command& step : steps) {
    if (step[0] != nullptr) continue;
    fputs("measure: a step without a command\n", stderr);
    exit(kCannotRun);
  }
  return steps;
}

// What several processes took together.
struct Taken {
  int64_t user_us = 0, system_us = 0;
  long peak_kib = 0;

  void Add(const rusage& usage) {
    user_us += Microseconds(usage.ru_utime);
    system_us += Microseconds(usage.ru_stime);
    peak_kib = std::max(peak_kib, usage.ru_maxrss);
  }
};

void AddBackground(Taken* taken) {
  rusage usage = {};
  while (wait4(-1, nullptr, 0, &usage) > 0) taken->Add(usage);
}

void RunOnce(std::vector<Command> steps, unsigned long namespaces) {
  Taken taken;
  int status = 0;
  const int64_t started = Now();
  for (size_t i = 0; i < steps.size() && status == 0; ++i) {
    if (i > 0 && i + 1 == steps.size()) AddBackground(&taken);
    char* const* command = steps[i].data();
    const pid_t child =
        namespaces == 0 ? Start(command, Traced::kNo) : StartIn(namespaces, command);
    rusage usage = {};
    if (wait4(child, &status, 0, &usage) != child) Die("wait4");
    taken.Add(usage);
  }
  const int64_t ended = Now();
  // What it left running in the background is ours now (the subreaper of prctl(2)): the next
  // measurement must not run beside it.
  Taken after;
  AddBackground(&after);
  printf(
      "{\"wall_ns\": %ld, \"user_us\": %ld, \"system_us\": %ld, \"peak_kib\": %ld, "
      "\"background_us\": %ld, \"status\": %d}\n",
      ended - started, taken.user_us, taken.system_us, taken.peak_kib,
      after.user_us + after.system_us, StatusOf(status));
}

// `command` with its number in place of each %%, kept in `texts`.
Command Numbered(const Command& command, int number, std::vector<std::string>* texts) {
  texts->clear();
  for (const char* word : command) {
    std::string text = word == nullptr ? "" : word;
    const size_t at = text.find(kNumber);
    if (at != std::string::npos) text.replace(at, kNumber.size(), std::to_string(number));
    texts->push_back(std::move(text));
  }
  Command numbered;
  for (std::string& text : *texts) numbered.push_back(text.data());
  numbered.back() = nullptr;
  return numbered;
}

// `times` runs, `at_once` of them at any moment; the status is the worst.
void RunMany(const Command& command, int at_once, int times) {
  const int64_t started = Now();
  int begun = 0, worst = 0;
  std::vector<pid_t> running;
  std::vector<std::string> texts;
  while (begun < times || !running.empty()) {
    if (begun < times && running.size() < static_cast<size_t>(at_once)) {
      running.push_back(Start(Numbered(command, begun++, &texts).data(), Traced::kNo));
      continue;
    }
    int status = 0;
    const pid_t ended = wait(&status);
    if (ended < 0) Die("wait");
    // Another may be an orphan that one of them left.
    if (std::erase(running, ended) != 0) worst = std::max(worst, StatusOf(status));
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
  fputs(
      "usage: measure [--at-once N --times T | --threads | --namespaces LIST] COMMAND "
      "[ARGUMENT...] [++ COMMAND [ARGUMENT...]]\n",
      stderr);
  exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  int at_once = 0, times = 0, next = 1;
  unsigned long namespaces = 0;
  Traced traced = Traced::kNo;
  for (; next < argc && strncmp(argv[next], "--", 2) == 0; ++next) {
    if (strcmp(argv[next], "--threads") == 0) {
      traced = Traced::kYes;
    } else if (next + 1 < argc && strcmp(argv[next], "--at-once") == 0) {
      at_once = atoi(argv[++next]);
    } else if (next + 1 < argc && strcmp(argv[next], "--times") == 0) {
      times = atoi(argv[++next]);
    } else if (next + 1 < argc && strcmp(argv[next], "--namespaces") == 0) {
      namespaces = NamespacesOf(argv[++next]);
    } else {
      Usage();
    }
  }
  if (next >= argc || (at_once > 0) != (times > 0)) Usage();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) Die("prctl");
  std::vector<Command> steps = StepsOf(argv + next, argc - next);
  if (traced == Traced::kYes) {
    CountThreads(steps.front().data());
  } else if (at_once > 0) {
    RunMany(steps.front(), at_once, times);
  } else {
    RunOnce(std::move(steps), namespaces);
  }
  return 0;
}
