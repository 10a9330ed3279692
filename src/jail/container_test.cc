#include <fcntl.h>
#include <gmock/gmock.h>

#include "jail/container_testing.h"
#include "wasmoor/os/features.h"

namespace wasmoor::jail {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ContainerTest : public WithContainers {};

std::vector<std::string> Shell(const std::string& script) { return {"/bin/sh", "-c", script}; }

TEST_F(ContainerTest, RunsAProgramInItsOwnRootAndNamespaces) {
  const Ran ran = Run(Config(Shell("echo $$; cat /proc/sys/kernel/hostname; ls /; exit 7")));
  EXPECT_EQ(ran.output, "1\nbox\nbin\ndev\nproc\ntmp\n");
  EXPECT_EQ(ran.status, 7);
}

TEST_F(ContainerTest, WaitsForStartAndThenGoesThroughItsStates) {
  auto created = Create(Config({"/bin/sleep", "100"}));
  ASSERT_TRUE(created.has_value()) << created.error().message();
  Container& container = created->container;
  const auto status = [&] { return std::string(oci::StatusName(container.state().status)); };
  EXPECT_EQ(status(), "created");
  EXPECT_EQ(container.state().pid, created->first.pid);
  std::vector<std::string> warnings;
  EXPECT_THAT(container.Delete(Force::kNo, &warnings).error().message(),
              HasSubstr("that is not stopped: it is created"));
  EXPECT_THAT(container.Pause().error().message(), HasSubstr("that is not running"));
  EXPECT_THAT(container.Resume().error().message(), HasSubstr("that is not paused"));
  ASSERT_TRUE(container.Start(&warnings));
  EXPECT_EQ(status(), "running");
  EXPECT_THAT(container.Start(&warnings).error().message(),
              HasSubstr("that is not created: it is running"));
  ASSERT_TRUE(container.Pause());
  EXPECT_EQ(status(), "paused");
  ASSERT_TRUE(container.Resume());
  EXPECT_EQ(status(), "running");
  EXPECT_EQ(container.Pids().value(), std::vector<pid_t>{created->first.pid});
  ASSERT_TRUE(container.Kill(SIGKILL, Whom::kFirstProcess));
  EXPECT_EQ(Wait(created->first.pid), 137);
  EXPECT_EQ(status(), "stopped");
  EXPECT_THAT(container.Kill(SIGTERM, Whom::kFirstProcess).error().message(),
              StartsWith("container not running"));
  EXPECT_TRUE(container.Delete(Force::kNo, &warnings));
  EXPECT_THAT(containers_->Find(Id()).error().message(),
              AllOf(HasSubstr(Id()), HasSubstr("does not exist")));
}

TEST_F(ContainerTest, AProgramThatIsNotThereFailsTheCreationAndLeavesNothing) {
  EXPECT_EQ(Run(Config({"nothing"})).output,
            "exec: \"nothing\": executable file not found in $PATH");
  EXPECT_EQ(Run(Config({"/bin/nothing"})).output,
            "exec: \"/bin/nothing\": stat /bin/nothing: No such file or directory");
  EXPECT_TRUE(containers_->List()->empty());
}

TEST_F(ContainerTest, WhatCannotBeExecutedFailsTheStart) {
  std::ofstream(bundle_ / "rootfs/bin/garbage") << "neither fish nor fowl";
  std::filesystem::permissions(bundle_ / "rootfs/bin/garbage", std::filesystem::perms(0755));
  EXPECT_THAT(Run(Config({"garbage"})).output, HasSubstr("is no Linux executable"));
}

TEST_F(ContainerTest, ExecRunsBesideTheFirstProcess) {
  auto created = Create(Config({"/bin/sleep", "100"}));
  ASSERT_TRUE(created.has_value()) << created.error().message();
  std::vector<std::string> warnings;
  ASSERT_TRUE(created->container.Start(&warnings));
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const os::Fd read(pipe[0]);
  os::Fd write(pipe[1]);
  oci::Process process = created->container.ConfiguredProcess().value();
  process.args = Shell("cat /proc/sys/kernel/hostname; cat /proc/1/comm; exit 3");
  const Executor* const executors[] = {&native_};
  const auto started = created->container.Exec(process, {.standard_output = &write}, executors);
  write.Close();
  ASSERT_TRUE(started.has_value()) << started.error().message();
  EXPECT_EQ(ReadAll(read), "box\nsleep\n");
  EXPECT_EQ(Wait(started->pid), 3);
  process.args = {"/nowhere"};
  EXPECT_THAT(created->container.Exec(process, {}, executors).error().message(),
              HasSubstr("No such file or directory"));
  ASSERT_TRUE(created->container.Kill(SIGKILL, Whom::kEveryProcess));
  EXPECT_EQ(Wait(created->first.pid), 137);
}

TEST_F(ContainerTest, HasATerminalWhoseMasterTheCallerGets) {
  json config = Config(Shell("tty; stty size; echo oh >&2"));
  config["process"]["terminal"] = true;
  config["process"]["consoleSize"] = {{"height", 33}, {"width", 99}};
  auto created = Create(config);
  ASSERT_TRUE(created.has_value()) << created.error().message();
  ASSERT_TRUE(created->first.terminal.valid());
  std::vector<std::string> warnings;
  ASSERT_TRUE(created->container.Start(&warnings));
  EXPECT_EQ(ReadAll(created->first.terminal), "/dev/pts/0\r\n33 99\r\noh\r\n");
  EXPECT_EQ(Wait(created->first.pid), 0);
}

TEST_F(ContainerTest, NothingButItsStreamsIsOpenInIt) {
  const os::Fd leaked(::open("/", O_RDONLY));  // As a caller that forgets O_CLOEXEC.
  EXPECT_EQ(Run(Config(Shell("ls /proc/self/fd"))).output, "0\n1\n2\n3\n");
}

TEST_F(ContainerTest, KeepsTheRightsThatItIsGivenAndNoOthers) {
  const Ran ran = Run(Config(Shell("cat /proc/self/status")));
  EXPECT_THAT(ran.output, HasSubstr("CapEff:\t00000000000000a1\n"));
  EXPECT_THAT(ran.output, HasSubstr("CapBnd:\t00000000000000a1\n"));
  EXPECT_THAT(ran.output, HasSubstr("NoNewPrivs:\t1\n"));
}

TEST_F(ContainerTest, AUserNamespaceMapsItsRoot) {
  json config = Config(Shell("id -u; cat /proc/self/uid_map; echo x > /tmp/made"));
  config["linux"]["namespaces"].push_back({{"type", "user"}});
  config["linux"]["uidMappings"] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 1000}}};
  config["linux"]["gidMappings"] = config["linux"]["uidMappings"];
  // Its root is nobody to files of the host: what is mounted on has to be there.
  for (const char* name : {"proc", "dev"})
    std::filesystem::create_directory(bundle_ / "rootfs" / name);
  std::filesystem::permissions(scratch_, std::filesystem::perms(0755));
  std::filesystem::permissions(bundle_ / "rootfs/tmp", std::filesystem::perms(01777));
  const Ran ran = Run(config);
  EXPECT_THAT(ran.output, StartsWith("0\n"));
  EXPECT_THAT(ran.output, HasSubstr("100000       1000"));
  struct stat status = {};
  ::stat((bundle_ / "rootfs/tmp/made").c_str(), &status);
  EXPECT_EQ(status.st_uid, 100000u);
}

