#pragma once

#include <memory>
#include <string>
#include <vector>

#include "container/support.h"
#include "jail/container_testing.h"
#include "wasmoor/container/executor.h"

namespace wasmoor::container {

// Real containers whose root filesystem is empty but for the guests that a test puts there. What
// they compile to is kept for all tests of the program.
class RealContainerTest : public jail::WithContainers {
 protected:
  static void SetUpTestSuite() { cache_ = new test::ScratchDirectory(); }
  static void TearDownTestSuite() {
    delete cache_;
    cache_ = nullptr;
  }

  void SetUp() override;
  void TearDown() override;

  // Puts a guest into the root, at an absolute path of the container.
  void Put(std::string_view guest, const std::string& path = "/app.wasm") const;
  void PutText(const std::string& path, std::string_view text) const;
  std::filesystem::path Rootfs(const std::string& path) const;

  // Config() with `guest` as the program: its file is put there, by that name.
  nlohmann::json Guest(std::string_view guest, std::vector<std::string> arguments = {}) const;
  // Runs it to its end.
  Ran RunGuest(std::string_view guest, std::vector<std::string> arguments = {}) {
    return Run(Guest(guest, std::move(arguments)));
  }

  // For the containers that come.
  void Bound(GuestBounds bounds);

  // A container that runs, and what it writes.
  struct Running {
    jail::Containers::Created created;
    os::Fd output;

    bool Says(std::string_view text);  // False if it ends before.
    std::string heard = {};
  };
  Running Start(const nlohmann::json& config);
  // Runs a process in it; its output and status.
  Ran Exec(Running& running, std::vector<std::string> arguments, std::string cwd = "/");

 private:
  static inline test::ScratchDirectory* cache_ = nullptr;
  std::unique_ptr<WasmExecutor> wasm_;
};

}  // namespace wasmoor::container
