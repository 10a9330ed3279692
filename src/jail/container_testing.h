#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "wasmoor/jail/container.h"

// Real containers for tests: a bundle with a static busybox as its root filesystem, and a state
// root of its own. Whatever a test leaves is deleted with it.
namespace wasmoor::jail {

class WithContainers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, for namespaces and mounts";
    if (!std::filesystem::exists(kBusybox)) GTEST_SKIP() << "needs busybox-static";
    std::string path = (std::filesystem::temp_directory_path() / "wasmoor-jail-XXXXXX").native();
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    scratch_ = path;
    bundle_ = scratch_ / "bundle";
    std::filesystem::create_directories(bundle_ / "rootfs/bin");
    std::filesystem::create_directories(bundle_ / "rootfs/tmp");
    std::filesystem::copy_file(kBusybox, bundle_ / "rootfs/bin/busybox");
    for (const char* name : {"sh", "cat", "sleep", "true", "id", "tty", "stty", "ls"})
      std::filesystem::create_symlink("busybox", bundle_ / "rootfs/bin" / name);
    auto opened = Containers::Open({.root = scratch_ / "state"});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    containers_ = std::make_unique<Containers>(std::move(*opened));
  }

  void TearDown() override {
    if (!containers_) return;
    std::vector<std::string> warnings;
    if (auto all = containers_->List()) {
      for (Container& one : *all) {
        const Status deleted = one.Delete(Force::kYes, &warnings);
        EXPECT_TRUE(deleted.has_value()) << deleted.error().message();
      }
    }
    for (const auto& left : std::filesystem::directory_iterator(scratch_ / "state"))
      EXPECT_TRUE(left.path().filename().native().starts_with('.')) << left.path() << " was left";
    EXPECT_FALSE(std::filesystem::exists("/sys/fs/cgroup/memory/" + Id()))
        << "a control group was left";
    std::filesystem::remove_all(scratch_);
  }

  static std::string Id() { return "wasmoor-test-" + std::to_string(::getpid()); }

  // What a container of this is like: `arguments` with every namespace of its own.
  static nlohmann::json Config(std::vector<std::string> arguments) {
    using nlohmann::json;
    const json capabilities = {"CAP_CHOWN", "CAP_KILL", "CAP_SETUID"};
    json config = {{"ociVersion", "1.2.0"},
                   {"root", {{"path", "rootfs"}}},
                   {"hostname", "box"},
                   {"process",
                    {{"args", std::move(arguments)},
                     {"cwd", "/"},
                     {"user", {{"uid", 0}, {"gid", 0}}},
                     {"env", {"PATH=/bin"}},
                     {"noNewPrivileges", true},
                     {"capabilities",
                      {{"bounding", capabilities},
                       {"effective", capabilities},
                       {"permitted", capabilities}}}}},
                   {"mounts",
                    {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}},
                     {{"destination", "/dev"},
                      {"type", "tmpfs"},
                      {"source", "tmpfs"},
                      {"options", {"nosuid", "mode=755"}}},
                     {{"destination", "/dev/pts"},
                      {"type", "devpts"},
                      {"source", "devpts"},
                      {"options", {"newinstance", "ptmxmode=0666", "mode=0620"}}}}}};
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"})
      config["linux"]["namespaces"].push_back({{"type", type}});
    return config;
  }

  void WriteConfig(const nlohmann::json& config) const {
    std::ofstream(bundle_ / "config.json") << config.dump();
  }

  Result<Containers::Created> Create(const nlohmann::json& config, CreateOptions options = {}) {
    WriteConfig(config);
    if (options.id.empty()) options.id = Id();
    options.bundle = bundle_;
    return containers_->Create(options, executors_);
  }

  struct Ran {
    std::string output;  // Or the error.
    int status = -1;     // As a shell has it.
  };

  // Creates, starts, waits and deletes.
  Ran Run(const nlohmann::json& config, CreateOptions options = {}) {
    int pipe[2];
    EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const os::Fd read(pipe[0]);
    os::Fd write(pipe[1]);
    if (options.standard_output == nullptr) options.standard_output = &write;
    options.standard_error = options.standard_output;
    auto created = Create(config, options);
    write.Close();
    if (!created) return {created.error().message()};
    std::vector<std::string> warnings;
    const Status started = created->container.Start(&warnings);
    if (!started) static_cast<void>(created->container.Kill(SIGKILL, Whom::kFirstProcess));
    Ran ran{ReadAll(read)};
    if (!started) ran.output += started.error().message();
    ran.status = Wait(created->first.pid);
    const Status deleted = created->container.Delete(Force::kNo, &warnings);
    if (!deleted) ran.output += deleted.error().message();
    for (const std::string& warning : warnings) ran.output += warning;
    return ran;
  }

  static std::string ReadAll(const os::Fd& from) {
    std::string text;
    char piece[4096];
    for (ssize_t got = 0; (got = ::read(from.get(), piece, sizeof(piece))) > 0;)
      text.append(piece, static_cast<size_t>(got));
    return text;
  }

  static int Wait(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  static constexpr const char* kBusybox = "/bin/busybox";
  std::filesystem::path scratch_, bundle_;
  std::unique_ptr<Containers> containers_;
  NativeExecutor native_;
  std::vector<const Executor*> executors_ = {&native_};
};

}  // namespace wasmoor::jail