TEST_F(ContainerTest, JoinsTheNamespacesOfAnother) {
  auto first = Create(Config({"/bin/sleep", "100"}), {.no_pivot = false});
  ASSERT_TRUE(first.has_value()) << first.error().message();
  json config = Config(Shell("cat /proc/sys/kernel/hostname; cat /proc/1/comm"));
  config.erase("hostname");
  const std::string ns = "/proc/" + std::to_string(first->first.pid) + "/ns/";
  for (json& one : config["linux"]["namespaces"]) {
    if (one["type"] == "uts") one["path"] = ns + "uts";
    if (one["type"] == "pid") one["path"] = ns + "pid";
  }
  std::vector<std::string> warnings;
  ASSERT_TRUE(first->container.Start(&warnings));
  CreateOptions options;
  options.id = Id() + "-second";
  EXPECT_EQ(Run(config, options).output, "box\nsleep\n");
  ASSERT_TRUE(first->container.Kill(SIGKILL, Whom::kFirstProcess));
  Wait(first->first.pid);
}

TEST_F(ContainerTest, HooksRunAtTheirPointsAndAFailureUndoesEverything) {
  const std::string log = scratch_ / "log";
  const auto hook = [&](const std::string& name, int status) {
    return json::array(
        {{{"path", "/bin/sh"},
          {"args",
           {"sh", "-c",
            "printf '" + name + " ' >> " + log + "; exit " + std::to_string(status)}}}});
  };
  json config = Config({"/bin/true"});
  for (const char* name : {"prestart", "createRuntime", "createContainer", "poststart", "poststop"})
    config["hooks"][name] = hook(name, 0);
  EXPECT_EQ(Run(config).status, 0);
  std::ifstream in(log);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}),
            "prestart createRuntime createContainer poststart poststop ");
  config["hooks"]["createRuntime"] = hook("createRuntime", 9);
  EXPECT_THAT(Run(config).output,
              StartsWith("hooks.createRuntime[0] (/bin/sh): exited with status 9"));
  EXPECT_TRUE(containers_->List()->empty());
}

