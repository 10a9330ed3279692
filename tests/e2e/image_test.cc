// `wasmoor image`: archives of every form, and that what goes wrong is said and leaves nothing.

#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "e2e/suite.h"

namespace wasmoor::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using Json = nlohmann::json;

class ImageTest : public E2eTest {
 protected:
  Command ImageCommand(std::vector<std::string> words) const {
    words.insert(words.begin(), "image");
    return Wasmoor(std::move(words)).In(work).Within(std::chrono::seconds(60));
  }
  Ended Image(std::vector<std::string> words) const { return ImageCommand(std::move(words)).Run(); }
  // What is in the archive, as inspect has it.
  Json Images(const std::string& archive) const {
    const Ended ended = Image({"inspect", "--json", archive});
    EXPECT_THAT(ended, AllOf(Ends(0), IsSilent()));
    return Json::parse(ended.out)["images"];
  }
  std::vector<std::string> FilesInWork() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(work)) names.push_back(entry.path().filename());
    return names;
  }

  const fs::path work = MakeDirectory("work");
};

TEST_F(ImageTest, AFileAloneMakesAnArchiveThatIsCalledLikeIt) {
  EXPECT_THAT(Image({"build", Guest("hello")}),
              AllOf(Ends(0), IsSilent(),
                    Prints(MatchesRegex("docker.io/library/hello:latest\nsha256:[0-9a-f]+\n"
                                        "hello.tar: .*\n"))));
  EXPECT_THAT(FilesInWork(), ElementsAre("hello.tar"));
  const Json image = Images("hello.tar")[0];
  EXPECT_EQ(image["names"], Json({"docker.io/library/hello:latest"}));
  const Json& manifest = image["manifests"][0];
  EXPECT_EQ(manifest["platform"], "linux/amd64");
  EXPECT_EQ(manifest["entrypoint"], Json({"/hello.wasm"}));
  EXPECT_EQ(manifest["created"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(manifest["layers"][0]["media_type"], "application/vnd.oci.image.layer.v1.tar+gzip");
}

TEST_F(ImageTest, OptionsAndArgumentsReachTheImage) {
  EXPECT_THAT(Image({"build",
                     "-o",
                     "app.tar",
                     "-t",
                     "localhost:5000/app:2",
                     "-t",
                     "app",
                     "--entrypoint",
                     "/opt/app.wasm#run",
                     "--env",
                     "COLOUR=blue",
                     "--workdir",
                     "/opt",
                     "--user",
                     "1000:100",
                     "--platform",
                     "linux/arm64",
                     Guest("hello"),
                     "--verbose",
                     "x"}),
              Ends(0));
  const Json image = Images("app.tar")[0];
  EXPECT_EQ(image["names"], Json({"localhost:5000/app:2", "docker.io/library/app:latest"}));
  const Json& manifest = image["manifests"][0];
  EXPECT_EQ(manifest["entrypoint"], Json({"/opt/app.wasm#run"}));
  EXPECT_EQ(manifest["arguments"], Json({"--verbose", "x"}));
  EXPECT_EQ(manifest["env"], Json({"COLOUR=blue"}));
  EXPECT_EQ(manifest["workdir"], "/opt");
  EXPECT_EQ(manifest["user"], "1000:100");
  EXPECT_EQ(manifest["platform"], "linux/arm64");
}

TEST_F(ImageTest, AnArtifactsLayerIsTheFile) {
  EXPECT_THAT(Image({"build", "--form", "artifact", Guest("hello")}), Ends(0));
  const Json manifest = Images("hello.tar")[0]["manifests"][0];
  const Ended sum = Command({"sha256sum", Guest("hello")}).Run();
  EXPECT_EQ(manifest["layers"][0]["digest"], "sha256:" + sum.out.substr(0, 64));
  EXPECT_EQ(manifest["layers"][0]["media_type"], "application/wasm");
  EXPECT_EQ(manifest["platform"], "wasip1/wasm");
}

TEST_F(ImageTest, AComponentsArtifactSaysSo) {
  REQUIRE_GUEST("greeter-component");
  const std::string type = "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm";
  EXPECT_THAT(Image({"build", "--form=artifact", "--layer-type", type, "--config-type",
                     "application/vnd.wasm.config.v0+json", Guest("greeter-component")}),
              Ends(0));
  const Json manifest = Images("greeter-component.tar")[0]["manifests"][0];
  EXPECT_EQ(manifest["layers"][0]["media_type"], type);
  EXPECT_EQ(manifest["config"]["media_type"], "application/vnd.wasm.config.v0+json");
  EXPECT_EQ(manifest["platform"], "wasip2/wasm");
  EXPECT_THAT(Image({"build", "--form=artifact", "--layer-type", type, Guest("hello")}),
              AllOf(Ends(126), Complains(HasSubstr("is for components"))));
}

TEST_F(ImageTest, TheSameInputMakesTheSameBytes) {
  for (const char* name : {"a.tar", "b.tar"})
    EXPECT_THAT(Image({"build", "-q", "-o", name, Guest("hello")}), AllOf(Ends(0), Prints("")));
  EXPECT_EQ(ReadFile(work / "a.tar"), ReadFile(work / "b.tar"));
  EXPECT_THAT(ImageCommand({"build", "-o", "c.tar", Guest("hello")})
                  .Env("SOURCE_DATE_EPOCH", "1000000000")
                  .Run(),
              Ends(0));
  EXPECT_EQ(Images("c.tar")[0]["manifests"][0]["created"], "2001-09-09T01:46:40Z");
  for (const char* time : {"yesterday", "-1", "1e9", "", "99999999999999999999"})
    EXPECT_THAT(ImageCommand({"build", Guest("hello")}).Env("SOURCE_DATE_EPOCH", time).Run(),
                AllOf(Ends(2), Complains(HasSubstr("seconds since 1970"))))
        << time;
}

TEST_F(ImageTest, AnArchiveCanGoToStandardOutputAndAProgramComeFromStandardInput) {
  const Ended piped =
      ImageCommand({"build", "-o", "-", "-t", "piped", "-"}).InputFile(Guest("hello")).Run();
  EXPECT_THAT(piped, AllOf(Ends(0), Complains(HasSubstr("docker.io/library/piped:latest"))));
  WriteFile(work / "piped.tar", piped.out);
  EXPECT_EQ(Images("piped.tar")[0]["manifests"][0]["entrypoint"], Json({"/app.wasm"}));
  EXPECT_THAT(ImageCommand({"build", "-o", "-", Guest("hello")}).OnTerminal().Run(),
              AllOf(Ends(126), Prints(HasSubstr("is a terminal"))));
}

TEST_F(ImageTest, WhatIsNoValidWasmMakesNoImage) {
  const std::string hello = ReadFile(Guest("hello"));
  const std::string truncated = MakeFile("truncated.wasm", hello.substr(0, hello.size() / 2));
  // A function that says it returns a number and returns none: nothing is wrong with its form.
  const std::string invalid = MakeFile(
      "invalid.wasm", std::string("\0asm\1\0\0\0\1\5\1`\0\1\x7f\3\2\1\0\n\4\1\2\0\x0b", 25));
  struct Case {
    std::string file;
    int status;
    std::string says;
  };
  for (const Case& one :
       {Case{truncated, 126, "truncated.wasm"}, Case{invalid, 126, "type mismatch"},
        Case{MakeFile("text", "hello"), 126, "text"},
        Case{MakeFile("elf",
                      "\x7f"
                      "ELF\2\1\1\0"),
             126, "native (ELF)"},
        Case{MakeFile("code.cwasm",
                      "\x7f"
                      "ELF\2\1\1\xc8"),
             126, "precompiled"},
        Case{MakeFile("empty", ""), 126, "is empty"}, Case{scratch.native(), 126, "is a directory"},
        Case{(scratch / "nothing.wasm").native(), 127, "No such file"}}) {
    EXPECT_THAT(Image({"build", "-t", "x", "-o", "x.tar", one.file}),
                AllOf(Ends(one.status), Prints(""), Complains(HasSubstr(one.says))))
        << one.file;
  }
  EXPECT_THAT(FilesInWork(), IsEmpty());
}

TEST_F(ImageTest, OptionsThatMakeNoSenseAreRefusedBeforeAnythingIsRead) {
  const std::vector<std::vector<std::string>> wrong = {
      {"--tag", "UPPER"},
      {"--platform", "linux"},
      {"--platform", "linux/amd64", "--platform", "linux/amd64"},
      {"--layer-type", "application/wasm"},
      {"--form", "artifact", "--file", "/etc/passwd:/etc/passwd"},
      {"--form", "tarball"},
      {"--file", "/etc/passwd"},
      {"--file", "/etc/passwd:relative"},
      {"--entrypoint", "relative.wasm"},
      {"--workdir", "relative"},
      {"--user", "somebody"},
      {"--user", "1000:"},
      {"--label", "nothing"},
      {"--annotation", "=x"},
      {"--env", "=x"},
      {"--compression", "brotli"},
  };
  for (std::vector<std::string> words : wrong) {
    words.insert(words.begin(), "build");
    words.push_back(scratch / "nothing.wasm");
    EXPECT_THAT(Image(words), AllOf(Ends(2), Prints(""))) << words[1] << ' ' << words[2];
  }
}

TEST_F(ImageTest, AnArchiveThatIsThereIsReplacedAtOnce) {
  WriteFile(work / "hello.tar", "old");
  fs::create_symlink("hello.tar", work / "link.tar");
  EXPECT_THAT(Image({"build", "-o", "link.tar", Guest("hello")}), Ends(0));
  EXPECT_TRUE(fs::is_symlink(work / "link.tar"));
  EXPECT_EQ(Images("hello.tar").size(), 1U);
  EXPECT_EQ(FilesInWork().size(), 2U);
}

TEST_F(ImageTest, AnArchiveThatCannotBeWrittenIsNamed) {
  EXPECT_THAT(Image({"build", "-o", ".", Guest("hello")}),
              AllOf(Ends(126), Complains(HasSubstr("is a directory"))));
  EXPECT_THAT(Image({"build", "-o", "no/such/x.tar", Guest("hello")}),
              AllOf(Ends(127), Complains(HasSubstr("no/such"))));
  EXPECT_THAT(Image({"build", "-o", "/dev/full", Guest("hello")}),
              AllOf(Ends(125), Complains(HasSubstr("No space left"))));
  EXPECT_THAT(FilesInWork(), IsEmpty());
}

TEST_F(ImageTest, AFullDiskLeavesWhatWasThere) {
  REQUIRE_MOUNTS();
  // 16 KiB of room, of which the old archive takes some.
  const std::string prepare = "mount -t tmpfs -o size=16k tmpfs " + work.native() +
                              " && echo old >" + (work / "x.tar").native() + " || exit 99; ";
  const Ended ended =
      Command({"unshare", "--mount", "--propagation", "private", "sh", "-c",
               prepare + "\"$0\" \"$@\"; echo $?; ls -A " + work.native() + "; cat " +
                   (work / "x.tar").native(),
               (FolderFrom("WASMOOR_BIN") / "wasmoor").native(), "image", "build",
               "--compression=none", "-o", (work / "x.tar").native(), Guest("hello")})
          .Run();
  EXPECT_EQ(ended.out, "125\nx.tar\nold\n") << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("No space left"));
}

TEST_F(ImageTest, WhoeverIsKilledLeavesNoHalfArchive) {
  const fs::path big = work / "big";
  fs::create_directory(big);
  std::string noise(8 << 20, '\0');
  uint32_t state = 1;
  for (char& byte : noise) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  WriteFile(big / "noise", noise);
  for (const int delay : {5, 20, 50, 90, 150, 250}) {
    const auto running =
        ImageCommand({"build", "-o", "x.tar", "--file", big.native() + ":/big", Guest("hello")})
            .Start();
    running->KillAfter(std::chrono::milliseconds(delay));
    running->Wait();
    for (const std::string& name : FilesInWork()) {
      if (name == "x.tar") {
        EXPECT_EQ(Images("x.tar").size(), 1U);
      } else {
        EXPECT_EQ(name, "big");
      }
    }
  }
}

TEST_F(ImageTest, InspectSaysWhatIsWrongWithAnArchive) {
  ASSERT_THAT(Image({"build", "--form=artifact", Guest("hello")}), Ends(0));
  std::string bytes = ReadFile(work / "hello.tar");
  bytes[bytes.size() / 2] ^= 1;
  WriteFile(work / "damaged.tar", bytes);
  EXPECT_THAT(Image({"inspect", "damaged.tar"}),
              AllOf(Ends(125), Prints(""), Complains(HasSubstr("is damaged"))));
  EXPECT_THAT(Image({"inspect", Guest("hello")}), AllOf(Ends(126), Prints("")));
  EXPECT_THAT(Image({"inspect", "nothing.tar"}), Ends(127));
  EXPECT_THAT(Image({"inspect", "."}), AllOf(Ends(126), Complains(HasSubstr("is a directory"))));
  // A blob of a terabyte of zeros, in an archive of some kilobytes.
  const fs::path blobs = MakeDirectory("sparse") / "blobs/sha256";
  fs::create_directories(blobs);
  WriteFile(blobs / std::string(64, '0'), "");
  fs::resize_file(blobs / std::string(64, '0'), uint64_t{1} << 40);
  ASSERT_THAT(Command({"tar", "--sparse", "-C", (scratch / "sparse").native(), "-cf",
                       (work / "sparse.tar").native(), "blobs"})
                  .Run(),
              Ends(0));
  EXPECT_THAT(Image({"inspect", "sparse.tar"}),
              AllOf(Ends(126), Complains(HasSubstr("more bytes than the archive"))));
  EXPECT_THAT(Image({"inspect", "hello.tar"}),
              AllOf(Ends(0), Prints(HasSubstr("entrypoint\t/hello.wasm"))));
}

}  // namespace
}  // namespace wasmoor::e2e
