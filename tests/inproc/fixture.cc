#include "inproc/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

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

std::string InprocTest::MakeBundle(const std::string& id, const std::string& guest,
                                   const Json& config) {
  const auto bundle = scratch_ / id;
  const auto module = std::filesystem::path(std::getenv("WASMOOR_GUESTS")) / (guest + ".wasm");
  std::filesystem::create_directories(bundle / "rootfs");
  std::filesystem::copy_file(module, bundle / "rootfs" / (guest + ".wasm"));
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
  const std::string bundle = MakeBundle(id, guest, config);
  readers_[id] = ::open((bundle + "/out").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  auto made = Create(id, bundle);
  EXPECT_TRUE(made) << made.error().message() << log_;
  if (!made) return nullptr;
  auto& process = (*made)->first();
  const auto started = Wait<pid_t>([&](auto done) { process.Start(std::move(done)); });
  EXPECT_TRUE(started) << started.error().message() << log_;
  return started ? *made : nullptr;
}

Result<Exit> InprocTest::WaitFor(Process& process) {
  return Wait<Exit>([&](auto done) { process.Wait(std::move(done)); });
}

Result<Exit> InprocTest::End(const std::string& id) {
  Container* container = TRY(sandbox_->Find(id));
  if (container->first().info().state != State::kStopped) {
    static_cast<void>(container->KillAll(SIGKILL));
    TRY(WaitFor(container->first()));
  }
  return Wait<Exit>([&](auto done) { sandbox_->Remove(id, "", std::move(done)); });
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

}  // namespace wasmoor::sandbox
