// startup_order OUT -- PROGRAM ARGS... [-- PROGRAM ARGS... ]
//
// Runs programs and writes the names of the functions that they enter, in the order of their first
// entry, one a line, to OUT: what lld takes as --symbol-ordering-file. Linked in that order, what a
// start needs lies together on a few pages; in the linker's own order it is strewn over the whole
// executable, and the kernel maps sixteen pages round each of a thousand functions (measured with
// `wasmoor run` of a cached hello: 8.4 MB resident, 2.4 MB when ordered; a quarter less time).
//
// Each program runs once untraced, to fill its caches: what counts is a start that finds them
// filled. Then each function begins with a breakpoint, which its first entry removes (ptrace(2)).
// Clones of the program are traced too, and the program itself if it is executed anew; what else it
// executes is let go. x86-64 and static-pie executables with symbols. If tracing is not permitted
// here, OUT is left empty, which links as if there were no order, and says so. A program that fails
// is no error: what it needed until then is what is known.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr uint8_t kBreakpoint = 0xcc;  // int3

[[noreturn]] void Die(const std::string& what) {
  fprintf(stderr, "startup_order: %s: %s\n", what.c_str(), strerror(errno));
  exit(1);
}

struct Functions {
  std::unordered_map<uint64_t, std::string> by_offset;  // From the load address.
};

// The functions of an ELF file's symbol table.
Functions ReadFunctions(const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) Die(path);
  const auto* bytes = static_cast<const char*>(
      mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0));
  if (bytes == MAP_FAILED) Die(path);
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(bytes);
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(bytes + header->e_shoff);
  Functions functions;
  for (int i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB) continue;
    const auto* symbols = reinterpret_cast<const Elf64_Sym*>(bytes + sections[i].sh_offset);
    const char* names = bytes + sections[sections[i].sh_link].sh_offset;
    for (size_t n = 0; n < sections[i].sh_size / sizeof(Elf64_Sym); ++n) {
      const Elf64_Sym& symbol = symbols[n];
      const int type = ELF64_ST_TYPE(symbol.st_info);
      if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
          symbol.st_size == 0)
        continue;
      functions.by_offset.emplace(symbol.st_value, names + symbol.st_name);
    }
  }
  return functions;
}

std::string InProc(pid_t pid, const char* name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

// Where the program of a process is loaded that has just been executed: its program headers, of
// which the kernel tells the address (getauxval(3)), stand right behind the ELF header.
uint64_t LoadAddress(pid_t pid) {
  std::ifstream file(InProc(pid, "auxv"), std::ios::binary);
  for (Elf64_auxv_t entry; file.read(reinterpret_cast<char*>(&entry), sizeof(entry));) {
    if (entry.a_type == AT_PHDR) return entry.a_un.a_val - sizeof(Elf64_Ehdr);
  }
  return 0;
}

// The memory of one or more processes, and the breakpoints that are left in it.
class Image {
 public:
  // Of a process that has just executed the program.
  static std::shared_ptr<Image> Prepare(pid_t pid, const Functions& functions) {
    auto image = Open(pid, LoadAddress(pid));
    if (image == nullptr || image->base_ == 0) return nullptr;
    for (const auto& [offset, name] : functions.by_offset) {
      uint8_t original = 0;
      const auto address = static_cast<off_t>(image->base_ + offset);
      if (pread(image->memory_, &original, 1, address) != 1) continue;
      if (pwrite(image->memory_, &kBreakpoint, 1, address) == 1)
        image->originals_[offset] = original;
    }
    return image;
  }
  // Of a process that is a copy of one with this image.
  std::shared_ptr<Image> CopyFor(pid_t pid) const {
    auto image = Open(pid, base_);
    if (image != nullptr) image->originals_ = originals_;
    return image;
  }
  ~Image() { close(memory_); }
  Image(const Image&) = delete;

  // The function at whose breakpoint the process stands, which then is none any more and stands
  // before the function; or nothing. Another thread may have been there first.
  std::optional<uint64_t> Take(pid_t pid, const Functions& functions) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, nullptr, &registers) != 0) return std::nullopt;
    const uint64_t offset = registers.rip - 1 - base_;
    if (!functions.by_offset.contains(offset)) return std::nullopt;
    if (const auto original = originals_.find(offset); original != originals_.end()) {
      if (pwrite(memory_, &original->second, 1, static_cast<off_t>(base_ + offset)) != 1)
        return std::nullopt;
      originals_.erase(original);
    }
    registers.rip = base_ + offset;
    ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
    return offset;
  }

 private:
  Image(int memory, uint64_t base) : memory_(memory), base_(base) {}
  // Null if it is not to be had: a process that may not be looked into.
  static std::shared_ptr<Image> Open(pid_t pid, uint64_t base) {
    const int memory = open(InProc(pid, "mem").c_str(), O_RDWR | O_CLOEXEC);
    return memory < 0 ? nullptr : std::shared_ptr<Image>(new Image(memory, base));
  }

  const int memory_;
  const uint64_t base_;
  std::unordered_map<uint64_t, uint8_t> originals_;
};

