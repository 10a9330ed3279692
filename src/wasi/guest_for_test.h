#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/scratch.h"
#include "wasi/abi.h"
#include "wasi/descriptor_table.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/context.h"

namespace wasmoor::wasi {

inline std::ostream& operator<<(std::ostream& out, Errno error) {
  return out << "errno " << static_cast<int>(error);
}

using test::ScratchDirectory;

// What a program asks for that opens a file to read, or to read and write.
inline constexpr Rights kReading = kFileRights & ~kWritingRights;
inline constexpr Rights kReadingAndWriting = kFileRights;

inline Grants GrantDirectory(const ScratchDirectory& directory,
                             Access access = Access::kReadWrite) {
  Grants grants;
  grants.preopens.push_back({directory.path(), "/", access, directory.Open()});
  return grants;
}

// A guest without an engine: a memory, a context, and calls of the functions as an engine makes
// them.
class Guest {
 public:
  static constexpr size_t kMemory = 1 << 17;
  static constexpr Ptr kOut = 64;       // Where results are put by convention: 64 bytes and more.
  static constexpr Ptr kList = 512;     // Where lists of buffers are put: 64 entries.
  static constexpr Ptr kText = 1024;    // Where the paths of a call are put, one after the other.
  static constexpr Ptr kData = 0x8000;  // For contents.

  explicit Guest(Grants grants = {}) : memory_(kMemory) {
    auto context = Context::Create(std::move(grants));
    if (!context) {
      ADD_FAILURE() << context.error().message();
      std::abort();
    }
    context_ = std::move(*context);
  }
  explicit Guest(const ScratchDirectory& directory, Access access = Access::kReadWrite)
      : Guest(GrantDirectory(directory, access)) {}

  // Calls `name`. A text among the arguments is put into the memory and becomes pointer and length.
  template <typename... Arguments>
  hostcall::Outcome Outcome(std::string_view name, Arguments... arguments) {
    std::array<hostcall::Value, 16> frame = {};
    size_t used = 0;
    Ptr text = kText;
    (Push(arguments, frame, &used, &text), ...);
    const hostcall::Function* function = Find(name);
    if (function == nullptr || function->signature.params.size() != used) {
      ADD_FAILURE() << name << " does not take " << used << " parameters";
      return hostcall::Outcome::kTrapped;
    }
    hostcall::Call call{hostcall::Memory(memory_.data(), memory_.size()), frame, interrupt_};
    const hostcall::Outcome outcome = function->handler(context_.get(), call);
    exit_code_ = call.exit_code;
    errno_ = static_cast<Errno>(frame[0].i32);
    return outcome;
  }
  template <typename... Arguments>
  Errno Call(std::string_view name, Arguments... arguments) {
    EXPECT_EQ(Outcome(name, arguments...), hostcall::Outcome::kReturned) << name;
    return errno_;
  }

  // The first result of the last call.
  template <typename T = uint32_t>
  T Result(Ptr at = kOut) const {
    T value;
    std::memcpy(&value, memory_.data() + at, sizeof(value));
    return value;
  }
  template <typename T>
  void Put(Ptr at, const T& value) {
    std::memcpy(memory_.data() + at, &value, sizeof(value));
  }
  void PutText(Ptr at, std::string_view text) {
    std::memcpy(memory_.data() + at, text.data(), text.size());
  }
  std::string Text(Ptr at, size_t length) const {
    return {reinterpret_cast<const char*>(memory_.data()) + at, length};
  }

  // path_open that must succeed; the descriptor.
  Fd Open(std::string_view path, uint32_t oflags = 0, Rights base = kReading, uint32_t fdflags = 0,
          Fd directory = 3) {
    EXPECT_EQ(TryOpen(path, oflags, base, fdflags, directory), Errno::kSuccess) << path;
    return Result();
  }
  Errno TryOpen(std::string_view path, uint32_t oflags = 0, Rights base = kReading,
                uint32_t fdflags = 0, Fd directory = 3, uint32_t lookup = kLookupSymlinkFollow) {
    return Call("path_open", directory, lookup, path, oflags, base, ~Rights{0}, fdflags, kOut);
  }
  Fd OpenDirectory(std::string_view path) {
    return Open(path, kOflagDirectory, kRightFdRead | kDirectoryRights);
  }
  Errno Write(Fd fd, std::string_view text) {
    PutText(kData, text);
    Put(kList, Iovec{kData, static_cast<Size>(text.size())});
    return Call("fd_write", fd, kList, 1, kOut);
  }
  // What one fd_read of at most `most` bytes brings; the errno in brackets if it fails.
  std::string Read(Fd fd, Size most = 4096) {
    Put(kList, Iovec{kData, most});
    const Errno error = Call("fd_read", fd, kList, 1, kOut);
    if (error != Errno::kSuccess) return "[" + std::to_string(static_cast<int>(error)) + "]";
    return Text(kData, Result());
  }
  Fdstat Status(Fd fd) {
    EXPECT_EQ(Call("fd_fdstat_get", fd, kOut), Errno::kSuccess);
    return Result<Fdstat>();
  }

  Context& context() { return *context_; }
  hostcall::Interrupt& interrupt() { return interrupt_; }
  std::vector<uint8_t>& memory() { return memory_; }
  int exit_code() const { return exit_code_; }
  Errno error() const { return errno_; }

  static const hostcall::Function* Find(std::string_view name) {
    for (const hostcall::Function& function : Preview1()) {
      if (function.name == name) return &function;
    }
    return nullptr;
  }

 private:
  template <typename T>
  void Push(const T& argument, std::array<hostcall::Value, 16>& frame, size_t* used, Ptr* text) {
    if constexpr (std::is_convertible_v<T, std::string_view>) {
      const std::string_view view(argument);
      PutText(*text, view);
      frame[(*used)++].i32 = static_cast<int32_t>(*text);
      frame[(*used)++].i32 = static_cast<int32_t>(view.size());
      *text += static_cast<Ptr>(view.size());
    } else {
      frame[(*used)++].i64 = static_cast<int64_t>(argument);
    }
  }

  std::vector<uint8_t> memory_;
  std::unique_ptr<Context> context_;
  hostcall::Interrupt interrupt_;
  int exit_code_ = 0;
  Errno errno_ = Errno::kSuccess;
};

}  // namespace wasmoor::wasi
