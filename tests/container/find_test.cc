#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/support.h"

// Which programs the executor takes, and where it finds them.
namespace wasmoor::container {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class FindTest : public ContainerTest {
 protected:
  // What Prepare says; "" if it is content.
  std::string Complaint() const {
    const auto prepared = Prepare();
    return prepared ? "" : prepared.error().message();
  }
  Code PrepareCode() const {
    const auto prepared = Prepare();
    return prepared ? Code::kOk : prepared.error().code();
  }
};

TEST_F(FindTest, AFileThatIsWasmIsTakenWhateverItsName) {
  Put("hello", "/bin/tool");
  process.args = {"/bin/tool"};
  EXPECT_TRUE(CanHandle());
  EXPECT_EQ(Complaint(), "");
  PutText("/x.wat", "(module (func (export \"_start\")))");
  process.args = {"/x.wat#_start"};
  EXPECT_TRUE(CanHandle());
  EXPECT_EQ(Complaint(), "");
}

TEST_F(FindTest, AFileThatIsNotIsLeftToOthers) {
  std::filesystem::copy_file("/proc/self/exe", root / "native");
  PutText("/script.wasm", "#!/bin/sh\n");
  PutText("/empty.wasm", "");
  std::filesystem::create_directory(root / "folder.wasm");
  ASSERT_EQ(mkfifo((root / "fifo.wasm").c_str(), 0600), 0);
  for (const char* name : {"/native", "/script.wasm", "/empty.wasm", "/folder.wasm", "/fifo.wasm",
                           "/missing.wasm", "missing.wasm", ""}) {
    process.args = {name};
    EXPECT_FALSE(CanHandle()) << name;
  }
  process.args = {};
  EXPECT_FALSE(CanHandle());
}

TEST_F(FindTest, WhatIsMarkedIsTakenAndExplainedIfItCannotRun) {
  spec.annotations = {{"run.oci.handler", "wasm"}};
  EXPECT_TRUE(CanHandle());
  EXPECT_EQ(PrepareCode(), Code::kNotFound);
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("/app.wasm"), HasSubstr("no such file or directory")));
  process.args = {"app.wasm"};
  EXPECT_EQ(PrepareCode(), Code::kNotFound);
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("app.wasm"), HasSubstr("not found in $PATH")));
  std::filesystem::copy_file("/proc/self/exe", root / "app");
  process.args = {"/app"};
  EXPECT_EQ(PrepareCode(), Code::kInvalidArgument);
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("/app"), HasSubstr("native (ELF)"),
                                 HasSubstr("annotation run.oci.handler=wasm")));
  ASSERT_EQ(mkfifo((root / "fifo").c_str(), 0600), 0);
  process.args = {"/fifo"};
  EXPECT_EQ(PrepareCode(), Code::kInvalidArgument);
}

TEST_F(FindTest, APodsSandboxIsLeftToOthers) {
  Put("hello", "/app.wasm");
  EXPECT_TRUE(CanHandle());
  spec.annotations = {{"io.kubernetes.cri.container-type", "sandbox"}};
  EXPECT_FALSE(CanHandle());
}

TEST_F(FindTest, InAContainerOfWasmEverythingIsTakenAndOnlyWasmRuns) {
  std::filesystem::copy_file("/proc/self/exe", root / "native");
  process.args = {"/native"};
  is_first = false;
  EXPECT_FALSE(CanHandle());
  made_by = "native";
  EXPECT_FALSE(CanHandle());
  made_by = "wasm";
  EXPECT_TRUE(CanHandle());
  EXPECT_EQ(PrepareCode(), Code::kInvalidArgument);
  EXPECT_THAT(Complaint(), AllOf(HasSubstr("/native"), HasSubstr("nothing else runs")));
}

TEST_F(FindTest, WasmIsExecutedInANativeContainerByItsContent) {
  Put("hello", "/tool.wasm");
  process.args = {"/tool.wasm"};
  is_first = false;
  made_by = "native";
  EXPECT_TRUE(CanHandle());
  // The annotations are the first process's.
  spec.annotations = {{"io.kubernetes.cri.container-type", "sandbox"}};
  EXPECT_TRUE(CanHandle());
}

TEST_F(FindTest, AProgramIsLookedForAsExecveDoes) {
  Put("hello", "/usr/local/bin/tool");
  process.args = {"tool"};
  EXPECT_TRUE(CanHandle());  // Where there is no PATH.
  process.env = {"PATH=/bin:/opt"};
  EXPECT_FALSE(CanHandle());
  process.env = {"PATH=/bin:/opt:/usr/local/bin"};
  EXPECT_TRUE(CanHandle());
  process.args = {"local/bin/tool"};
  EXPECT_FALSE(CanHandle());
  process.cwd = "/usr";
  EXPECT_TRUE(CanHandle());
  process.cwd = "/usr/local/bin";
  process.args = {"tool"};
  process.env = {"PATH=/bin:"};
  EXPECT_TRUE(CanHandle());
  process.args = {"./tool"};
  EXPECT_TRUE(CanHandle());
}

