#include "containerd/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/result.h"

namespace wasmoor::containerd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kDigest = "sha256:" + std::string(64, 'a');

json Blob(const std::string& type, json more = json::object()) {
  more.update({{"mediaType", type}, {"digest", kDigest}, {"size", 10}});
  return more;
}
json For(const std::string& os, const std::string& architecture) {
  return Blob("application/vnd.oci.image.manifest.v1+json",
              {{"platform", {{"os", os}, {"architecture", architecture}}}});
}
json Titled(const std::string& type, const std::string& title) {
  return Blob(type, {{"annotations", {{"org.opencontainers.image.title", title}}}});
}

Result<Choice> Choose(const json& entries) {
  const auto document = test::Must(ParseDocument(json({{"manifests", entries}}).dump()));
  return ChooseEntry(std::get<Index>(document));
}
Result<Layer> ChooseOf(const json& layers, std::string_view entrypoint) {
  const auto document = test::Must(ParseDocument(json({{"layers", layers}}).dump()));
  return ChooseLayer(std::get<Manifest>(document), entrypoint);
}

TEST(ImageTest, ChoosesThePlatformsOfWebAssembly) {
  for (const auto& [os, architecture] : {std::pair("wasi", "wasm"),
                                         {"wasip1", "wasm"},
                                         {"wasip2", "wasm"},
                                         {"wasi", "wasm32"},
                                         {"wasm", "wasi"}}) {
    const auto entry = Choose({For("linux", "amd64"), For(os, architecture)});
    ASSERT_TRUE(entry) << os;
    EXPECT_EQ(entry->entry.os, os);
    EXPECT_EQ(entry->doubt, "");
  }
  // What oras pushes has no platform.
  EXPECT_TRUE(Choose(json::array({Blob("application/vnd.oci.image.manifest.v1+json")})));
}

TEST(ImageTest, SaysWhichPlatformsThereAreInstead) {
  const auto entry =
      Choose({For("linux", "s390x"), For("windows", "amd64"), For("linux", "s390x")});
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code(), Code::kNotFound);
  EXPECT_THAT(entry.error().message(), HasSubstr("its platforms: linux/s390x, windows/amd64"));
  // This machine's may be an artifact all the same.
  const auto ours = Choose({For("linux", "amd64"), For("linux", "arm64")});
  ASSERT_TRUE(ours);
  EXPECT_EQ(ours->entry.os, "linux");
  EXPECT_THAT(ours->doubt, HasSubstr("its platforms: linux/amd64, linux/arm64"));
  EXPECT_THAT(Choose(json::array()).error().message(), HasSubstr("none"));
}

TEST(ImageTest, ChoosesTheLayerThatTheEntrypointNamesOrTheFirst) {
  const json layers = {Blob("application/vnd.oci.image.layer.v1.tar"),
                       Titled("application/wasm", "one.wasm"),
                       Titled("application/vnd.wasm.content.layer.v1+wasm", "bin/two.wasm"),
                       Blob("application/vnd.bytecodealliance.wasm.component.layer.v0+wasm")};
  EXPECT_EQ(test::Must(ChooseOf(layers, "/bin/two.wasm")).title, "bin/two.wasm");
  EXPECT_EQ(test::Must(ChooseOf(layers, "one.wasm")).title, "one.wasm");
  EXPECT_EQ(test::Must(ChooseOf(layers, "/else.wasm")).title, "one.wasm");
  EXPECT_EQ(test::Must(ChooseOf(layers, "")).title, "one.wasm");
  const auto none =
      ChooseOf(json::array({Blob("application/vnd.oci.image.layer.v1.tar+gzip")}), "/a.wasm");
  EXPECT_EQ(none.error().code(), Code::kNotFound);
  EXPECT_THAT(none.error().message(),
              HasSubstr("the types of its layers: application/vnd.oci.image.layer.v1.tar+gzip"));
}

TEST(ImageTest, RefusesDocumentsThatAreNone) {
  const auto refusal = [](const std::string& text) {
    const auto document = ParseDocument(text);
    return document ? "taken" : document.error().message();
  };
  EXPECT_THAT(refusal("{"), testing::Not(HasSubstr("taken")));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("has none of"));
  EXPECT_THAT(refusal(R"({"manifests": [], "layers": []})"), HasSubstr("has both of"));
  EXPECT_THAT(refusal(R"({"layers": {}})"), HasSubstr("layers: must be a list"));
  EXPECT_THAT(refusal(R"({"layers": [{"digest": "sha256:12"}]})"), HasSubstr("layers[0]"));
  EXPECT_THAT(refusal(R"({"layers": [{"size": -1}]})"), HasSubstr("layers[0].size"));
  EXPECT_THAT(refusal(R"({"layers": [7]})"), HasSubstr("layers[0]: must be an object"));
  EXPECT_THAT(refusal(std::string(1'000'000, '[')), HasSubstr("deep"));
  EXPECT_THAT(refusal(json({{"manifests", json::array({Blob("x", {{"platform", 1}})})}}).dump()),
              HasSubstr("manifests[0].platform"));
}

TEST(ImageTest, TakesNoDigestButSha256) {
  EXPECT_EQ(ToString(test::Must(ParseDigest(kDigest))), kDigest);
  for (const std::string& bad :
       {std::string(), std::string("sha256:"), "sha512:" + std::string(128, 'a'),
        "sha256:" + std::string(63, 'a'), "sha256:" + std::string(64, 'A'),
        "sha256:" + std::string(64, 'g'), "sha256:" + std::string(62, 'a') + "-1",
        std::string("sha256:../../../../../../../../../../../../../../../../../../etc/passwd")}) {
    EXPECT_EQ(ParseDigest(bad).error().code(), Code::kInvalidArgument) << bad;
  }
}

TEST(ImageTest, KnowsNativeCodeByItsHead) {
  EXPECT_TRUE(CheckHead(std::string_view("\0asm\1\0\0\0", 8)));
  EXPECT_TRUE(CheckHead("(module)\n"));
  EXPECT_THAT(CheckHead("\x7f"
                        "ELF\2\1\1")
                  .error()
                  .message(),
              HasSubstr("never loaded"));
  EXPECT_FALSE(CheckHead("\x1f\x8b\x08"));
  EXPECT_THAT(CheckHead("").error().message(), HasSubstr("empty"));
}

}  // namespace
}  // namespace wasmoor::containerd
