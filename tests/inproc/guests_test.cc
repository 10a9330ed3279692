#include "wasmoor/sandbox/inproc/inproc_sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "wasmoor/host/host.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/wasm/wasmtime.h"

// Guests of a real host, which is this program, started again.
namespace wasmoor::sandbox {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr const char* kHostWord = "wasm-host";
constexpr const char* kCompilerWord = "compile-module";
constexpr const char* kState = "/run/wasmoor-inproc-test";

// Takes nothing: what comes here needs a process of its own.
class NoProcesses : public Sandbox {
 public:
  void Create(CreateRequest request, Done<Container*> done) override {
    asked.push_back(request.id);
    done(Fail(Code::kUnimplemented, "a process"));
  }
  Result<Container*> Find(std::string_view id) override {
    return Fail(Code::kNotFound, "container \"{}\": not found", id);
  }
  void Remove(std::string_view, std::string_view, Done<Exit> done) override {
    done(Fail(Code::kNotFound, "not found"));
  }
  std::vector<std::string> Ids() const override { return {}; }
  std::vector<std::string> asked;
};

class Listening : public Listener {
 public:
  void OnExit(const std::string& id, const std::string& exec_id, pid_t, const Exit& exit) override {
    exits.push_back(fmt::format("{}/{}:{}", id, exec_id, exit.status));
  }
  void OnOutOfMemory(const std::string& id) override { short_of_memory.push_back(id); }
  std::vector<std::string> exits, short_of_memory;
};

class InprocSandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: mounts and namespaces";
    std::string path = (std::filesystem::temp_directory_path() / "wasmoor-inproc-XXXXXX").native();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    scratch_ = path;
    loop_ = *loop::Loop::Create();
    hosts_ = *Hosts::Create({.loop = *loop_,
                             .words = {"wasmoor-inproc-test", kHostWord},
                             .log = [this](std::string_view line) { (log_ += line) += '\n'; }});
    auto processes = std::make_unique<NoProcesses>();
    processes_ = processes.get();
    sandbox_ = MakeInprocSandbox({.loop = *loop_,
                                  .hosts = *hosts_,
                                  .listener = listening_,
                                  .name_space = "test",
                                  .pod = "pod",
                                  .find_module = {},
                                  .log = [this](std::string_view line) { (log_ += line) += '\n'; },
                                  .processes = std::move(processes)});
  }
  void TearDown() override {
    sandbox_.reset();
    hosts_.reset();
    loop_.reset();
    std::filesystem::remove_all(scratch_);
  }

  Json Config(std::vector<std::string> words) {
    return {
        {"ociVersion", "1.1.0"},
        {"root", {{"path", "rootfs"}}},
        {"process", {{"args", words}, {"cwd", "/"}, {"user", {{"uid", 0}, {"gid", 0}}}}},
        {"mounts",
         {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
          {{"destination", "/dev"},
           {"type", "tmpfs"},
           {"source", "tmpfs"},
           {"options", {"mode=755"}}},
          {{"destination", "/sys"}, {"type", "sysfs"}, {"source", "sysfs"}, {"options", {"ro"}}},
          {{"destination", "/run"}, {"type", "tmpfs"}, {"source", "tmpfs"}}}},
        {"linux",
         {{"namespaces", {{{"type", "mount"}}, {{"type", "pid"}}}},
          {"maskedPaths", {"/proc/kcore", "/proc/keys"}},
          {"readonlyPaths", {"/proc/sys"}}}}};
  }

  // A bundle with a guest of tests/guests in its root.
  std::string MakeBundle(const std::string& id, const std::string& guest, const Json& config) {
    const auto bundle = scratch_ / id;
    std::filesystem::create_directories(bundle / "rootfs");
    std::filesystem::copy_file(
        std::filesystem::path(std::getenv("WASMOOR_GUESTS")) / (guest + ".wasm"),
        bundle / "rootfs" / (guest + ".wasm"));
    std::ofstream(bundle / "config.json") << config;
    ::mkfifo((bundle / "out").c_str(), 0600);
    return bundle;
  }

  template <typename T>
  Result<T> Wait(const std::function<void(Done<T>)>& ask) {
    std::optional<Result<T>> answer;
    ask([&answer](Result<T> given) { answer = std::move(given); });
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!answer && std::chrono::steady_clock::now() < until) loop_->RunOnce(milliseconds(100));
    if (!answer) return Fail(Code::kDeadlineExceeded, "no answer; the log: {}", log_);
    return *std::move(answer);
  }

  Result<Container*> Create(const std::string& id, const std::string& bundle) {
    CreateRequest request{.id = id, .bundle = bundle, .streams = {}};
    request.streams.output = request.streams.error = bundle + "/out";
    return Wait<Container*>(
        [&](auto done) { sandbox_->Create(std::move(request), std::move(done)); });
  }

  static std::string Drain(int fd) {
    std::string text(65536, '\0');
    const ssize_t got = ::read(fd, text.data(), text.size());
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

  // From its bundle to its end: what it has written, and how it ended.
  std::pair<std::string, uint32_t> RunOnce(const std::string& id, const std::string& guest,
                                           std::vector<std::string> words) {
    return RunOnce(id, MakeBundle(id, guest, Config(std::move(words))));
  }
  std::pair<std::string, uint32_t> RunOnce(const std::string& id, const std::string& bundle) {
    const int reader = ::open((bundle + "/out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    auto made = Create(id, bundle);
    if (!made) return {made.error().message() + log_, 999};
    auto& process = (*made)->first();
    const auto started = Wait<pid_t>([&](auto done) { process.Start(std::move(done)); });
    if (!started) return {started.error().message(), 998};
    const auto exit = Wait<Exit>([&](auto done) { process.Wait(std::move(done)); });
    std::string text = Drain(reader);
    ::close(reader);
    const auto removed = Wait<Exit>([&](auto done) { sandbox_->Remove(id, "", std::move(done)); });
    if (!removed) return {removed.error().message(), 997};
    return {text, exit ? exit->status : 996};
  }

  std::filesystem::path scratch_;
  std::string log_;
  std::unique_ptr<loop::Loop> loop_;
  Listening listening_;
  std::unique_ptr<Hosts> hosts_;
  NoProcesses* processes_ = nullptr;
  std::unique_ptr<Sandbox> sandbox_;
};

TEST_F(InprocSandboxTest, RunsAGuestAsAThreadOfAHost) {
  const auto [text, status] = RunOnce("hello", "hello", {"/hello.wasm"});
  EXPECT_THAT(text, HasSubstr("ello"));
  EXPECT_EQ(status, 0u) << text << log_;
  EXPECT_EQ(listening_.exits, std::vector<std::string>{"hello/:0"});
}

TEST_F(InprocSandboxTest, KeepsTheModulesOfGuestsApart) {
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (const std::string guest : {"hello", "words", "args", "hello", "clock", "random"}) {
      const std::string id = guest + std::to_string(++number);
      const auto [text, status] = RunOnce(id, guest, {"/" + guest + ".wasm"});
      EXPECT_EQ(status, 0u) << id << ": " << text << log_;
      if (guest == "hello") EXPECT_THAT(text, HasSubstr("ello")) << id;
    }
  }
}

TEST_F(InprocSandboxTest, TellsHowAGuestEnded) {
  EXPECT_EQ(RunOnce("exit", "exit42", {"/exit42.wasm"}).second, 42u) << log_;
  const auto [text, status] = RunOnce("trap", "trap", {"/trap.wasm"});
  EXPECT_EQ(status, 134u);
  EXPECT_THAT(text, HasSubstr("unreachable"));
}

TEST_F(InprocSandboxTest, EndsAGuestThatComputesOrSleepsForEver) {
  for (const std::string guest : {"loop", "sleep"}) {
    const std::string bundle = MakeBundle(guest, guest, Config({"/" + guest + ".wasm", "1000"}));
    auto made = Create(guest, bundle);
    ASSERT_TRUE(made) << made.error().message() << log_;
    auto& process = (*made)->first();
    ASSERT_TRUE(Wait<pid_t>([&](auto done) { process.Start(std::move(done)); }));
    ASSERT_TRUE(process.Kill(SIGTERM));
    const auto exit = Wait<Exit>([&](auto done) { process.Wait(std::move(done)); });
    ASSERT_TRUE(exit) << exit.error().message();
    EXPECT_EQ(exit->status, 128u + SIGTERM);
    EXPECT_TRUE(Wait<Exit>([&](auto done) { sandbox_->Remove(guest, "", std::move(done)); }));
  }
}

TEST_F(InprocSandboxTest, LeavesWhatIsNoWebAssemblyToProcesses) {
  const std::string bundle = MakeBundle("native", "hello", Config({"/bin/true"}));
  std::filesystem::create_directories(bundle + "/rootfs/bin");
  std::ofstream(bundle + "/rootfs/bin/true") << "#!/bin/sh\n";
  EXPECT_FALSE(Create("native", bundle));
  Json config = Config({"/hello.wasm"});
  config["annotations"] = {{"io.wasmoor.isolation", "process"}};
  EXPECT_FALSE(Create("asked", MakeBundle("asked", "hello", config)));
  EXPECT_EQ(processes_->asked, (std::vector<std::string>{"native", "asked"}));
}

TEST_F(InprocSandboxTest, SaysWhatIsMissing) {
  auto made = Create("none", MakeBundle("none", "hello", Config({"/nothing.wasm"})));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("nothing.wasm"));
  EXPECT_FALSE(Create("no-bundle", scratch_ / "nowhere"));
}

}  // namespace
}  // namespace wasmoor::sandbox

int main(int argc, char** argv) {
  using namespace wasmoor;
  const wasm::EngineFactory engine = wasm::WasmtimeFactory();
  if (argc > 1 && std::string_view(argv[1]) == "wasm-host")
    return host::RunHost({.engine = engine,
                          .caches = {std::string(sandbox::kState) + "/modules"},
                          .compiler = {argv[0], sandbox::kCompilerWord},
                          .filters = std::string(sandbox::kState) + "/.seccomp",
                          .skeletons = std::string(sandbox::kState) + "/skeletons"},
                         os::Fd(sandbox::kHostConnection));
  if (argc > 1 && std::string_view(argv[1]) == sandbox::kCompilerWord)
    return container::RunCompiler(engine, std::span<char* const>(argv, argc).subspan(2));
  ::testing::InitGoogleTest(&argc, argv);
  const int status = RUN_ALL_TESTS();
  std::filesystem::remove_all(sandbox::kState);
  return status;
}
