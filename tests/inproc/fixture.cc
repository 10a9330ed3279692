#include "inproc/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iterator>

#include "support/scratch.h"

namespace wasmoor::sandbox {

using std::chrono::milliseconds;

void NoProcesses::Create(CreateRequest request, Done<Container*> done) {
  asked.push_back(request.id);
  done(Fail(Code::kUnimplemented, "a process"));
}

Result<Container*> NoProcesses::Find(std::string_view id) {
  return Fail(Code::kNotFound, "container \"{}\": not found", id);
}

void NoProcesses::Remove(std::string_view, std::string_view, Done<Exit> done) {
  done(Fail(Code::kNotFound, "not found"));
}

void Listening::OnExit(const std::string& id, const std::string& exec_id, pid_t, const Exit& exit) {
  exits.push_back(fmt::format("{}/{}:{}", id, exec_id, exit.status));
}

void InprocTest::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root: mounts and namespaces";
  ASSERT_NE(std::getenv("WASMOOR_GUESTS"), nullptr) << "it names the folder of compiled guests";
  std::string path = (std::filesystem::temp_directory_path() / "wasmoor-inproc-XXXXXX").native();
  ASSERT_NE(::mkdtemp(path.data()), nullptr);
  // Guests of other users reach their files there.
  ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
  scratch_ = path;
  loop_ = *loop::Loop::Create();
  hosts_ = *Hosts::Create({.loop = *loop_,
                           .words = {"wasmoor-inproc-test", kHostWord},
                           .log = [this](std::string_view line) { (log_ += line) += '\n'; }});
  sandbox_ = MakeSandbox("pod");
}

std::unique_ptr<Sandbox> InprocTest::MakeSandbox(const std::string& pod) {
  auto processes = std::make_unique<NoProcesses>();
  processes_ = processes.get();
  return MakeInprocSandbox({.loop = *loop_,
                            .hosts = *hosts_,
                            .listener = listening_,
                            .name_space = "test",
                            .pod = pod,
                            .find_module = {},
                            .log = [this](std::string_view line) { (log_ += line) += '\n'; },
                            .processes = std::move(processes)});
}

void InprocTest::TearDown() {
  if (!hosts_) return;
  const std::vector<pid_t> pids = hosts_->pids();
  sandbox_.reset();
  hosts_.reset();
  loop_.reset();
  // A host ends with its connection, and is this process's to reap.
  for (const pid_t pid : pids) EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
  for (const auto& [id, reader] : readers_) ::close(reader);
  EXPECT_EQ(test::ReadFile("/proc/self/mountinfo").find(scratch_.native()), std::string::npos);
  std::filesystem::remove_all(scratch_);
}

Json InprocTest::Config(std::vector<std::string> words) {
  return {{"ociVersion", "1.1.0"},
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

Json InprocTest::WithMemory(Json config, uint64_t bytes) {
  config["linux"]["resources"]["memory"]["limit"] = bytes;
  return config;
}

std::filesystem::path InprocTest::ModuleOf(const std::string& guest) {
  return std::filesystem::path(std::getenv("WASMOOR_GUESTS")) / (guest + ".wasm");
}

std::string InprocTest::MakeBundle(const std::string& id, const std::string& guest,
                                   const Json& config) {
  const auto bundle = scratch_ / id;
  std::filesystem::create_directories(bundle / "rootfs");
  std::filesystem::copy_file(ModuleOf(guest), bundle / "rootfs" / (guest + ".wasm"));
  test::WriteFile(bundle / "config.json", config.dump());
  ::mkfifo((bundle / "out").c_str(), 0600);
  return bundle;
}

bool InprocTest::Until(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    loop_->RunOnce(milliseconds(20));
  }
  return true;
}

void InprocTest::ServeFor(milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) loop_->RunOnce(milliseconds(5));
}

Result<Container*> InprocTest::Create(const std::string& id, const std::string& bundle) {
  CreateRequest request{.id = id, .bundle = bundle, .streams = {}};
  request.streams.output = request.streams.error = bundle + "/out";
  return Wait<Container*>(
      [&](auto done) { sandbox_->Create(std::move(request), std::move(done)); });
}

Container* InprocTest::Start(const std::string& id, const std::string& guest,
                             std::vector<std::string> words) {
  words.insert(words.begin(), "/" + guest + ".wasm");
  return Start(id, guest, Config(std::move(words)));
}

Container* InprocTest::Start(const std::string& id, const std::string& guest, const Json& config) {
  return StartBundle(id, MakeBundle(id, guest, config));
}

