#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"
#include "wasmoor/grpc/client.h"

// What containerd knows of containers, images and content (containerd's gRPC API, services
// containers.v1, images.v1 and content.v1), as far as a shim asks.
namespace wasmoor::containerd {

// What a descriptor of an image says (OCI image-spec, "Descriptors").
struct Descriptor {
  std::string media_type, digest;
  uint64_t size = 0;
};

struct Image {
  std::string name;
  Descriptor target;  // An index or a manifest.
};

// The image's name of a container; empty if it has none (`ctr run --rootfs`).
using OnImageName = std::function<void(Result<std::string>)>;
using OnImage = std::function<void(Result<Image>)>;

// Questions to one containerd, in one of its namespaces. Answers come as grpc::Client's do. Borrows
// the client.
class Store {
 public:
  Store(grpc::Client& client, std::string name_space)
      : client_(client), name_space_(std::move(name_space)) {}

  void GetImageName(const std::string& container, OnImageName done);
  void GetImage(const std::string& name, OnImage done);
  // The bytes of a piece of content, in their order. They are as containerd has them: not held
  // against the digest. kOutOfRange if they are more than `most_bytes`.
  void Read(const std::string& digest, uint64_t most_bytes, grpc::OnMessage piece,
            grpc::OnEnd done);

 private:
  grpc::Request NewRequest(std::string_view method, std::string message) const;

  grpc::Client& client_;
  const std::string name_space_;
};

}  // namespace wasmoor::containerd
