#include "wasmoor/containerd/artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "containerd/blobs.h"
#include "containerd/image.h"
#include "grpc/framing.h"
#include "grpc/server_for_test.h"
#include "proto/containerd/containers.pb.h"
#include "proto/containerd/content.pb.h"
#include "proto/containerd/images.pb.h"
#include "support/result.h"
#include "wasmoor/os/file.h"

namespace wasmoor::containerd {
namespace {

using nlohmann::json;
using testing::HasSubstr;

namespace content = ::containerd::services::content::v1;

const std::string kModule("\0asm\1\0\0\0", 8);
constexpr char kManifestType[] = "application/vnd.oci.image.manifest.v1+json";
constexpr char kIndexType[] = "application/vnd.oci.image.index.v1+json";

std::string DigestOf(const std::string& bytes) {
  return ToString(HashOf({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}));
}

// What a containerd has that holds one container and its image.
class ArtifactTest : public testing::Test {
 protected:
  ArtifactTest() {
    server_.serve = [this](const grpc::Heard& heard) { return Serve(heard); };
  }

  // The descriptor of a blob that the store has from now on.
  json Add(const std::string& type, const std::string& bytes, json more = json::object()) {
    blobs_[DigestOf(bytes)] = bytes;
    more.update({{"mediaType", type}, {"digest", DigestOf(bytes)}, {"size", bytes.size()}});
    return more;
  }
  json Manifest(const json& layers) {
    return Add(kManifestType, json({{"schemaVersion", 2}, {"layers", layers}}).dump());
  }
  // An image with an index of one wasm manifest of one module.
  json Index(const json& layer) {
    json manifest = Manifest(json::array({layer}));
    manifest["platform"] = {{"os", "wasi"}, {"architecture", "wasm"}};
    return Add(kIndexType, json({{"manifests", json::array({manifest})}}).dump());
  }

  Result<Artifact> Find(const std::string& entrypoint = "/app.wasm") {
    std::optional<Result<Artifact>> found;
    const auto search = FindArtifact(*loop_,
                                     {.grpc_address = server_.path(),
                                      .name_space = "k8s.io",
                                      .directory = directory_,
                                      .warn = [this](std::string_view line) { warnings_ += line; }},
                                     "c1", entrypoint, [&](Result<Artifact> artifact) {
                                       found = std::move(artifact);
                                       loop_->Stop();
                                     });
    EXPECT_FALSE(found);
    server_.heard.clear();
    loop_->Run();
    return *std::move(found);
  }
  Error Refusal() {
    const auto found = Find();
    return found ? Error(Code::kOk, found->name) : found.error();
  }
  static std::string Bytes(const Artifact& artifact) {
    const auto bytes = test::Must(os::ReadAll(artifact.module, 1 << 20));
    return {bytes.begin(), bytes.end()};
  }

  std::string image_ = "docker.io/test/app:1";
  json target_;
  std::map<std::string, std::string> blobs_;
  test::ScratchDirectory scratch_;
  std::filesystem::path directory_ = scratch_ / "kept";
  std::string warnings_;
  const std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  grpc::TestServer server_{*loop_};