Container* InprocTest::StartBundle(const std::string& id, const std::string& bundle) {
  readers_[id] = ::open((bundle + "/out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  return StartUnread(id, bundle);
}

Container* InprocTest::StartUnread(const std::string& id, const std::string& bundle) {
  auto made = Create(id, bundle);
  EXPECT_TRUE(made) << made.error().message() << log_;
  if (!made) return nullptr;
  auto& process = (*made)->first();
  const auto started = Wait<pid_t>([&](auto done) { process.Start(std::move(done)); });
  EXPECT_TRUE(started) << started.error().message() << log_;
  return started ? *made : nullptr;
}

ExecRequest InprocTest::Program(const std::string& exec_id, std::vector<std::string> words) {
  ExecRequest request{.exec_id = exec_id, .process = {}, .streams = {}};
  request.process.cwd = "/";
  request.process.args = std::move(words);
  return request;
}

Process* InprocTest::StartBeside(Container& container, ExecRequest request) {
  const auto added = container.AddProcess(std::move(request));
  EXPECT_TRUE(added) << added.error().message() << log_;
  if (!added) return nullptr;
  const auto started = Wait<pid_t>([&](auto done) { (*added)->Start(std::move(done)); });
  EXPECT_TRUE(started) << started.error().message() << log_;
  return started ? *added : nullptr;
}

Result<Exit> InprocTest::WaitFor(Process& process) {
  return Wait<Exit>([&](auto done) { process.Wait(std::move(done)); });
}

uint32_t InprocTest::StatusAfter(Container& container, int signal) {
  EXPECT_TRUE(container.first().Kill(signal));
  const auto exit = WaitFor(container.first());
  EXPECT_TRUE(exit) << exit.error().message();
  return exit ? exit->status : 0;
}

Result<Exit> InprocTest::End(const std::string& id) {
  Container* container = TRY(sandbox_->Find(id));
  if (container->first().info().state != State::kStopped) {
    static_cast<void>(container->KillAll(SIGKILL));
    TRY(WaitFor(container->first()));
  }
  return Wait<Exit>([&](auto done) { sandbox_->Remove(id, "", std::move(done)); });
}

std::vector<Container*> InprocTest::CreateMany(int many, const std::string& guest) {
  std::vector<Container*> made;
  int answers = 0;
  for (int i = 0; i < many; ++i) {
    const std::string id = guest + std::to_string(i);
    const std::string bundle = MakeBundle(id, guest, Config({"/" + guest + ".wasm"}));
    CreateRequest request{.id = id, .bundle = bundle, .streams = {}};
    // Descriptors go with each order that way.
    request.streams.output = request.streams.error = "file://" + bundle + "/log";
    sandbox_->Create(std::move(request), [&](Result<Container*> created) {
      ++answers;
      EXPECT_TRUE(created) << created.error().message();
      if (created) made.push_back(*created);
    });
  }
  EXPECT_TRUE(Until([&] { return answers == many; }));
  return made;
}

void InprocTest::StartAll(const std::vector<Container*>& containers) {
  size_t answers = 0;
  for (Container* one : containers) {
    one->first().Start([&](Result<pid_t> started) {
      ++answers;
      EXPECT_TRUE(started) << started.error().message();
    });
  }
  EXPECT_TRUE(Until([&] { return answers == containers.size(); }));
}

void InprocTest::EndAll(const std::vector<Container*>& containers) {
  for (Container* one : containers) static_cast<void>(one->KillAll(SIGKILL));
  const auto has_ended = [](Container* one) {
    return one->first().info().state == State::kStopped;
  };
  EXPECT_TRUE(Until([&] { return std::all_of(containers.begin(), containers.end(), has_ended); }));
  size_t answers = 0;
  for (Container* one : containers) {
    const std::string bundle = one->bundle();
    sandbox_->Remove(one->id(), "", [&, bundle](const Result<Exit>& removed) {
      ++answers;
      EXPECT_TRUE(removed);
      std::filesystem::remove_all(bundle);
    });
  }
  EXPECT_TRUE(Until([&] { return answers == containers.size(); }));
}

void InprocTest::ExpectOthersLive(const std::string& id) {
  const auto [text, status] = RunOnce(id, "hello", {"/hello.wasm"});
  EXPECT_EQ(status, 0u) << text << log_;
  EXPECT_NE(text.find("ello"), std::string::npos) << text;
}

std::string InprocTest::Output(const std::string& id) {
  constexpr size_t kAtOnce = 65536;
  std::string text = std::exchange(texts_[id], "");
  std::string part(kAtOnce, '\0');
  for (ssize_t got = 0; (got = ::read(readers_[id], part.data(), part.size())) > 0;)
    text.append(part, 0, static_cast<size_t>(got));
  return text;
}

bool InprocTest::WaitForOutput(const std::string& id, const std::string& part) {
  std::string all;
  const bool came = Until([&] {
    all += Output(id);
    return all.find(part) != std::string::npos;
  });
  texts_[id] = all;
  return came;
}

std::pair<std::string, uint32_t> InprocTest::RunOnce(const std::string& id,
                                                     const std::string& guest,
                                                     std::vector<std::string> words) {
  return RunOnce(id, MakeBundle(id, guest, Config(std::move(words))));
}

std::pair<std::string, uint32_t> InprocTest::RunWith(const std::string& id,
                                                     const std::string& guest, const Json& config) {
  return RunOnce(id, MakeBundle(id, guest, config));
}

std::pair<std::string, uint32_t> InprocTest::RunOnce(const std::string& id,
                                                     const std::string& bundle) {
  readers_[id] = ::open((bundle + "/out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const auto run = [&]() -> Result<Exit> {
    Process& process = TRY(Create(id, bundle))->first();
    TRY(Wait<pid_t>([&](auto done) { process.Start(std::move(done)); }));
    return WaitFor(process);
  };
  const auto ended = run();
  std::string text = Output(id);
  ::close(readers_.extract(id).mapped());
  const auto removed = Wait<Exit>([&](auto done) { sandbox_->Remove(id, "", std::move(done)); });
  if (!ended) return {ended.error().message() + log_, 999};
  if (!removed) return {removed.error().message(), 998};
  return {text, ended->status};
}

cgroup::Stats InprocTest::StatsOf(Container& container) {
  auto stats = Wait<cgroup::Stats>([&](auto done) { container.ReadStats(std::move(done)); });
  EXPECT_TRUE(stats) << stats.error().message();
  return stats ? *stats : cgroup::Stats{.cpu = cgroup::CpuStats{}, .memory = cgroup::MemoryStats{}};
}

uint64_t InprocTest::TimePaused(Container& container) {
  EXPECT_TRUE(Wait<void>([&](auto done) { container.Pause(std::move(done)); }));
  uint64_t last = 0;
  EXPECT_TRUE(Until([&] {
    const uint64_t before = TimeOf(container);
    ServeFor(milliseconds(50));
    last = TimeOf(container);
    return last == before;
  }));
  return last;
}

std::filesystem::path InprocTest::FolderOfHost() const {
  return std::filesystem::path("/proc") / std::to_string(host());
}

std::filesystem::path InprocTest::TaskOf(pid_t thread) const {
  return FolderOfHost() / "task" / std::to_string(thread);
}

std::filesystem::path InprocTest::TaskOf(Container& container) const {
  return TaskOf(container.first().info().pid);
}

bool InprocTest::WaitForThreads(size_t most) {
  const bool gone = Until([&] { return Threads() <= most; });
  EXPECT_TRUE(gone) << "there are still " << Threads() << " threads";
  return gone;
}

HostSize InprocTest::SizeOfHost() const {
  const std::string maps = test::ReadFile(FolderOfHost() / "maps");
  const std::string memory = test::ReadFile(FolderOfHost() / "smaps_rollup");
  constexpr std::string_view kOwn = "Private_Dirty:";
  return {.descriptors = Count(FolderOfHost() / "fd"),
          .mebibytes = std::stoul(memory.substr(memory.find(kOwn) + kOwn.size())) >> 10,
          .mappings = static_cast<size_t>(std::count(maps.begin(), maps.end(), '\n'))};
}

void InprocTest::ExpectNoLarger(const HostSize& before, const HostSize& allowed) const {
  const HostSize after = SizeOfHost();
  EXPECT_LE(after.descriptors, before.descriptors + allowed.descriptors);
  EXPECT_LE(after.mappings, before.mappings + allowed.mappings);
  EXPECT_LE(after.mebibytes, before.mebibytes + allowed.mebibytes);
}

size_t InprocTest::Count(const std::filesystem::path& directory) {
  const std::filesystem::directory_iterator all(directory);
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

std::string InprocTest::Link(const std::filesystem::path& path) {
  std::error_code error;
  const std::string target = std::filesystem::read_symlink(path, error).native();
  EXPECT_FALSE(error) << path << ": " << error.message();
  return target;
}

}  // namespace wasmoor::sandbox
