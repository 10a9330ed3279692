#include "container/real_container.h"

#include <poll.h>

namespace wasmoor::container {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) abort();
    read = os::Fd(ends[0]);
    write = os::Fd(ends[1]);
  }
  os::Fd read, write;
};

}  // namespace

void RealContainerTest::SetUp() {
  WithContainers::SetUp();
  if (IsSkipped()) return;
  std::filesystem::remove_all(Rootfs("/bin"));
  Bound({});
}

void RealContainerTest::Bound(GuestBounds bounds) {
  WasmOptions options = TestOptions();
  options.caches = {cache_->path()};
  options.guest = std::move(bounds);
  wasm_ = std::make_unique<WasmExecutor>(std::move(options));
  executors_ = {wasm_.get(), &native_};
}

void RealContainerTest::TearDown() {
  WithContainers::TearDown();
  // Compilers in the background.
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

std::filesystem::path RealContainerTest::Rootfs(const std::string& path) const {
  return bundle_ / "rootfs" / path.substr(1);
}

void RealContainerTest::Put(std::string_view guest, const std::string& path) const {
  std::filesystem::create_directories(Rootfs(path).parent_path());
  std::filesystem::copy_file(GuestFile(guest), Rootfs(path),
                             std::filesystem::copy_options::overwrite_existing);
}

void RealContainerTest::PutText(const std::string& path, std::string_view text) const {
  std::filesystem::create_directories(Rootfs(path).parent_path());
  test::WriteFile(Rootfs(path), text);
}

nlohmann::json RealContainerTest::Guest(std::string_view guest,
                                        std::vector<std::string> arguments) const {
  const std::string path = "/" + std::string(guest) + ".wasm";
  Put(guest, path);
  arguments.insert(arguments.begin(), path);
  return Config(std::move(arguments));
}

bool RealContainerTest::Running::Says(std::string_view text) {
  char piece[4096];
  while (heard.find(text) == std::string::npos) {
    const ssize_t got = ::read(output.get(), piece, sizeof piece);
    if (got <= 0) return false;
    heard.append(piece, static_cast<size_t>(got));
  }
  return true;
}

RealContainerTest::Running RealContainerTest::Start(const nlohmann::json& config) {
  Pipe pipe;
  jail::CreateOptions options;
  options.standard_output = options.standard_error = &pipe.write;
  auto created = test::Must(Create(config, options));
  std::vector<std::string> warnings;
  test::Must(created.container.Start(&warnings));
  return {std::move(created), std::move(pipe.read)};
}

jail::WithContainers::Ran RealContainerTest::Exec(Running& running,
                                                  std::vector<std::string> arguments,
                                                  std::string cwd) {
  oci::Process process = test::Must(running.created.container.ConfiguredProcess());
  process.args = std::move(arguments);
  process.cwd = std::move(cwd);
  Pipe pipe;
  jail::ProcessOptions options;
  options.standard_output = options.standard_error = &pipe.write;
  const auto started = running.created.container.Exec(process, options, executors_);
  pipe.write.Close();
  if (!started) return {started.error().message()};
  Ran ran{ReadAll(pipe.read)};
  ran.status = Wait(started->pid);
  return ran;
}

}  // namespace wasmoor::container
