#include "wasmoor/image/build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/image/read.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"

namespace wasmoor::image {
namespace {

using test::Must;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BuildTest : public ::testing::Test {
 protected:
  BuildTest() {
    recipe.names = {"docker.io/library/app:latest"};
    recipe.platforms = {{"linux", "amd64", ""}};
    recipe.program = {0, 'a', 's', 'm', 1, 0, 0, 0};
    recipe.path = "/app.wasm";
    recipe.entrypoint = {"/app.wasm"};
  }

  os::Fd Archive() const {
    os::Fd file = Must(os::FileInMemory("archive", {}));
    Must(Build(recipe, file));
    return file;
  }
  std::vector<uint8_t> Bytes() const { return Must(os::ReadAll(Archive(), UINT32_MAX)); }
  ReadImage Only() const {
    const auto images = Must(Read(Archive()));
    EXPECT_EQ(images.size(), 1U);
    return images.front();
  }

  Recipe recipe;
};

// What Read says of these bytes.
std::string Refusal(std::span<const uint8_t> bytes) {
  const auto images = Read(Must(os::FileInMemory("archive", bytes)));
  return images ? "not refused" : images.error().message();
}

// The place of `text` in an archive, which has it once.
size_t Find(const std::vector<uint8_t>& bytes, std::string_view text) {
  const auto it = std::search(bytes.begin(), bytes.end(), text.begin(), text.end());
  EXPECT_NE(it, bytes.end()) << text;
  return static_cast<size_t>(it - bytes.begin());
}

TEST_F(BuildTest, WhatIsWrittenIsReadAgain) {
  recipe.names.push_back("ghcr.io/me/app:1");
  recipe.arguments = {"one", "two"};
  recipe.environment = {"COLOUR=blue"};
  recipe.working_directory = "/data";
  recipe.user = "1000:1000";
  recipe.created = 1'000'000'000;
  const ReadImage image = Only();
  EXPECT_THAT(image.names, ElementsAre("docker.io/library/app:latest", "ghcr.io/me/app:1"));
  ASSERT_EQ(image.manifests.size(), 1U);
  const ReadManifest& manifest = image.manifests.front();
  EXPECT_EQ(ToString(manifest.platform), "linux/amd64");
  EXPECT_THAT(manifest.entrypoint, ElementsAre("/app.wasm"));
  EXPECT_THAT(manifest.arguments, ElementsAre("one", "two"));
  EXPECT_THAT(manifest.environment, ElementsAre("COLOUR=blue"));
  EXPECT_EQ(manifest.working_directory, "/data");
  EXPECT_EQ(manifest.user, "1000:1000");
  EXPECT_EQ(manifest.created, "2001-09-09T01:46:40Z");
  ASSERT_EQ(manifest.layers.size(), 1U);
  EXPECT_EQ(manifest.layers[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
}

TEST_F(BuildTest, TheSameRecipeMakesTheSameBytes) {
  const test::ScratchDirectory one, other;
  for (const auto* scratch : {&one, &other}) {
    std::filesystem::create_directory(*scratch / "data");
    for (const char* name : {"data/a", "data/b", "data/c"}) scratch->Write(name, name);
  }
  // Of another time and in another order of the directory.
  other.Write("data/a", "again");
  other.Write("data/a", "data/a");
  recipe.files = {{(one / "data").native(), "/data"}};
  const auto bytes = Bytes();
  recipe.files = {{(other / "data").native(), "/data"}};
  EXPECT_EQ(Bytes(), bytes);
  recipe.created = 1;
  EXPECT_NE(Bytes(), bytes);
}

TEST_F(BuildTest, AnUncompressedLayersDigestIsItsDiffId) {
  recipe.compression = Compression::kNone;
  const auto bytes = Bytes();
  const std::string digest = Only().manifests.front().layers.front().digest;
  Find(bytes, "\"diff_ids\":[\"" + digest + "\"]");
}

TEST_F(BuildTest, TheProgramItselfIsAnArtifactsLayer) {
  recipe.form = Form::kArtifact;
  recipe.config_type = kWasmConfig;
  recipe.layer_type = kWasmContentLayer;
  const ReadManifest manifest = Only().manifests.front();
  ASSERT_EQ(manifest.layers.size(), 1U);
  EXPECT_EQ(manifest.layers[0].media_type, kWasmContentLayer);
  EXPECT_EQ(manifest.layers[0].bytes, recipe.program.size());
  EXPECT_EQ(manifest.config.media_type, kWasmConfig);
  const auto bytes = Bytes();
  // containerd refuses an image that has a diff_id without a layer that it unpacks.
  Find(bytes, "\"diff_ids\":[]");
  Find(bytes, "\"layerDigests\":[\"" + manifest.layers[0].digest + "\"]");
}

TEST_F(BuildTest, SeveralPlatformsShareALayerBelowAnIndex) {
  recipe.platforms.push_back({"linux", "arm64", "v8"});
  recipe.platforms.push_back({"wasi", "wasm", ""});
  const ReadImage image = Only();
  EXPECT_EQ(image.image.media_type, "application/vnd.oci.image.index.v1+json");
  ASSERT_EQ(image.manifests.size(), 3U);
  EXPECT_EQ(ToString(image.manifests[1].platform), "linux/arm64/v8");
  EXPECT_EQ(image.manifests[0].layers[0].digest, image.manifests[2].layers[0].digest);
}

TEST_F(BuildTest, AnImageNeedsNoName) {
  recipe.names.clear();
  EXPECT_THAT(Only().names, IsEmpty());
}

TEST_F(BuildTest, TextThatIsNotUtf8IsRefused) {
  recipe.arguments = {"\xff\xfe"};
  const auto built = Build(recipe, Must(os::FileInMemory("archive", {})));
  ASSERT_FALSE(built);
  EXPECT_THAT(built.error().message(), HasSubstr("not UTF-8"));
}

TEST_F(BuildTest, AFullDiskIsSaidSo) {
  const os::Fd full = Must(os::OpenAt(os::Fd(), "/dev/full", O_WRONLY));
  const auto built = Build(recipe, full);
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().error_number(), ENOSPC);
}

TEST_F(BuildTest, ADamagedBlobIsNamed) {
  recipe.form = Form::kArtifact;
  auto bytes = Bytes();
  bytes[Find(bytes, std::string_view("\0asm\1", 5)) + 4] = 2;
  EXPECT_THAT(Refusal(bytes), HasSubstr("layer sha256:"));
  EXPECT_THAT(Refusal(bytes), HasSubstr("is damaged"));
}

TEST_F(BuildTest, WhatIsNoArchiveOfAnImageIsRefused) {
  auto bytes = Bytes();
  EXPECT_NE(Refusal({}), "not refused");
  EXPECT_NE(Refusal(std::vector<uint8_t>(5000, 0x5a)), "not refused");
  for (size_t size = 0; size < bytes.size() - 1024; size += 509)
    EXPECT_NE(Refusal(std::span(bytes).first(size)), "not refused") << size;
  bytes[Find(bytes, "oci-layout")] = 'x';
  EXPECT_NE(Refusal(bytes), "not refused");
}

TEST_F(BuildTest, NoByteOfAnArchiveCanHarmItsReader) {
  const auto bytes = Bytes();
  for (size_t at = 0; at < bytes.size(); at += 7) {
    for (const uint8_t value : std::initializer_list<uint8_t>{0x00, 0xff, '9', '['}) {
      auto damaged = bytes;
      damaged[at] = value;
      static_cast<void>(Refusal(damaged));  // Refused or not: it comes back.
    }
  }
}

}  // namespace
}  // namespace wasmoor::image
