#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "container/real_container.h"
#include "e2e/suite.h"
#include "support/child.h"
#include "wasmoor/os/features.h"
#include "wasmoor/os/socket.h"

// What a guest in a container can reach, and what somebody who takes its process over could.
namespace wasmoor::container {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ConfinedTest : public RealContainerTest {};

TEST_F(ConfinedTest, ItsProcessHasNoCapabilityAndEveryFilter) {
  for (const char* guest : {"cat", "cat-component"}) {
    json config = Guest(guest, {"/proc/self/status"});
    config["process"]["noNewPrivileges"] = false;
    const std::string status = Run(config).output;
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
      EXPECT_THAT(status, HasSubstr(std::string(set) + ":\t0000000000000000\n")) << guest;
    EXPECT_THAT(status, AllOf(HasSubstr("NoNewPrivs:\t1\n"), HasSubstr("Seccomp:\t2\n"),
                              HasSubstr("Seccomp_filters:\t1\n")))
        << guest;
  }
}

TEST_F(ConfinedTest, TheSpecificationsFilterComesOnTop) {
  json config = Guest("cat", {"/proc/self/status"});
  config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 1}}}}};
  EXPECT_THAT(Run(config).output, HasSubstr("Seccomp_filters:\t2\n"));
  std::filesystem::create_directories(Rootfs("/data"));
  json files = Guest("files", {"/data"});
  EXPECT_THAT(Run(files).output, HasSubstr("files: all ok"));
  files["linux"]["seccomp"] = config["linux"]["seccomp"];
  EXPECT_THAT(Run(files).output, HasSubstr("Operation not permitted"));
}

TEST_F(ConfinedTest, AModulesProcessHasOneThreadAndNoDescriptorOfTheHosts) {
  const os::Fd leaked(::open("/", O_RDONLY));  // As a caller that forgets O_CLOEXEC.
  Running running = Start(Guest("sleep"));
  ASSERT_TRUE(running.Says("sleeping"));
  const std::string process = "/proc/" + std::to_string(running.created.first.pid);
  EXPECT_EQ(test::FilesIn(process + "/task").size(), 1U);
  for (const auto& file : test::FilesIn(process + "/fd")) {
    struct stat status = {}, host = {};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    ASSERT_EQ(::stat("/", &host), 0);
    EXPECT_FALSE(status.st_dev == host.st_dev && status.st_ino == host.st_ino) << file;
  }
  // 0 to 2, as many of the guest's own, its root, and the code that its memory is mapped from.
  EXPECT_EQ(test::FilesIn(process + "/fd").size(), 8U);
  EXPECT_EQ(test::ReadFile(process + "/environ").find_first_not_of('\0'), std::string::npos);
  ASSERT_TRUE(running.created.container.Kill(SIGKILL, jail::Whom::kFirstProcess));
  EXPECT_EQ(Wait(running.created.first.pid), 137);
}

TEST_F(ConfinedTest, NothingIsWrittenThroughProcfs) {
  PutText("/in.txt", "text");
  for (const char* path : {"/proc/self/mem", "/proc/1/comm", "/proc/sys/kernel/core_pattern"}) {
    for (const char* guest : {"copy", "takeover"}) {
      const std::vector<std::string> words = guest == std::string("copy")
                                                 ? std::vector<std::string>{"/in.txt", path}
                                                 : std::vector<std::string>{path};
      EXPECT_NE(RunGuest(guest, words).status, 0) << guest << path;
      EXPECT_NE(RunGuest(guest, words).status, 134) << guest << path;
    }
  }
}

TEST_F(ConfinedTest, NoLinkInAMountLeadsOutOfTheContainer) {
  std::filesystem::create_directories(scratch_ / "volume");
  test::WriteFile(scratch_ / "secret", "SECRET");
  const std::vector<std::filesystem::path> targets = {
      scratch_ / "secret",
      "../secret",
      "../../secret",
      "/proc/1/root" + (scratch_ / "secret").native(),
      "/proc/self/cwd/../../secret",
      "/proc/self/fd/3"};
  std::vector<std::string> paths = {"/../secret", "/volume/../../secret",
                                    (scratch_ / "secret").native(), "/proc/1/root/../secret"};
  int number = 0;
  for (const auto& target : targets) {
    const std::string name = "link" + std::to_string(number++);
    std::filesystem::create_symlink(target, scratch_ / "volume" / name);
    std::filesystem::create_symlink(target, Rootfs("/" + name));
    paths.push_back("/volume/" + name);
    paths.push_back("/" + name);
  }
  for (const char* guest : {"escape", "escape-component"}) {
    std::vector<std::string> words = {std::to_string(paths.size() * 2)};
    words.insert(words.end(), paths.begin(), paths.end());
    json config = Guest(guest, words);
    config["mounts"].push_back({{"destination", "/volume"},
                                {"type", "bind"},
                                {"source", scratch_ / "volume"},
                                {"options", {"rbind", "rw"}}});
    const Ran ran = Run(config);
    EXPECT_THAT(ran.output, HasSubstr(" 0 escaped")) << guest;
    EXPECT_EQ(ran.status, 0) << guest;
  }
}