 private:
  static grpc::Answer NotFound(const std::string& what) {
    return {.trailers = {{"grpc-status", "5"}, {"grpc-message", what + ": not found"}},
            .only_trailers = true};
  }
  grpc::Answer Serve(const grpc::Heard& heard);
};

grpc::Answer ArtifactTest::Serve(const grpc::Heard& heard) {
  EXPECT_EQ(heard.Find("containerd-namespace"), "k8s.io");
  const std::string path = heard.Find(":path"), body = heard.body.substr(grpc::kPrefixBytes);
  grpc::Answer answer;
  if (path == "/containerd.services.containers.v1.Containers/Get") {
    ::containerd::services::containers::v1::GetContainerRequest request;
    EXPECT_TRUE(request.ParseFromString(body));
    if (request.id() != "c1") return NotFound("container");
    ::containerd::services::containers::v1::GetContainerResponse response;
    response.mutable_container()->set_image(image_);
    answer.body = grpc::WithPrefix(response.SerializeAsString());
  } else if (path == "/containerd.services.images.v1.Images/Get") {
    if (target_.is_null()) return NotFound("image");
    ::containerd::services::images::v1::GetImageResponse response;
    auto* const target = response.mutable_image()->mutable_target();
    target->set_media_type(target_["mediaType"].get<std::string>());
    target->set_digest(target_["digest"].get<std::string>());
    target->set_size(target_["size"].get<int64_t>());
    answer.body = grpc::WithPrefix(response.SerializeAsString());
  } else {
    content::ReadContentRequest request;
    EXPECT_TRUE(request.ParseFromString(body));
    const auto blob = blobs_.find(request.digest());
    if (blob == blobs_.end()) return NotFound(request.digest());
    constexpr size_t kPiece = 5000;
    for (size_t at = 0; at < blob->second.size(); at += kPiece) {
      content::ReadContentResponse response;
      response.set_offset(static_cast<int64_t>(at));
      response.set_data(blob->second.substr(at, kPiece));
      answer.body += grpc::WithPrefix(response.SerializeAsString());
    }
  }
  return answer;
}

TEST_F(ArtifactTest, FindsTheModuleOfAnIndex) {
  const std::string module = kModule + std::string(300'000, '\0');
  target_ = Index(Add("application/wasm", module,
                      {{"annotations", {{"org.opencontainers.image.title", "app.wasm"}}}}));
  const auto artifact = test::Must(Find());
  EXPECT_EQ(Bytes(artifact), module);
  EXPECT_EQ(artifact.digest, DigestOf(module));
  EXPECT_EQ(artifact.name, "docker.io/test/app:1 (app.wasm)");
  EXPECT_EQ(server_.heard.size(), 5u);
  // Nobody can write into it.
  EXPECT_FALSE(os::WriteAll(artifact.module, "x"));
}

TEST_F(ArtifactTest, FindsTheModuleOfAManifestAlone) {
  for (const char* type : {"application/vnd.wasm.content.layer.v1+wasm",
                           "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"}) {
    target_ = Manifest(json::array({Add(type, kModule)}));
    EXPECT_EQ(Bytes(test::Must(Find())), kModule) << type;
  }
}

TEST_F(ArtifactTest, AsksTwiceForAnImageThatItHasSeen) {
  target_ = Index(Add("application/wasm", kModule));
  EXPECT_TRUE(Find());
  const auto again = test::Must(Find());
  EXPECT_EQ(Bytes(again), kModule);
  EXPECT_EQ(server_.heard.size(), 2u);
  blobs_.clear();
  EXPECT_TRUE(Find());
}

TEST_F(ArtifactTest, WorksWithoutAPlaceToKeepThings) {
  target_ = Index(Add("application/wasm", kModule));
  directory_ = "";
  EXPECT_EQ(Bytes(test::Must(Find())), kModule);
  EXPECT_EQ(warnings_, "");
  directory_ = "/proc/nothing/here";
  EXPECT_EQ(Bytes(test::Must(Find())), kModule);
  EXPECT_THAT(warnings_, HasSubstr("/proc/nothing"));
}

TEST_F(ArtifactTest, ABlobThatWasCutOffIsReadAgain) {
  target_ = Index(Add("application/wasm", kModule));
  EXPECT_TRUE(Find());
  std::filesystem::resize_file(directory_ / DigestOf(kModule).substr(7), 3);
  EXPECT_EQ(Bytes(test::Must(Find())), kModule);
  EXPECT_EQ(server_.heard.size(), 3u);
  EXPECT_TRUE(Find());
  EXPECT_EQ(server_.heard.size(), 2u);
}

TEST_F(ArtifactTest, RefusesContentThatIsNotWhatItsDigestSays) {
  target_ = Index(Add("application/wasm", kModule));
  std::string& module = blobs_[DigestOf(kModule)];
  module.back() = 'x';
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("image docker.io/test/app:1: sha256:"));
  EXPECT_THAT(error.message(), HasSubstr("other content than its name says"));
  module += "more";
  EXPECT_THAT(Refusal().message(), HasSubstr("it has more than"));
  module = "less";
  EXPECT_THAT(Refusal().message(), HasSubstr("4 bytes where the image says 8"));
  // Nothing of it was kept.
  module = kModule;
  EXPECT_TRUE(Find());
}

TEST_F(ArtifactTest, NeverTakesNativeCode) {
  target_ = Index(Add("application/wasm",
                      "\x7f"
                      "ELF and what follows"));
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_THAT(error.message(), HasSubstr("never loaded from an image"));
  // Kept or not.
  EXPECT_THAT(Refusal().message(), HasSubstr("never loaded from an image"));
}

TEST_F(ArtifactTest, RefusesASizeBeyondReasonBeforeItReads) {
  json layer = Add("application/wasm", kModule);
  layer["size"] = uint64_t{1} << 62;
  target_ = Index(layer);
  EXPECT_THAT(Refusal().message(), HasSubstr("1.0 GiB is the most"));
  EXPECT_EQ(server_.heard.size(), 4u);
}

TEST_F(ArtifactTest, SaysWhyThereIsNoModule) {
  image_ = "";
  EXPECT_EQ(Refusal().code(), Code::kNotFound);
  image_ = "docker.io/test/app:1";
  EXPECT_EQ(Refusal().code(), Code::kFailedPrecondition);  // The image was removed.
  target_ = Manifest(json::array({Add("application/vnd.oci.image.layer.v1.tar+gzip", "x")}));
  Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("image docker.io/test/app:1: it has no layer of"));
  json manifest = Manifest(json::array({Add("application/vnd.oci.image.layer.v1.tar+gzip", "x")}));
  manifest["platform"] = {{"os", "linux"}, {"architecture", "amd64"}};
  json other = manifest;
  other["platform"]["architecture"] = "arm64";
  target_ = Add(kIndexType, json({{"manifests", json::array({manifest, other})}}).dump());
  error = Refusal();
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_THAT(error.message(), HasSubstr("its platforms: linux/amd64, linux/arm64"));
}

TEST_F(ArtifactTest, TakesAnArtifactThatPassesForOneOfThisMachine) {
  json entries = json::array();
  for (const char* machine : {"amd64", "arm64"}) {
    entries.push_back(Manifest(json::array({Add("application/wasm", kModule)})));
    entries.back()["platform"] = {{"os", "linux"}, {"architecture", machine}};
  }
  target_ = Add(kIndexType, json({{"manifests", entries}}).dump());
  EXPECT_EQ(Bytes(test::Must(Find())), kModule);
}

TEST_F(ArtifactTest, SaysWhatContainerdLacks) {
  target_ = Index(Add("application/wasm", kModule));
  blobs_.erase(DigestOf(kModule));
  const Error error = Refusal();
  EXPECT_EQ(error.code(), Code::kFailedPrecondition);
  EXPECT_THAT(error.message(), HasSubstr("containerd does not have sha256:"));
  EXPECT_THAT(error.message(), HasSubstr("discard_unpacked_layers"));
}

TEST_F(ArtifactTest, RefusesAnIndexInAnIndex) {
  json inner = Index(Add("application/wasm", kModule));
  inner["platform"] = {{"os", "wasi"}, {"architecture", "wasm"}};
  target_ = Add(kIndexType, json({{"manifests", json::array({inner})}}).dump());
  EXPECT_THAT(Refusal().message(), HasSubstr("index where a manifest is due"));
}

TEST_F(ArtifactTest, MayBeDestroyedByItsAnswerAndLeadToAnother) {
  target_ = Index(Add("application/wasm", kModule));
  const ArtifactOptions options = {.grpc_address = server_.path(), .name_space = "k8s.io"};
  std::unique_ptr<ArtifactSearch> first, second;
  bool found = false;
  first = FindArtifact(*loop_, options, "c1", "/app.wasm#run", [&](Result<Artifact> artifact) {
    EXPECT_TRUE(artifact);
    first.reset();
    second = FindArtifact(*loop_, options, "c1", "", [&](Result<Artifact> another) {
      found = another.has_value();
      second.reset();
      loop_->Stop();
    });
  });
  loop_->Run();
  EXPECT_TRUE(found);
}

TEST_F(ArtifactTest, EndsWithoutAnAnswerWhenItIsDestroyed) {
  target_ = Index(Add("application/wasm", kModule));
  for (int turns = 0; turns < 12; ++turns) {
    bool gone = false;
    auto search = FindArtifact(*loop_, {.grpc_address = server_.path(), .name_space = "k8s.io"},
                               "c1", "", [&](auto) { EXPECT_FALSE(gone); });
    for (int i = 0; i < turns; ++i) loop_->RunOnce(std::chrono::milliseconds(20));
    search.reset();
    gone = true;
    while (loop_->RunOnce(std::chrono::milliseconds(1))) {
    }
  }
}

TEST(BlobsTest, TheOldestGoesWhenThereIsTooMuch) {
  const test::ScratchDirectory scratch;
  const Blobs blobs = test::Must(Blobs::Open(scratch / "kept"));
  // Sparse: only their size counts.
  const auto add = [&](uint8_t number) {
    Digest digest{};
    digest[0] = number;
    const os::Fd file = test::Must(blobs.NewFile());
    EXPECT_EQ(::ftruncate(file.get(), Blobs::kMostBytes / 3), 0);
    const std::array<timespec, 2> times = {timespec{number, 0}, timespec{number, 0}};
    EXPECT_EQ(::futimens(file.get(), times.data()), 0);
    EXPECT_TRUE(blobs.Keep(os::Fd(::dup(file.get())), digest));
    return digest;
  };
  const Digest first = add(1), second = add(2), third = add(3);
  const auto is_there = [&](const Digest& digest) {
    return blobs.Find(digest, Blobs::kMostBytes / 3).has_value();
  };
  EXPECT_TRUE(is_there(first) && is_there(second) && is_there(third));
  const Digest fourth = add(4);
  EXPECT_FALSE(is_there(first));
  EXPECT_TRUE(is_there(second) && is_there(third) && is_there(fourth));
}

}  // namespace
}  // namespace wasmoor::containerd
