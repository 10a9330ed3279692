#include "container/support.h"

#include <sys/stat.h>

#include <cstdlib>
#include <span>

#include "wasmoor/program/compiler.h"

namespace wasmoor::container {

std::filesystem::path GuestFile(std::string_view name) {
  const char* const folder = std::getenv("WASMOOR_GUESTS");
  if (folder == nullptr) {
    fprintf(stderr, "set WASMOOR_GUESTS to the folder of the guests\n");
    abort();
  }
  return std::filesystem::path(folder) / (std::string(name) + ".wasm");
}

ContainerTest::ContainerTest() {
  std::filesystem::create_directories(root);
  process.cwd = "/";
  process.args = {"/app.wasm"};
}

void ContainerTest::Put(std::string_view guest, const std::string& path) const {
  const std::filesystem::path to = root / path.substr(1);
  std::filesystem::create_directories(to.parent_path());
  std::filesystem::copy_file(GuestFile(guest), to,
                             std::filesystem::copy_options::overwrite_existing);
}

void ContainerTest::PutText(const std::string& path, std::string_view text) const {
  const std::filesystem::path to = root / path.substr(1);
  std::filesystem::create_directories(to.parent_path());
  test::WriteFile(to, text);
}

WasmOptions TestOptions() {
  WasmOptions options;
  options.engine = cmd::Engines().front();
  options.compiler = {"container-test", std::string(kCompilerVerb)};
  return options;
}

WasmOptions ContainerTest::Options() const {
  WasmOptions options = TestOptions();
  options.caches = {cache};
  options.warn = [this](std::string_view line) { warnings.emplace_back(line); };
  return options;
}

jail::ProgramRequest ContainerTest::Request(const os::Fd& root_fd) const {
  return {.container_id = "c",
          .spec = spec,
          .process = process,
          .root = root_fd,
          .is_first = is_first,
          .made_by = made_by};
}

Result<std::unique_ptr<jail::Program>> ContainerTest::Prepare(const WasmOptions& options) const {
  const os::Fd root_fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const WasmExecutor executor(options);
  const jail::ProgramRequest request = Request(root_fd);
  return TRY(executor.Prepare(request))->Wait();
}

bool ContainerTest::CanHandle() const {
  const os::Fd root_fd(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return WasmExecutor(Options()).CanHandle(Request(root_fd));
}

std::vector<std::filesystem::path> ContainerTest::CacheEntries() const {
  if (!std::filesystem::exists(cache)) return {};
  auto files = test::FilesIn(cache, "-");
  // Left by whoever was killed.
  std::erase_if(files, [](const auto& file) { return file.extension() == ".lock"; });
  return files;
}

}  // namespace wasmoor::container

// The compiler of WasmOptions is this program under another name.
int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<size_t>(argc));
  if (argc > 1 && words[1] == wasmoor::container::kCompilerVerb) {
    return wasmoor::program::RunCompiler(wasmoor::cmd::Engines().front(), words.subspan(2));
  }
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
