#include "image/layer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "image/archive.h"
#include "image/tree.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"

namespace wasmoor::image {
namespace {

constexpr std::string_view kTarLayer = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view kGzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

std::string DigestText(const Digest& digest) { return "sha256:" + ToHex(digest); }

Status AddNode(ArchiveWriter& writer, const Node& node, const Recipe& recipe) {
  if (!S_ISREG(node.entry.mode)) return writer.Add(node.entry);
  if (node.source.empty()) {
    TRY(writer.Add(node.entry));
    return writer.Write(recipe.program);
  }
  const os::Fd file = TRY(os::OpenAt(os::Fd(AT_FDCWD), node.source.c_str(), O_RDONLY));
  TRY(writer.Add(node.entry));
  TRY_AS(writer.WriteFile(file, node.entry.bytes), "{}", node.source);
  return {};
}

}  // namespace

Result<os::Fd> MakeScratchFile() { return os::FileInMemory("wasmoor-image", {}); }

Result<Layer> MakeRootfsLayer(const Recipe& recipe) {
  const Tree tree = TRY(CollectTree(recipe));
  os::Fd file = TRY(MakeScratchFile());
  FileSink sink(file);
  HashSink whole(sink);
  ArchiveWriter writer =
      TRY(ArchiveWriter::Create(ArchiveWriter::Format::kTar, recipe.created, whole));
  for (const auto& [path, node] : tree) TRY(AddNode(writer, node, recipe));
  TRY(writer.Finish());
  const uint64_t bytes = sink.bytes();
  const std::string diff_id = DigestText(whole.Finish());
  if (recipe.compression == Compression::kNone)
    return Layer{{std::string(kTarLayer), diff_id, bytes}, std::move(file), diff_id};
  os::Fd small = TRY(MakeScratchFile());
  FileSink compressed(small);
  TRY(Compress(file, bytes, compressed));
  const uint64_t left = compressed.bytes();
  return Layer{
      {std::string(kGzipLayer), DigestText(compressed.Finish()), left}, std::move(small), diff_id};
}

Result<Layer> MakeProgramLayer(const Recipe& recipe) {
  os::Fd file = TRY(MakeScratchFile());
  FileSink sink(file);
  TRY(sink.Write(recipe.program));
  return Layer{{std::string(recipe.layer_type), DigestText(sink.Finish()), sink.bytes()},
               std::move(file),
               ""};
}

}  // namespace wasmoor::image
