#include "wasmoor/containerd/store.h"

#include <memory>
#include <utility>

#include "proto/containerd/containers.pb.h"
#include "proto/containerd/content.pb.h"
#include "proto/containerd/images.pb.h"
#include "wasmoor/base/units.h"
#include "wasmoor/ttrpc/client.h"

namespace wasmoor::containerd {
namespace {

namespace containers = ::containerd::services::containers::v1;
namespace images = ::containerd::services::images::v1;
namespace content = ::containerd::services::content::v1;

constexpr std::chrono::seconds kAnswerPatience{10}, kContentPatience{60};

constexpr std::string_view kGetContainer = "/containerd.services.containers.v1.Containers/Get";
constexpr std::string_view kGetImage = "/containerd.services.images.v1.Images/Get";
constexpr std::string_view kRead = "/containerd.services.content.v1.Content/Read";

// A size as containerd has it, in a signed field.
Result<uint64_t> ReadSize(int64_t size) {
  if (size < 0) return Fail(Code::kInternal, "containerd tells of a size of {} bytes", size);
  return static_cast<uint64_t>(size);
}

Result<Image> ReadImage(Result<std::string> answer) {
  const auto response = TRY(ttrpc::Read<images::GetImageResponse>(std::move(answer), kGetImage));
  const auto& target = response.image().target();
  return Image{.name = response.image().name(),
               .target = {.media_type = target.media_type(),
                          .digest = target.digest(),
                          .size = TRY(ReadSize(target.size()))}};
}

}  // namespace

grpc::Request Store::NewRequest(std::string_view method, std::string message) const {
  return {.method = std::string(method),
          .message = std::move(message),
          .metadata = {{"containerd-namespace", name_space_}},
          .timeout = kAnswerPatience};
}

void Store::GetImageName(const std::string& container, OnImageName done) {
  containers::GetContainerRequest request;
  request.set_id(container);
  client_.Ask(NewRequest(kGetContainer, request.SerializeAsString()),
              [done = std::move(done)](Result<std::string> answer) {
                auto response =
                    ttrpc::Read<containers::GetContainerResponse>(std::move(answer), kGetContainer);
                if (!response) return done(tl::unexpected(std::move(response).error()));
                done(response->container().image());
              });
}

void Store::GetImage(const std::string& name, OnImage done) {
  images::GetImageRequest request;
  request.set_name(name);
  client_.Ask(
      NewRequest(kGetImage, request.SerializeAsString()),
      [done = std::move(done)](Result<std::string> answer) { done(ReadImage(std::move(answer))); });
}

void Store::Read(const std::string& digest, uint64_t most_bytes, grpc::OnMessage piece,
                 grpc::OnEnd done) {
  content::ReadContentRequest message;
  message.set_digest(digest);
  grpc::Request request = NewRequest(kRead, message.SerializeAsString());
  request.timeout = kContentPatience;
  client_.Start(
      std::move(request),
      [piece = std::move(piece), most_bytes,
       taken = uint64_t{0}](std::string_view bytes) mutable -> Status {
        const auto response =
            TRY(ttrpc::Read<content::ReadContentResponse>(std::string(bytes), kRead));
        if (TRY(ReadSize(response.offset())) != taken)
          return Fail(Code::kInternal, "containerd skips a part of a content");
        if (response.data().size() > most_bytes - taken)
          return Fail(Code::kOutOfRange, "it has more than the {} that it may have",
                      FormatSize(most_bytes));
        taken += response.data().size();
        return piece(response.data());
      },
      std::move(done));
}

}  // namespace wasmoor::containerd