TEST_F(ConfinedTest, MaskedPathsStayMasked) {
  PutText("/secret/file", "SECRET");
  PutText("/hidden", "SECRET");
  json config = Guest("escape", {"10", "/secret/file", "/hidden"});
  config["linux"]["maskedPaths"] = {"/secret", "/hidden"};
  EXPECT_EQ(Run(config).status, 0);
}

TEST_F(ConfinedTest, ItIsTheUserThatTheSpecificationSays) {
  PutText("/private.txt", "SECRET");
  std::filesystem::permissions(Rootfs("/private.txt"), std::filesystem::perms(0600));
  json config = Guest("escape", {"1", "/private.txt"});
  EXPECT_EQ(Run(config).status, 1);  // Of root.
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  EXPECT_EQ(Run(config).status, 0);
  EXPECT_THAT(Run(config).output, HasSubstr("0 opened"));
}

TEST_F(ConfinedTest, ASocketThatWasHandedOverTakesConnectionsAndNoOtherIsThere) {
  os::Fd listener = test::Must(os::ListenTcp("127.0.0.1:0"));
  struct sockaddr_in address = {};
  socklen_t size = sizeof(address);
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const os::Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const struct timeval patience = {.tv_sec = 10};
  ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::send(client.get(), "echo", 4, 0), 4);
  ::shutdown(client.get(), SHUT_WR);
  // Socket activation hands over descriptor 3: here, in a process of its own.
  json config = Guest("serve");
  config["process"]["env"] = {"LISTEN_FDS=1"};
  const std::string log = scratch_ / "log";
  test::InChild([&] {
    // Which the object of the fixture may have as well.
    static_cast<void>(containers_.release());
    if (::dup2(listener.get(), 3) != 3) return 1;
    containers_ = std::make_unique<jail::Containers>(
        test::Must(jail::Containers::Open({.root = scratch_ / "state"})));
    const os::Fd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    jail::CreateOptions options;
    options.preserve_fds = 1;
    options.standard_output = &out;
    return Run(config, options).status;
  });
  EXPECT_THAT(test::ReadFile(log), HasSubstr("echoed 4 bytes"));
  char text[8] = {};
  EXPECT_EQ(::recv(client.get(), text, sizeof(text), 0), 4);
  EXPECT_STREQ(text, "echo");
  EXPECT_THAT(RunGuest("serve").output, Not(HasSubstr("listening")));
}

TEST_F(ConfinedTest, AnImageCannotClaimTheRuntimesSockets) {
  json config = Guest("descriptors");
  config["process"]["env"] = {"LISTEN_FDS=1000"};
  const Ran ran = Run(config);
  EXPECT_THAT(ran.output, Not(HasSubstr("socket")));
  EXPECT_EQ(ran.status, 0);
}

TEST_F(ConfinedTest, AUserWithoutRightsRunsThemAndEntersThem) {
  constexpr uid_t kNobodySpecial = 1000;
  json config = Guest("sleep");
  Put("hello", "/hello.wasm");
  std::filesystem::create_directories(Rootfs("/proc"));
  config["mounts"] = {{{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}}};
  config["linux"]["namespaces"] = json::array();
  for (const char* type : {"user", "pid", "mount", "ipc", "uts"})
    config["linux"]["namespaces"].push_back({{"type", type}});
  config["linux"]["uidMappings"] = {{{"containerID", 0}, {"hostID", kNobodySpecial}, {"size", 1}}};
  config["linux"]["gidMappings"] = config["linux"]["uidMappings"];
  for (const auto& file : std::filesystem::recursive_directory_iterator(scratch_))
    ASSERT_EQ(::lchown(file.path().c_str(), kNobodySpecial, kNobodySpecial), 0);
  ASSERT_EQ(::lchown(scratch_.c_str(), kNobodySpecial, kNobodySpecial), 0);
  const std::string ended = test::InChild([&] {
    if (::setresgid(kNobodySpecial, kNobodySpecial, kNobodySpecial) != 0 ||
        ::setresuid(kNobodySpecial, kNobodySpecial, kNobodySpecial) != 0)
      return 1;
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // As after an exec.
    WasmOptions options = TestOptions();
    options.caches = {scratch_ / "cache"};
    const WasmExecutor wasm(std::move(options));
    executors_ = {&wasm};
    Running running = Start(config);
    if (!running.Says("sleeping")) return 2;
    const Ran ran = Exec(running, {"/hello.wasm"});
    if (ran.output != "Hello from wasm!\n") {
      fprintf(stderr, "%s\n", ran.output.c_str());
      return 3;
    }
    test::Must(running.created.container.Kill(SIGTERM, jail::Whom::kFirstProcess));
    return Wait(running.created.first.pid);
  });
  EXPECT_EQ(ended, "exit 143");
}

TEST_F(ConfinedTest, CompilersRunOutsideOfTheContainersControlGroup) {
  // Less than any compiler needs, and enough for the guest.
  PutText("/app.wasm", e2e::LargeModule(300));
  json config = Config({"/app.wasm"});
  config["linux"]["resources"]["memory"]["limit"] = 8 << 20;
  EXPECT_EQ(Run(config).status, 0);
}

}  // namespace
}  // namespace wasmoor::container