class Tracer {
 public:
  // `pid` stands right after its exec of `program`.
  Tracer(pid_t pid, const char* program) : main_(pid), functions_(ReadFunctions(program)) {
    if (stat(program, &program_) != 0) Die(program);
    constexpr long kOptions = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                              PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    ptrace(PTRACE_SETOPTIONS, pid, nullptr, kOptions);
    images_[pid] = Image::Prepare(pid, functions_);
    if (images_[pid] == nullptr) Die("look into the traced process");
    Continue(pid, 0);
  }

  // Until the program ends; appends what it and its clones enter first to `order`.
  void Run(std::set<std::string>* seen, std::vector<std::string>* order) {
    for (;;) {
      int status = 0;
      const pid_t pid = waitpid(-1, &status, __WALL);
      if (pid < 0) return;
      if (!WIFSTOPPED(status)) {
        images_.erase(pid);
        if (pid == main_) return;
      } else if (!images_.contains(pid)) {
        // Its parent has not told of it yet.
        early_.insert(pid);
      } else if (const int event = status >> 16; event != 0) {
        TakeEvent(pid, event);
      } else if (WSTOPSIG(status) == SIGTRAP) {
        const auto offset = images_[pid]->Take(pid, functions_);
        if (offset && seen->insert(functions_.by_offset.at(*offset)).second)
          order->push_back(functions_.by_offset.at(*offset));
        Continue(pid, offset ? 0 : SIGTRAP);
      } else {
        const bool begins = WSTOPSIG(status) == SIGSTOP && fresh_.erase(pid) > 0;
        Continue(pid, begins ? 0 : WSTOPSIG(status));
      }
    }
  }

 private:
  static void Continue(pid_t pid, int signal) { ptrace(PTRACE_CONT, pid, nullptr, signal); }

  void TakeEvent(pid_t pid, int event) {
    if (event == PTRACE_EVENT_EXEC) return TakeExec(pid);
    unsigned long child = 0;
    ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &child);
    AddChild(pid, static_cast<pid_t>(child), event);
    Continue(pid, 0);
  }

  void AddChild(pid_t parent, pid_t child, int event) {
    // A thread, or what posix_spawn(3) makes, has its parent's memory.
    images_[child] = event == PTRACE_EVENT_FORK ? images_[parent]->CopyFor(child) : images_[parent];
    if (images_[child] == nullptr) {
      // It would die of the first breakpoint.
      images_.erase(child);
      kill(child, SIGKILL);
    } else if (early_.erase(child) > 0) {
      Continue(child, 0);
    } else {
      fresh_.insert(child);
    }
  }

  void TakeExec(pid_t pid) {
    struct stat executed = {};
    const bool same = stat(InProc(pid, "exe").c_str(), &executed) == 0 &&
                      executed.st_ino == program_.st_ino && executed.st_dev == program_.st_dev;
    if (same) images_[pid] = Image::Prepare(pid, functions_);
    if (same && images_[pid] != nullptr) return Continue(pid, 0);
    images_.erase(pid);
    ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  }

  const pid_t main_;
  const Functions functions_;
  struct stat program_ = {};
  std::map<pid_t, std::shared_ptr<Image>> images_;
  std::set<pid_t> early_, fresh_;  // That wait for their parents' word; that begin with SIGSTOP.
};

void SilenceOutput() {
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
}

void RunUntraced(const std::vector<char*>& command) {
  std::vector<char*> argv = command;
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    SilenceOutput();
    execv(argv[0], argv.data());
    _exit(1);
  }
  if (pid < 0 || waitpid(pid, nullptr, 0) < 0) Die("start the program");
}

// False if this process may not trace.
bool Trace(const std::vector<char*>& command, std::set<std::string>* seen,
           std::vector<std::string>* order) {
  std::vector<char*> argv = command;
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    SilenceOutput();
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    execv(argv[0], argv.data());
    _exit(1);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) < 0) Die("start the program");
  if (!WIFSTOPPED(status)) return false;
  Tracer(pid, argv[0]).Run(seen, order);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: startup_order OUT -- PROGRAM ARGS... [-- PROGRAM ARGS...]\n");
    return 2;
  }
  std::vector<std::vector<char*>> commands;
  for (int i = 2; i < argc; ++i) {
    if (strcmp(argv[i], "--") == 0) {
      commands.emplace_back();
    } else if (!commands.empty()) {
      commands.back().push_back(argv[i]);
    }
  }
  std::set<std::string> seen;
  std::vector<std::string> order;
  for (const auto& command : commands) {
    RunUntraced(command);
    if (!Trace(command, &seen, &order)) {
      fprintf(stderr, "startup_order: tracing is not permitted here: linking in no order\n");
      break;
    }
  }
  std::ofstream out(argv[1]);
  for (const std::string& name : order) out << name << '\n';
  return out.good() ? 0 : 1;
}