TEST_F(ContainerTest, AnIdThatIsTakenIsRefused) {
  auto created = Create(Config({"/bin/true"}));
  ASSERT_TRUE(created.has_value()) << created.error().message();
  EXPECT_THAT(Run(Config({"/bin/true"})).output, HasSubstr("already exists"));
  EXPECT_EQ(created->container.state().status, oci::Status::kCreated);
}

TEST_F(ContainerTest, AnotherUserThanRootHasTheLimitsOfTheConfiguration) {
  json config = Config(Shell("id -u; ulimit -n; ulimit -Hn"));
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 90}, {"hard", 100}}};
  EXPECT_EQ(Run(config).output, "1000\n90\n100\n");
}

TEST_F(ContainerTest, TheUsualDevicesWorkWhereRulesForbidAll) {
  json config = Config(Shell("cat </dev/null && echo null; cat </dev/loop-control"));
  config["linux"]["devices"] = {{{"path", "/dev/loop-control"},
                                 {"type", "c"},
                                 {"major", 10},
                                 {"minor", 237},
                                 {"fileMode", 0666}}};
  config["linux"]["resources"]["devices"] = {{{"allow", false}, {"access", "rwm"}}};
  const Ran ran = Run(config);
  EXPECT_THAT(ran.output, StartsWith("null\n"));
  EXPECT_THAT(ran.output, HasSubstr("/dev/loop-control: Operation not permitted"));
}

TEST_F(ContainerTest, WithoutAProcessItIsMadeAndEndsWhenItIsStarted) {
  json config = Config({});
  config.erase("process");
  auto created = Create(config);
  ASSERT_TRUE(created.has_value()) << created.error().message();
  EXPECT_EQ(created->container.state().status, oci::Status::kCreated);
  std::vector<std::string> warnings;
  ASSERT_TRUE(created->container.Start(&warnings));
  EXPECT_EQ(warnings, std::vector<std::string>{"config.json has no process: nothing was started"});
  EXPECT_EQ(Wait(created->first.pid), 0);
  EXPECT_EQ(created->container.state().status, oci::Status::kStopped);
}

TEST_F(ContainerTest, WithoutNamespacesItHasThoseOfTheRuntimeAndStillItsOwnRoot) {
  json config = Config({"/bin/sleep", "100"});
  config.erase("hostname");
  config["linux"]["namespaces"] = json::array();
  auto created = Create(config);
  if (!os::ProbeMountApi().yes()) {
    // The tree would have to be attached nowhere.
    ASSERT_FALSE(created);
    EXPECT_THAT(created.error().message(), HasSubstr("needs open_tree(2)"));
    return;
  }
  ASSERT_TRUE(created.has_value()) << created.error().message();
  std::vector<std::string> warnings;
  ASSERT_TRUE(created->container.Start(&warnings));
  const std::filesystem::path ours = "/proc/self/ns",
                              theirs = "/proc/" + std::to_string(created->first.pid) + "/ns";
  for (const char* name : {"mnt", "pid", "net", "ipc", "uts"}) {
    EXPECT_EQ(std::filesystem::read_symlink(theirs / name),
              std::filesystem::read_symlink(ours / name));
  }
  // Of its mounts nothing shows here.
  std::ifstream mounts("/proc/self/mountinfo");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(mounts), {}),
              Not(HasSubstr(bundle_.native())));

  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const os::Fd read(pipe[0]);
  os::Fd write(pipe[1]);
  oci::Process process = created->container.ConfiguredProcess().value();
  process.args = Shell("ls /; cat /proc/self/comm; echo >/dev/null");
  const Executor* const executors[] = {&native_};
  const auto started = created->container.Exec(process, {.standard_output = &write}, executors);
  write.Close();
  ASSERT_TRUE(started.has_value()) << started.error().message();
  EXPECT_EQ(ReadAll(read), "bin\ndev\nproc\ntmp\ncat\n");
  EXPECT_EQ(Wait(started->pid), 0);
  ASSERT_TRUE(created->container.Kill(SIGKILL, Whom::kEveryProcess));
  EXPECT_EQ(Wait(created->first.pid), 137);
}

TEST_F(ContainerTest, LimitsAreKept) {
  json config = Config(Shell("cat /dev/zero | busybox tail"));
  config["linux"]["resources"]["memory"]["limit"] = 16 << 20;
  const Ran ran = Run(config);
  EXPECT_NE(ran.status, 0);
}

}  // namespace
}  // namespace wasmoor::jail
