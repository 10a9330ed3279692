// Asks a containerd what a shim asks, on behalf of artifacts_test.py:
//   ask_containerd artifact GRPC_ADDRESS NAMESPACE CONTAINER ENTRYPOINT DIRECTORY
//     prints the digest, the size and the name of the container's module
//   ask_containerd publish TTRPC_ADDRESS NAMESPACE CONTAINER COUNT
//     tells of so many starts, OOMs and exits, and ends when they are confirmed
// Status 1 and "CODE: sentence" on standard error if it fails.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include "proto/containerd/task_events.pb.h"
#include "wasmoor/containerd/artifact.h"
#include "wasmoor/containerd/publisher.h"
#include "wasmoor/os/file.h"

namespace wasmoor {
namespace {

int Complain(const Error& error) {
  fprintf(stderr, "%s: %s\n", std::string(CodeName(error.code())).c_str(), error.message().c_str());
  return 1;
}

void Warn(std::string_view line) { fprintf(stderr, "%s\n", std::string(line).c_str()); }

int FindArtifact(loop::Loop& loop, std::span<char*> words) {
  const containerd::ArtifactOptions options = {
      .grpc_address = words[0], .name_space = words[1], .directory = words[4], .warn = Warn};
  std::optional<Result<containerd::Artifact>> found;
  const auto search = containerd::FindArtifact(
      loop, options, words[2], words[3],
      [&](Result<containerd::Artifact> artifact) { found = std::move(artifact); });
  loop.Run();
  if (!*found) return Complain(found->error());
  const containerd::Artifact& artifact = **found;
  const auto status = os::Stat(artifact.module);
  if (!status) return Complain(status.error());
  printf("%s %lld %s\n", artifact.digest.c_str(), static_cast<long long>(status->st_size),
         artifact.name.c_str());
  return 0;
}

int Publish(loop::Loop& loop, std::span<char*> words) {
  containerd::Publisher publisher(
      loop, {.ttrpc_address = words[0], .name_space = words[1], .warn = Warn});
  // Of three kinds in turn, by which their order shows.
  ::containerd::events::TaskStart start;
  ::containerd::events::TaskOOM oom;
  ::containerd::events::TaskExit exit;
  start.set_container_id(words[2]);
  oom.set_container_id(words[2]);
  exit.set_container_id(words[2]);
  for (int left = atoi(words[3]); left > 0; --left) {
    publisher.Publish("/tasks/start", start.GetTypeName(), start.SerializeAsString());
    publisher.Publish("/tasks/oom", oom.GetTypeName(), oom.SerializeAsString());
    publisher.Publish("/tasks/exit", exit.GetTypeName(), exit.SerializeAsString());
  }
  publisher.OnIdle([&] { loop.Stop(); });
  loop.Run();
  return 0;
}

int Main(std::span<char*> words) {
  const std::string verb = words.size() > 1 ? words[1] : "";
  auto loop = loop::Loop::Create();
  if (!loop) return Complain(loop.error());
  if (verb == "artifact" && words.size() == 7) return FindArtifact(**loop, words.subspan(2));
  if (verb == "publish" && words.size() == 6) return Publish(**loop, words.subspan(2));
  fprintf(stderr, "usage: see the first lines of tests/containerd/ask_containerd.cc\n");
  return 2;
}

}  // namespace
}  // namespace wasmoor

int main(int argc, char** argv) {
  return wasmoor::Main(std::span(argv, static_cast<size_t>(argc)));
}
