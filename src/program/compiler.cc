#include "wasmoor/program/compiler.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <optional>

#include "wasmoor/base/units.h"
#include "wasmoor/os/capability.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/limit.h"
#include "wasmoor/os/process.h"

// What the two processes say to each other. Words: the mode, the cache's directory, the limit of
// address space in bytes, for how many guests the code is, and a 1 or a 0 for each feature of
// wasm::AllFeatures(); the module on standard input. Answer, on standard output: the number of a
// Code, a newline, and the error's sentence or, after kOk, the cache's warning.
namespace wasmoor::program {
namespace {

using wasm::Cache;
using Found = Cache::Found;

constexpr std::string_view kInBackground = "in-background";  // OptimizeInBackground.
constexpr std::string_view kOneGuest = "one-guest", kManyGuests = "many-guests";
constexpr size_t kWords = 5;

constexpr std::chrono::seconds kPatience{15 * 60};
constexpr uint64_t kMostSeconds = 20 * 60;  // Of CPU time, on all CPUs together.
constexpr int kSignalStatus = 128;
// nice(1) of what nobody waits for: it gets a tenth of a CPU that is wanted by others as well, and
// not nothing, as at idle priority, since then a busy server would stay on baseline code for good.
constexpr int kGivesWay = 10;

constexpr std::string_view WordFor(CompilerWork work) {
  switch (work) {
    case CompilerWork::kAtOnce: return "at-once";
    case CompilerWork::kAhead: return "ahead";
    case CompilerWork::kOptimized: return "optimized";
  }
  return {};
}

std::string FeatureWord(const wasm::Features& features) {
  std::string word;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures())
    word += features.*feature.member ? '1' : '0';
  return word;
}

wasm::Features FeaturesOf(std::string_view word) {
  wasm::Features features;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures()) {
    if (word.empty()) break;
    features.*feature.member = word.front() == '1';
    word.remove_prefix(1);
  }
  return features;
}

std::vector<std::string> WordsFor(const CompilerOptions& options, std::string_view mode,
                                  const Cache& cache, wasm::Sharing sharing) {
  std::vector<std::string> words = options.words;
  words.emplace_back(mode);
  words.push_back(cache.options().directory.native());
  words.push_back(std::to_string(options.bytes));
  words.emplace_back(sharing == wasm::Sharing::kManyGuests ? kManyGuests : kOneGuest);
  words.push_back(FeatureWord(options.features));
  return words;
}

Error DiedError(const CompilerOptions& options, std::string_view source, int signal) {
  if (signal == SIGALRM) {
    return Error(Code::kDeadlineExceeded,
                 fmt::format("{}: compiling it took more than {} s, and was given up", source,
                             kPatience.count()));
  }
  if (signal == SIGXCPU) {
    return Error(Code::kResourceExhausted,
                 fmt::format("{}: compiling it took more than {} s of CPU time, and was given up",
                             source, kMostSeconds));
  }
  return Error(Code::kResourceExhausted,
               fmt::format("{}: its compiler was ended by signal {}: it may need more memory than "
                           "the {} that a compiler is given",
                           source, signal, FormatSize(options.bytes)));
}

void Lower(int resource, uint64_t limit) {
  const os::ResourceLimit now = os::GetLimit(resource);
  const uint64_t lower = std::min(limit, now.hard);
  static_cast<void>(os::SetLimit(0, resource, {.soft = lower, .hard = lower}));
}

