#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "base/checksum.h"
#include "base/sha256.h"
#include "fuzz/input.h"
#include "fuzz/targets.h"
#include "image/archive.h"
#include "image/documents.h"
#include "wasmoor/base/check.h"
#include "wasmoor/image/read.h"
#include "wasmoor/os/process.h"

namespace wasmoor::fuzz {
namespace {

using image::ArchiveWriter;

std::span<const uint8_t> BytesOf(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Rest(Input& input) {
  const Bytes rest = input.TakeBytes(SIZE_MAX);
  return std::string(rest.begin(), rest.end());
}

void CheckRead(const os::Fd& file) {
  const auto images = image::Read(file);
  if (!images) {
    CHECK(images.error().code() != Code::kOk && !images.error().message().empty());
    return;
  }
  CHECK(!images->empty());
}

void Raw(Bytes bytes) {
  const auto file = os::FileInMemory("archive", bytes);
  CHECK(file.has_value());
  CheckRead(*file);
}

void Add(ArchiveWriter& writer, std::string path, const std::string& text) {
  CHECK(writer.Add({.path = std::move(path), .mode = S_IFREG | 0644, .bytes = text.size()}));
  CHECK(writer.Write(BytesOf(text)));
}

std::string DescriptorOf(const std::string& text) {
  return fmt::format(R"({{"digest":"sha256:{}","size":{}}})", ToHex(HashOf(BytesOf(text))),
                     text.size());
}

// Documents in an archive whose digests are right: so far as that nothing is believed less.
void Documents(Input& input) {
  std::string manifest = Rest(input);
  const size_t gap = std::min(manifest.find("\n\n"), manifest.size());
  const std::string config = manifest.substr(gap);
  manifest.resize(gap);
  // The manifest names the configuration by a word, since nobody guesses a digest.
  constexpr std::string_view kWord = "CONFIG";
  if (const size_t at = manifest.find(kWord); at != std::string::npos)
    manifest.replace(at, kWord.size(), DescriptorOf(config));
  const auto file = os::FileInMemory("archive", {});
  CHECK(file.has_value());
  image::FileSink sink(*file);
  auto writer = ArchiveWriter::Create(ArchiveWriter::Format::kTar, 0, sink);
  CHECK(writer.has_value());
  Add(*writer, std::string(image::kLayoutFile), image::LayoutText());
  Add(*writer, std::string(image::kIndexFile),
      fmt::format(R"({{"manifests":[{}]}})", DescriptorOf(manifest)));
  for (const std::string& blob : {manifest, config})
    Add(*writer, fmt::format("{}/{}", image::kBlobs, ToHex(HashOf(BytesOf(blob)))), blob);
  CHECK(writer->Finish());
  CheckRead(*file);
}

void Names(Input& input) {
  const std::string text = Rest(input);
  if (const auto name = image::FullName(text)) {
    // What is whole stays as it is.
    const auto again = image::FullName(*name);
    CHECK(again && *again == *name);
  }
  if (const auto platform = image::ParsePlatform(text)) CHECK(ToString(*platform) == text);
}

}  // namespace

void ImageArchive(Bytes bytes) {
  Input input(bytes);
  switch (input.Take<uint8_t>() % 3) {
    case 0: return Raw(input.TakeBytes(SIZE_MAX));
    case 1: return Documents(input);
    default: return Names(input);
  }
}

}  // namespace wasmoor::fuzz
