#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/suite.h"

// What the tests of wasmoor-runtime share: bundles to run, and what must be left of them: nothing.
namespace wasmoor::e2e {

using Json = nlohmann::json;

// Control groups, at the top of any hierarchy, whose names begin like this, as those of the
// containers of a test do with the name of its scratch directory.
std::vector<std::string> ControlGroups(const std::string& prefix);

// A state root and bundles of its own for each test. Containers that a test leaves are deleted by
// force at its end; a mount, control group, process or file that is there then fails it.
class RuntimeTest : public E2eTest {
 protected:
  // The whole program gets mounts of its own: what is mounted by mistake is not the machine's.
  static void SetUpTestSuite();
  RuntimeTest();
  ~RuntimeTest() override;

  // `wasmoor-runtime --root ROOT WORDS...`
  Command Runtime(std::vector<std::string> words) const;
  Ended Do(std::vector<std::string> words) const { return Runtime(std::move(words)).Run(); }
  // The same with these before the verb.
  Command RuntimeWith(std::vector<std::string> globals, std::vector<std::string> words) const;

  // A bundle at SCRATCH/NAME with busybox as its root filesystem, of a container that runs `words`.
  Json Config(std::vector<std::string> words) const;
  std::filesystem::path MakeBundle(const Json& config, const std::string& name = "bundle") const;
  std::filesystem::path BundleOf(std::vector<std::string> words) const {
    return MakeBundle(Config(std::move(words)));
  }
  // One whose root filesystem has this guest alone, as /NAME.wasm, which is run.
  std::filesystem::path MakeWasmBundle(const std::string& guest, std::vector<std::string> arguments,
                                       const std::string& name = "bundle") const;

  // A command that leaves a process with its streams, which ours do not wait for then: they are
  // SCRATCH/ID.out, appended to.
  Command Leaving(const std::string& id, std::vector<std::string> words) const;
  // `create` and `start` of a container that runs `words`. Its output is in SCRATCH/ID.out.
  void Start(const std::string& id, std::vector<std::string> words) const;
  void StartBundle(const std::string& id, const std::filesystem::path& bundle) const;
  Json StateOf(const std::string& id) const;
  std::string StatusOf(const std::string& id) const { return StateOf(id)["status"]; }
  // Waits for it; false after ten seconds.
  bool Becomes(const std::string& id, const std::string& status) const;
  std::string OutputOf(const std::string& id) const { return ReadFile(scratch / (id + ".out")); }
  bool Says(const std::string& id, std::string_view text) const;

  // SIGKILL to all of it, whatever its state.
  void KillAndReap(const std::string& id) const;

  const std::filesystem::path root = scratch / "state";

 private:
  std::string mounts_;
};

}  // namespace wasmoor::e2e

#define REQUIRE_CONTAINERS()                    \
  REQUIRE_MOUNTS();                             \
  if (!std::filesystem::exists("/bin/busybox")) \
  GTEST_SKIP() << "needs busybox-static, whose one file is a root filesystem"
