#include "e2e/runtime_suite.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <functional>
#include <thread>

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;

constexpr const char* kBusybox = "/bin/busybox";

// Mount points of this process; the numbers of mounts are no two times the same.
std::string MountPoints() { return ReadFile("/proc/self/mounts"); }

bool Eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

std::vector<std::string> ControlGroups(const std::string& prefix) {
  std::vector<std::string> found;
  std::error_code none;
  const auto look = [&](const fs::path& hierarchy) {
    for (const auto& entry : fs::directory_iterator(hierarchy, none)) {
      if (entry.path().filename().native().starts_with(prefix)) found.push_back(entry.path());
    }
  };
  look("/sys/fs/cgroup");
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", none)) look(entry.path());
  return found;
}

void RuntimeTest::SetUpTestSuite() {
  if (unshare(CLONE_NEWNS) == 0) mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
}

RuntimeTest::RuntimeTest() : mounts_(MountPoints()) {}

RuntimeTest::~RuntimeTest() {
  if (fs::exists(root)) {
    const Ended list = Do({"list", "--quiet"});
    EXPECT_THAT(list, Ends(0));
    for (size_t at = 0, end = 0; (end = list.out.find('\n', at)) != std::string::npos;
         at = end + 1) {
      const std::string id = list.out.substr(at, end - at);
      KillAndReap(id);
      EXPECT_THAT(Do({"delete", "--force", id}), Ends(0));
    }
    EXPECT_TRUE(fs::is_empty(root)) << "the state root";
  }
  EXPECT_EQ(MountPoints(), mounts_);
  EXPECT_THAT(ControlGroups(scratch.filename()), ::testing::IsEmpty());
}

void RuntimeTest::KillAndReap(const std::string& id) const {
  Do({"kill", "--all", id, "KILL"});
  // What `exec` left is a child of this process, and the first of a PID namespace waits for all
  // others to be waited for (pid_namespaces(7)).
  EXPECT_TRUE(Eventually([&] {
    while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
    return StatusOf(id) == "stopped";
  })) << id;
}

Command RuntimeTest::RuntimeWith(std::vector<std::string> globals,
                                 std::vector<std::string> words) const {
  std::vector<std::string> all = {FolderFrom("WASMOOR_BIN") / "wasmoor-runtime", "--root", root};
  all.insert(all.end(), globals.begin(), globals.end());
  all.insert(all.end(), words.begin(), words.end());
  return Command(std::move(all)).Env("HOME", scratch / "home").Env("WASMOOR_CACHE_DIR", cache);
}

Command RuntimeTest::Runtime(std::vector<std::string> words) const {
  return RuntimeWith({}, std::move(words));
}

Json RuntimeTest::Config(std::vector<std::string> words) const {
  const std::vector<std::string> capabilities = {"CAP_CHOWN", "CAP_KILL"};
  Json config = Json::parse(R"({
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin", "TERM=xterm"]},
    "root": {"path": "rootfs"},
    "hostname": "inside",
    "mounts": [
      {"destination": "/proc", "type": "proc", "source": "proc"},
      {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
      {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
       "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}
    ],
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}]}
  })");
  config["process"]["args"] = std::move(words);
  for (const char* set : {"bounding", "effective", "permitted"})
    config["process"]["capabilities"][set] = capabilities;
  return config;
}

fs::path RuntimeTest::MakeBundle(const Json& config, const std::string& name) const {
  const fs::path bundle = MakeDirectory(name), bin = bundle / "rootfs" / "bin";
  if (!fs::exists(bin)) {
    fs::create_directories(bin);
    fs::copy_file(kBusybox, bin / "busybox");
    for (const char* applet :
         {"sh", "cat", "echo", "env", "id", "kill", "pwd", "sleep", "stty", "tty", "true"})
      fs::create_symlink("busybox", bin / applet);
    for (const char* directory : {"proc", "dev", "tmp"})
      fs::create_directory(bundle / "rootfs" / directory);
  }
  Json own = config;
  if (!own["linux"].contains("cgroupsPath"))
    own["linux"]["cgroupsPath"] = "/" + scratch.filename().native() + "-" + name;
  WriteFile(bundle / "config.json", own.dump());
  return bundle;
}

fs::path RuntimeTest::MakeWasmBundle(const std::string& guest, std::vector<std::string> arguments,
                                     const std::string& name) const {
  const fs::path rootfs = MakeDirectory(name + "/rootfs");
  fs::copy_file(Guest(guest), rootfs / (guest + ".wasm"));
  arguments.insert(arguments.begin(), "/" + guest + ".wasm");
  Json config = Config(std::move(arguments));
  config["mounts"] = Json::array();
  config["linux"]["cgroupsPath"] = "/" + scratch.filename().native() + "-" + name;
  WriteFile(scratch / name / "config.json", config.dump());
  return scratch / name;
}

void RuntimeTest::Start(const std::string& id, std::vector<std::string> words) const {
  StartBundle(id, MakeBundle(Config(std::move(words)), "bundle-" + id));
}

Command RuntimeTest::Leaving(const std::string& id, std::vector<std::string> words) const {
  std::vector<std::string> all = {"sh",
                                  "-euc",
                                  "out=$0; exec \"$@\" >>\"$out\" 2>&1",
                                  scratch / (id + ".out"),
                                  FolderFrom("WASMOOR_BIN") / "wasmoor-runtime",
                                  "--root",
                                  root};
  all.insert(all.end(), words.begin(), words.end());
  return Command(std::move(all)).Env("HOME", scratch / "home").Env("WASMOOR_CACHE_DIR", cache);
}

void RuntimeTest::StartBundle(const std::string& id, const fs::path& bundle) const {
  WriteFile(scratch / (id + ".out"), "");
  ASSERT_THAT(Leaving(id, {"create", "--bundle", bundle, id}).Run(), Ends(0)) << OutputOf(id);
  ASSERT_THAT(Do({"start", id}), AllOf(Ends(0), IsSilent()));
}

Json RuntimeTest::StateOf(const std::string& id) const {
  const Ended state = Do({"state", id});
  EXPECT_THAT(state, AllOf(Ends(0), IsSilent()));
  return Json::parse(state.out, nullptr, false);
}

bool RuntimeTest::Becomes(const std::string& id, const std::string& status) const {
  return Eventually([&] { return StatusOf(id) == status; });
}

bool RuntimeTest::Says(const std::string& id, std::string_view text) const {
  return Eventually([&] { return OutputOf(id).find(text) != std::string::npos; });
}

}  // namespace wasmoor::e2e
