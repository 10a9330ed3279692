#include "wasmoor/program/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/os/file.h"
#include "wasmoor/os/process.h"

namespace wasmoor::program {
namespace {

constexpr std::string_view kStandardInput = "-";
constexpr size_t kHeadSize = 16;
constexpr size_t kPiece = 64 << 10;  // Of a pipe, at once.
constexpr std::string_view kWasm("\0asm", 4);

struct Magic {
  std::string_view bytes;
  std::string_view sentence;
};

// What people try to run by mistake, by how it begins.
constexpr std::array kMagics = {
    Magic{"#!", "is a script, not WebAssembly: run it with its interpreter"},
    Magic{"\x1f\x8b", "is compressed with gzip: unpack it first"},
    Magic{"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first"},
    Magic{"PK\x03\x04", "is a zip archive, not WebAssembly: unpack it first"},
    Magic{"MZ", "is a Windows executable, not WebAssembly"},
    Magic{"BC\xc0\xde", "is LLVM bitcode, not WebAssembly: link it with wasm-ld first"},
    Magic{"!<arch>", "is a static library, not WebAssembly: link it first"},
    Magic{"\xcf\xfa\xed\xfe", "is a macOS executable, not WebAssembly"},
};

constexpr std::string_view kElf =
    "\x7f"
    "ELF";
constexpr size_t kElfOsAbi = 7;
constexpr unsigned char kElfOsAbiWasmtime =
    200;  // What the engine writes into its precompiled files.

bool IsBinary(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == 0x7f || (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r');
}

Status CheckKind(const std::string& name, const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG: return {};
    case S_IFDIR:
      return Fail(Code::kInvalidArgument, "{}: is a directory: name the .wasm file in it", name);
    case S_IFIFO:
      return Fail(Code::kInvalidArgument, "{}: is a FIFO: give it on standard input, '- < {}'",
                  name, name);
    case S_IFSOCK: return Fail(Code::kInvalidArgument, "{}: is a socket, not a file", name);
    default: return Fail(Code::kInvalidArgument, "{}: is a device, not a file", name);
  }
}

Status CheckHead(const std::string& name, std::string_view head) {
  if (head.empty()) return Fail(Code::kInvalidArgument, "{}: is empty", name);
  if (head.starts_with(kElf)) {
    if (head.size() > kElfOsAbi &&
        static_cast<unsigned char>(head[kElfOsAbi]) == kElfOsAbiWasmtime) {
      return Fail(
          Code::kInvalidArgument,
          "{}: is precompiled code, which is only ever loaded from wasmoor's own cache: run "
          "the .wasm it was made from",
          name);
    }
    return Fail(Code::kInvalidArgument,
                "{}: is a native (ELF) program, not WebAssembly: run it directly", name);
  }
  for (const Magic& magic : kMagics) {
    if (head.starts_with(magic.bytes))
      return Fail(Code::kInvalidArgument, "{}: {}", name, magic.sentence);
  }
  // Text has no control characters but white space.
  if (!head.starts_with(kWasm) && std::any_of(head.begin(), head.end(), IsBinary))
    return Fail(Code::kInvalidArgument, "{}: is neither a WebAssembly binary nor its text", name);
  return {};
}

tl::unexpected<Error> TooBig(const std::string& name) {
  return Fail(Code::kInvalidArgument, "{}: too big for a module: it has more than {} bytes", name,
              kMaxModuleBytes);
}

// What comes through a pipe, as a file without a name, so that it can be read twice. It is looked
// at before all of it is taken: it may have no end.
Result<os::Fd> TakeStream(const std::string& name, const os::Fd& stream) {
  os::Fd file = TRY(os::FileInMemory("wasmoor-stdin", {}));
  std::vector<uint8_t> buffer(kPiece);
  std::string head;
  for (uint64_t taken = 0;;) {
    const ssize_t got = ::read(stream.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailErrno(errno, "{}", name);
    if (got == 0) break;
    taken += static_cast<uint64_t>(got);
    if (taken > kMaxModuleBytes) return TooBig(name);
    const std::span<const uint8_t> piece(buffer.data(), static_cast<size_t>(got));
    if (head.size() < kHeadSize) {
      head.append(piece.begin(), piece.begin() + std::min(piece.size(), kHeadSize - head.size()));
      if (head.size() == kHeadSize) TRY(CheckHead(name, head));
    }
    TRY_AS(os::WriteAll(file, piece), "{}", name);
  }
  if (head.size() < kHeadSize) TRY(CheckHead(name, head));
  return file;
}

Status CheckFileHead(const std::string& name, const os::Fd& file) {
  std::array<uint8_t, kHeadSize> head;
  const size_t size = TRY_AS(os::ReadAt(file, head, 0), "{}", name);
  return CheckHead(name, {reinterpret_cast<const char*>(head.data()), size});
}

Result<Source> OpenStandardInput(const std::string& name) {
  // A descriptor of its own: the guest's standard input stays what it is.
  os::Fd file(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!file.valid()) return FailErrno(errno, "standard input");
  if (S_ISREG(TRY_AS(os::Stat(file), "{}", name).st_mode)) {
    TRY(CheckFileHead(name, file));
    return Source{name, std::move(file)};
  }
  return Source{name, TRY(TakeStream(name, file))};
}

// Tells a file that is there from one that is not, which errno alone does not (ENXIO: open(2)).
tl::unexpected<Error> CannotOpen(const std::string& name, int error) {
  if (error == ENXIO)
    return Fail(Code::kInvalidArgument, "{}: is a socket or a device, not a file", name);
  auto failed = FailErrno(error, "{}", name);
  if (failed.value().code() != Code::kPermissionDenied) return failed;
  return tl::unexpected(Error(Code::kFailedPrecondition, failed.value().message(), error));
}

}  // namespace

Result<Source> OpenSource(const std::string& name) {
  if (name == kStandardInput) return OpenStandardInput(name);
  // Not to block on a FIFO before it is seen to be one; no meaning for a regular file.
  os::Fd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return CannotOpen(name, errno);
  return TakeSource(name, std::move(file));
}

Result<Source> TakeSource(std::string name, os::Fd file) {
  TRY(CheckKind(name, TRY(os::Stat(file))));
  TRY(CheckFileHead(name, file));
  return Source{std::move(name), std::move(file)};
}

Result<std::vector<uint8_t>> ReadSource(const Source& source) {
  auto bytes = os::ReadAll(source.file, kMaxModuleBytes);
  if (!bytes && bytes.error().code() == Code::kOutOfRange) return TooBig(source.name);
  return TRY_AS(std::move(bytes), "{}", source.name);
}

}  // namespace wasmoor::program
