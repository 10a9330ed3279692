#include "image/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "wasmoor/base/check.h"
#include "wasmoor/os/file.h"

namespace wasmoor::image {
namespace {

constexpr size_t kPiece = 64 << 10;

// libarchive's own words, which name the reason and no file.
tl::unexpected<Error> FailArchive(struct archive* archive) {
  const char* text = archive_error_string(archive);
  return Fail(Code::kInvalidArgument, "{}", text == nullptr ? "not an archive" : text);
}

}  // namespace

struct ArchiveWriter::State {
  struct archive* archive = archive_write_new();
  struct archive_entry* entry = archive_entry_new();
  int64_t time = 0;
  Sink* sink = nullptr;
  Status sunk;  // Of the sink: what libarchive cannot carry.

  static la_ssize_t Take(struct archive* archive, void* self, const void* bytes, size_t size) {
    auto* state = static_cast<State*>(self);
    state->sunk = state->sink->Write({static_cast<const uint8_t*>(bytes), size});
    if (state->sunk) return static_cast<la_ssize_t>(size);
    archive_set_error(archive, EIO, "%s", "see its sink");
    return -1;
  }
};

void ArchiveWriter::Free::operator()(State* state) const {
  archive_entry_free(state->entry);
  // An archive that was not finished writes what it has kept back, to nobody.
  archive_write_fail(state->archive);
  archive_write_free(state->archive);
  delete state;
}

Status ArchiveWriter::Check(ssize_t answer) const {
  if (!state_->sunk) return tl::unexpected(state_->sunk.error());
  // A warning is about a name's character set.
  if (answer >= 0 || answer == ARCHIVE_WARN) return {};
  return FailArchive(state_->archive);
}

Result<ArchiveWriter> ArchiveWriter::Create(Format format, int64_t time, Sink& sink) {
  ArchiveWriter writer(new State{.time = time, .sink = &sink});
  struct archive* archive = writer.state_->archive;
  CHECK(archive != nullptr && writer.state_->entry != nullptr);
  if (format == Format::kTar) {
    TRY(writer.Check(archive_write_set_format_gnutar(archive)));
    TRY(writer.Check(archive_write_add_filter_none(archive)));
  } else {
    TRY(writer.Check(archive_write_set_format_raw(archive)));
    TRY(writer.Check(archive_write_add_filter_gzip(archive)));
    TRY(writer.Check(archive_write_set_options(archive, "gzip:!timestamp")));
  }
  TRY(writer.Check(archive_write_set_bytes_per_block(archive, kPiece)));
  TRY(writer.Check(archive_write_set_bytes_in_last_block(archive, 1)));  // No padding.
  TRY(writer.Check(
      archive_write_open2(archive, writer.state_.get(), nullptr, &State::Take, nullptr, nullptr)));
  return writer;
}

Status ArchiveWriter::Add(const Entry& entry) {
  struct archive_entry* it = archive_entry_clear(state_->entry);
  archive_entry_copy_pathname(it, entry.path.c_str());
  archive_entry_set_mode(it, entry.mode);
  archive_entry_set_mtime(it, state_->time, 0);
  archive_entry_set_uid(it, 0);
  archive_entry_set_gid(it, 0);
  if (S_ISLNK(entry.mode)) archive_entry_copy_symlink(it, entry.target.c_str());
  archive_entry_set_size(it, S_ISREG(entry.mode) ? static_cast<la_int64_t>(entry.bytes) : 0);
  return Check(archive_write_header(state_->archive, it));
}

Status ArchiveWriter::Write(std::span<const uint8_t> bytes) {
  return Check(archive_write_data(state_->archive, bytes.data(), bytes.size()));
}

Status ArchiveWriter::WriteFile(const os::Fd& file, uint64_t bytes) {
  std::vector<uint8_t> piece(kPiece);
  for (uint64_t done = 0; done < bytes;) {
    const auto room = std::span(piece).first(std::min<uint64_t>(kPiece, bytes - done));
    const size_t got = TRY(os::ReadAt(file, room, done));
    if (got == 0) return Fail(Code::kAborted, "became shorter while it was read: try again");
    TRY(Write(room.first(got)));
    done += got;
  }
  if (TRY(os::ReadAt(file, std::span(piece).first(1), bytes)) != 0)
    return Fail(Code::kAborted, "became longer while it was read: try again");
  return {};
}

Status ArchiveWriter::Finish() { return Check(archive_write_close(state_->archive)); }

Status Compress(const os::Fd& file, uint64_t bytes, Sink& sink) {
  ArchiveWriter writer = TRY(ArchiveWriter::Create(ArchiveWriter::Format::kGzip, 0, sink));
  TRY(writer.Add({.path = "layer", .mode = S_IFREG, .bytes = bytes}));
  TRY(writer.WriteFile(file, bytes));
  return writer.Finish();
}

struct ArchiveReader::State {
  struct archive* archive = archive_read_new();
  const os::Fd* file = nullptr;
  uint64_t offset = 0;
  std::array<uint8_t, kPiece> piece;
  Status read;  // Of the file.

  static la_ssize_t Give(struct archive* archive, void* self, const void** bytes) {
    auto* state = static_cast<State*>(self);
    const Result<size_t> got = os::ReadAt(*state->file, state->piece, state->offset);
    if (!got) {
      state->read = tl::unexpected(got.error());
      archive_set_error(archive, EIO, "%s", "see its file");
      return -1;
    }
    state->offset += *got;
    *bytes = state->piece.data();
    return static_cast<la_ssize_t>(*got);
  }
};

void ArchiveReader::Free::operator()(State* state) const {
  archive_read_free(state->archive);
  delete state;
}

Result<ArchiveReader> ArchiveReader::Create(const os::Fd& file) {
  ArchiveReader reader(new State{.file = &file});
  struct archive* archive = reader.state_->archive;
  CHECK(archive != nullptr);
  if (archive_read_support_format_tar(archive) != ARCHIVE_OK) return FailArchive(archive);
  // Reads the first piece, too.
  if (archive_read_open(archive, reader.state_.get(), nullptr, &State::Give, nullptr) == ARCHIVE_OK)
    return reader;
  if (!reader.state_->read) return tl::unexpected(reader.state_->read.error());
  return FailArchive(archive);
}

Result<bool> ArchiveReader::Next(Entry& entry) {
  struct archive_entry* it = nullptr;
  const int answer = archive_read_next_header(state_->archive, &it);
  if (!state_->read) return tl::unexpected(state_->read.error());
  if (answer == ARCHIVE_EOF) return false;
  if (answer != ARCHIVE_OK && answer != ARCHIVE_WARN) return FailArchive(state_->archive);
  const char* path = archive_entry_pathname(it);
  entry = {.path = path == nullptr ? "" : path,
           .mode = archive_entry_mode(it),
           .bytes = static_cast<uint64_t>(std::max<la_int64_t>(archive_entry_size(it), 0))};
  return true;
}

Result<size_t> ArchiveReader::Read(std::span<uint8_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    const la_ssize_t got = archive_read_data(state_->archive, out.data() + done, out.size() - done);
    if (!state_->read) return tl::unexpected(state_->read.error());
    if (got < 0) return FailArchive(state_->archive);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace wasmoor::image
