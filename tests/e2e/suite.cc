#include "e2e/suite.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;

// The processes whose parent is this one (proc_pid_stat(5): the fourth field; the second is in
// parentheses and may hold anything).
std::vector<pid_t> Children() {
  std::vector<pid_t> children;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = ReadFile(entry.path() / "stat");
    const size_t end = stat.rfind(") ");
    constexpr size_t kToParent = 4;  // ") S "
    if (end == std::string::npos || atoi(stat.c_str() + end + kToParent) != getpid()) continue;
    children.push_back(atoi(name.c_str()));
  }
  return children;
}

// LEB128, as the binary format has its numbers.
std::string Number(uint64_t value) {
  constexpr uint64_t kPayload = 0x7f, kMore = 0x80;
  std::string bytes;
  for (; value > kPayload; value >>= 7) bytes += static_cast<char>((value & kPayload) | kMore);
  return bytes + static_cast<char>(value);
}

std::string Sized(const std::string& content) { return Number(content.size()) + content; }

std::string Section(char id, const std::string& content) { return id + Sized(content); }

}  // namespace

std::string ScratchPrefix() {
  struct stat status;
  if (stat(FolderFrom("WASMOOR_BIN").c_str(), &status) != 0) abort();
  return "wasmoor-test-" + std::to_string(status.st_ino) + "-";
}

fs::path MakeScratch() {
  const std::string name = ScratchPrefix() + std::to_string(getpid()) + "-XXXXXX";
  std::string path = (fs::temp_directory_path() / name).native();
  if (mkdtemp(path.data()) == nullptr) abort();
  return fs::canonical(path);
}

fs::path FolderFrom(const char* variable) {
  const char* value = getenv(variable);
  if (value == nullptr || !fs::is_directory(value)) {
    fprintf(stderr, "%s must name a folder; ctest sets it\n", variable);
    abort();
  }
  return value;
}

std::string Guest(std::string_view name) {
  return (FolderFrom("WASMOOR_GUESTS") / name).native() + ".wasm";
}

std::string MissingGuest(std::string_view name) {
  const fs::path wasm = Guest(name);
  if (fs::exists(wasm)) return "";
  const std::string reason = ReadFile(fs::path(wasm).replace_extension("missing"));
  return reason.empty() ? "no guest " + wasm.native() : reason;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  // Through the stream, not through iterators, which throw when a read fails: that of a file in
  // /proc does once its process is gone.
  content << file.rdbuf();
  return content.str();
}

void WriteFile(const fs::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  if (!file.flush()) ADD_FAILURE() << path << ": cannot be written";
}

std::string LargeModule(uint32_t functions) {
  // (param i64) (result i64): the parameter, rotated, multiplied and added to, again and again.
  constexpr int kSteps = 28;
  const std::string local_get("\x20\x00", 2), i64_const("\x42", 1), end("\x0b", 1);
  const std::string no_locals("\x00", 1);
  const std::string rotate("\x89", 1), multiply("\x7e", 1), add("\x7c", 1);
  constexpr uint32_t kPositive = 0x3f;  // One byte of signed LEB128.
  std::string indices = Number(functions + 1) + Number(0), bodies = Number(functions + 1);
  bodies += Sized(no_locals + end);
  for (uint32_t function = 0; function < functions; ++function) {
    indices += Number(1);
    std::string body = no_locals + local_get;
    for (uint32_t step = 0; step < kSteps; ++step) {
      body += i64_const + Number((function + step) & kPositive) + rotate;
      body += i64_const + Number((function * step) & kPositive) + multiply + local_get + add;
    }
    bodies += Sized(body + end);
  }
  const std::string types("\x02\x60\x00\x00\x60\x01\x7e\x01\x7e", 9);
  return std::string("\0asm\x01\0\0\0", 8) + Section(1, types) + Section(3, indices) +
         Section(7, Number(1) + Sized("_start") + std::string("\x00\x00", 2)) + Section(10, bodies);
}

bool MayMount() { return Command({"unshare", "--mount", "true"}).Run().status == 0; }

E2eTest::E2eTest() : scratch(MakeScratch()) {
  // Background compilers become children of this process when their parent ends (prctl(2)).
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

E2eTest::~E2eTest() {
  EndBackground();
  std::error_code failed;
  fs::remove_all(scratch, failed);
  if (failed) ADD_FAILURE() << scratch << ": cannot be removed: " << failed.message();
}

void E2eTest::EndBackground() const {
  for (const pid_t child : Children()) {
    const std::string line = ReadFile("/proc/" + std::to_string(child) + "/cmdline");
    // Nothing else of ours may outlive the program that was run. A zombie has no command line.
    if (!line.empty() && line.find("--background") == std::string::npos)
      ADD_FAILURE() << "left running: " << line;
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
}

Command E2eTest::Wasmoor(std::vector<std::string> words) const {
  words.insert(words.begin(), FolderFrom("WASMOOR_BIN") / "wasmoor");
  return Command(std::move(words)).Env("HOME", scratch / "home").Env("WASMOOR_CACHE_DIR", cache);
}

Command E2eTest::RunCommand(std::vector<std::string> words) const {
  words.insert(words.begin(), "run");
  return Wasmoor(std::move(words));
}

Command E2eTest::RunAfter(const std::string& preparation, std::vector<std::string> words) const {
  return Shell({"sh", "-euc"}, preparation, std::move(words));
}

Command E2eTest::RunWithMounts(const std::string& preparation,
                               std::vector<std::string> words) const {
  return Shell({"unshare", "--mount", "sh", "-euc"}, preparation, std::move(words));
}

Command E2eTest::Shell(std::vector<std::string> shell, const std::string& preparation,
                       std::vector<std::string> words) const {
  shell.push_back(preparation + "\nexec \"$0\" run \"$@\"");
  shell.push_back(FolderFrom("WASMOOR_BIN") / "wasmoor");
  shell.insert(shell.end(), words.begin(), words.end());
  return Command(std::move(shell))
      .Env("HOME", scratch / "home")
      .Env("WASMOOR_CACHE_DIR", cache)
      .Env("SCRATCH", scratch);
}

bool E2eTest::BackgroundEnds(std::chrono::seconds limit) const {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const pid_t ended = waitpid(-1, nullptr, WNOHANG);
    if (ended < 0 && errno == ECHILD) return true;
    if (ended > 0) continue;
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::vector<fs::path> E2eTest::CacheEntries() const {
  constexpr size_t kNameLength = 64 + 1 + 32;  // Two hashes in hexadecimal.
  std::vector<fs::path> entries;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(cache, none)) {
    if (entry.path().filename().native().size() == kNameLength) entries.push_back(entry.path());
  }
  return entries;
}

fs::path E2eTest::MakeFile(const std::string& name, std::string_view content) const {
  fs::create_directories((scratch / name).parent_path());
  WriteFile(scratch / name, content);
  return scratch / name;
}

fs::path E2eTest::MakeDirectory(const std::string& name) const {
  fs::create_directories(scratch / name);
  return scratch / name;
}

}  // namespace wasmoor::e2e