TEST_F(FindTest, NothingOutsideOfTheRootIsFound) {
  std::filesystem::create_directory(scratch / "outside");
  std::filesystem::copy_file(GuestFile("hello"), scratch / "outside/app.wasm");
  std::filesystem::create_symlink(scratch / "outside/app.wasm", root / "absolute.wasm");
  std::filesystem::create_symlink("../outside/app.wasm", root / "relative.wasm");
  std::filesystem::create_symlink("../outside", root / "folder");
  std::filesystem::create_symlink("/proc/self/root", root / "magic");
  std::filesystem::create_symlink("loop.wasm", root / "loop.wasm");
  for (const std::string name :
       {"/absolute.wasm", "/relative.wasm", "/folder/app.wasm", "/../outside/app.wasm",
        "/loop.wasm", "/a/../../outside/app.wasm"}) {
    process.args = {name};
    EXPECT_FALSE(CanHandle()) << name;
  }
  process.args = {"/magic" + (scratch / "outside/app.wasm").native()};
  EXPECT_FALSE(CanHandle());
}

TEST_F(FindTest, LinksWithinTheRootAreFollowed) {
  Put("hello", "/lib/app.wasm");
  std::filesystem::create_symlink("/lib/app.wasm", root / "app.wasm");
  EXPECT_TRUE(CanHandle());
  EXPECT_EQ(Complaint(), "");
}

class BindTest : public FindTest {
 protected:
  BindTest() {
    std::filesystem::create_directories(volume / "deep");
    std::filesystem::copy_file(GuestFile("hello"), volume / "deep/app.wasm");
    process.args = {"/mnt/deep/app.wasm"};
  }
  void Bind(const std::string& destination, const std::filesystem::path& source) {
    spec.mounts.push_back(
        {.destination = destination, .source = source, .options = {"rbind", "ro"}});
  }
  const std::filesystem::path volume = scratch / "volume";
};

TEST_F(BindTest, AProgramInAVolumeIsFoundBeforeItIsMounted) {
  EXPECT_FALSE(CanHandle());
  Bind("/mnt", volume);
  EXPECT_TRUE(CanHandle());
  EXPECT_EQ(Complaint(), "");
}

TEST_F(BindTest, AFileThatIsBoundIsTheProgram) {
  process.args = {"/app.wasm"};
  Bind("/app.wasm", volume / "deep/app.wasm");
  EXPECT_TRUE(CanHandle());
}

TEST_F(BindTest, TheDeepestMountCountsAndOfTwoTheLast) {
  std::filesystem::create_directory(scratch / "empty");
  Bind("/mnt", volume);
  Bind("/mnt/deep", scratch / "empty");
  EXPECT_FALSE(CanHandle());
  Bind("/mnt/deep", volume / "deep");
  EXPECT_TRUE(CanHandle());
  Bind("/mnt/dee", scratch / "empty");
  EXPECT_TRUE(CanHandle());
}

TEST_F(BindTest, WhatAnotherMountHidesIsNotFound) {
  Put("hello", "/mnt/deep/app.wasm");
  EXPECT_TRUE(CanHandle());
  spec.mounts.push_back({.destination = "/mnt", .type = "tmpfs", .source = "tmpfs"});
  EXPECT_FALSE(CanHandle());
  spec.mounts.back().options = {"tmpcopyup"};
  EXPECT_TRUE(CanHandle());
}

TEST_F(BindTest, NothingOutsideOfAVolumeIsFound) {
  std::filesystem::copy_file(GuestFile("hello"), scratch / "app.wasm");
  std::filesystem::create_symlink("../app.wasm", volume / "link.wasm");
  std::filesystem::create_symlink(scratch / "app.wasm", volume / "absolute.wasm");
  Bind("/mnt", volume);
  for (const char* name : {"/mnt/link.wasm", "/mnt/absolute.wasm", "/mnt/../mnt/../app.wasm"}) {
    process.args = {name};
    EXPECT_FALSE(CanHandle()) << name;
  }
}

TEST_F(BindTest, ForExecTheMountsAreThereAlready) {
  Bind("/mnt", volume);
  is_first = false;
  EXPECT_FALSE(CanHandle());
}

}  // namespace
}  // namespace wasmoor::container