// Before the first byte of the module is looked at, with the cache open. What cannot be given up is
// not there to be given up.
void GiveUpRights(uint64_t bytes) {
  Lower(RLIMIT_AS, bytes);
  Lower(RLIMIT_CPU, kMostSeconds);
  Lower(RLIMIT_CORE, 0);
  static_cast<void>(os::LimitBounding(0));
  static_cast<void>(os::SetCapabilities({}));
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// The cache's warning.
Result<std::string> CompileFastest(const Cache& cache, const wasm::Engine& engine,
                                   const Source& source) {
  const std::vector<uint8_t> bytes = TRY(ReadSource(source));
  const Found found = TRY(cache.Load(engine, bytes, Cache::Policy::kFastest));
  if (cache.Contains(engine, bytes, found.tier)) return found.warning;
  return Fail(Code::kUnavailable, "{}", found.warning);
}

Result<std::string> Run(const wasm::EngineFactory& factory, std::span<char* const> words) {
  uint64_t bytes = 0;
  const std::string_view mode = words[0], limit = words[2];
  const auto sharing =
      words[3] == kManyGuests ? wasm::Sharing::kManyGuests : wasm::Sharing::kOneGuest;
  std::from_chars(limit.data(), limit.data() + limit.size(), bytes);
  const bool at_once = mode == WordFor(CompilerWork::kAtOnce);
  if (mode == kInBackground) {
    os::RunInBackground();
  } else {
    // Whoever waits for us may be killed.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (!at_once) ::setpriority(PRIO_PROCESS, 0, kGivesWay);
    if (at_once) ::alarm(kPatience.count());
  }
  const Cache cache = TRY(OpenCache(words[1]));
  const Source source{.name = "", .file = os::Fd(STDIN_FILENO)};
  GiveUpRights(bytes);
  // What guests may import does not change their code.
  const auto engine = TRY(factory.create({.sharing = sharing,
                                          .features = FeaturesOf(words[4]),
                                          .pool = {.instances = 0},
                                          .parallel_compile = at_once}));
  if (at_once || mode == WordFor(CompilerWork::kAhead))
    return CompileFastest(cache, *engine, source);
  TRY(cache.Optimize(*engine, TRY(ReadSource(source))));
  return "";
}

}  // namespace

Result<Cache> OpenCache(const std::filesystem::path& directory) {
  wasm::CacheOptions options;
  options.directory = directory;
  Cache cache = TRY(Cache::Open(std::move(options)));
  if (!cache.problem().empty()) return Fail(Code::kUnavailable, "{}", cache.problem());
  return cache;
}

Result<std::unique_ptr<os::Pending<os::Output>>> StartCompiler(const CompilerOptions& options,
                                                               const Cache& cache,
                                                               wasm::Sharing sharing,
                                                               CompilerWork work,
                                                               const Source& source) {
  return TRY_AS(os::StartSelf(WordsFor(options, WordFor(work), cache, sharing), source.file),
                "compile {}", source.name);
}

Result<std::string> ReadAnswer(const CompilerOptions& options, std::string_view source,
                               const os::Output& output) {
  if (output.status >= kSignalStatus)
    return tl::unexpected(DiedError(options, source, output.status - kSignalStatus));
  int number = 0;
  const char* const end = output.text.data() + output.text.size();
  const auto [rest, failed] = std::from_chars(output.text.data(), end, number);
  if (failed != std::errc() || rest == end || *rest != '\n' || number < 0 ||
      number > static_cast<int>(Code::kUnauthenticated)) {
    return Fail(Code::kInternal, "{}: its compiler, '{}', ended with status {} and said nothing",
                source, options.words.front(), output.status);
  }
  std::string text(rest + 1, end);
  if (number == 0) return text;
  return Fail(static_cast<Code>(number), "{}: {}", source, text);
}

void OptimizeInBackground(const CompilerOptions& options, const Cache& cache, wasm::Sharing sharing,
                          const Source& source) {
  const std::string path = fmt::format("/proc/self/fd/{}", source.file.get());
  const auto again = os::OpenAt(os::Fd(), path.c_str(), O_RDONLY);
  if (again) (void)os::SpawnSelfDetached(WordsFor(options, kInBackground, cache, sharing), *again);
}

int RunCompiler(const wasm::EngineFactory& engine, std::span<char* const> words) {
  if (words.size() != kWords) return EXIT_FAILURE;
  const auto done = Run(engine, words);
  const int code = done ? 0 : static_cast<int>(done.error().code());
  const std::string answer = fmt::format("{}\n{}", code, done ? *done : done.error().message());
  static_cast<void>(os::WriteAll(os::Fd(STDOUT_FILENO),
                                 {reinterpret_cast<const uint8_t*>(answer.data()), answer.size()}));
  return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace wasmoor::program
