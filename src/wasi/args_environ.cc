#include <cstring>
#include <limits>
#include <string_view>

#include "wasi/functions.h"

// Two lists of NUL-terminated strings, told in two calls: how many and how many bytes, then the
// strings in a buffer of the guest's and a pointer to each in an array of the guest's.
namespace wasmoor::wasi {
namespace {

struct Lengths {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

Lengths ArgumentLengths(const Grants& grants) {
  Lengths lengths;
  for (const auto& argument : grants.arguments) {
    ++lengths.count;
    lengths.bytes += argument.size() + 1;
  }
  return lengths;
}

Lengths EnvironmentLengths(Context& context) {
  Lengths lengths;
  for (const auto& [name, value] : context.Environment()) {
    ++lengths.count;
    lengths.bytes += name.size() + 1 + value.size() + 1;
  }
  return lengths;
}

Reply StoreLengths(const Call& call, const Lengths& lengths, Ptr count, Ptr bytes) {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (lengths.count > kMost || lengths.bytes > kMost) return Errno::kOverflow;
  if (!call.memory.Contains(count, sizeof(Size)) ||
      !call.memory.Store(bytes, static_cast<Size>(lengths.bytes)))
    return Errno::kFault;
  return call.memory.Store(count, static_cast<Size>(lengths.count)) ? Errno::kSuccess
                                                                    : Errno::kFault;
}

// Lays strings out in the two places, whose sizes were checked before.
class Layout {
 public:
  Layout(const hostcall::Memory& memory, const Lengths& lengths, Ptr pointers, Ptr buffer)
      : pointers_(memory.At(pointers, lengths.count * sizeof(Ptr))),
        bytes_(memory.At(buffer, lengths.bytes)),
        address_(buffer) {}

  bool fits() const { return pointers_ != nullptr && bytes_ != nullptr; }

  void Begin() {
    std::memcpy(pointers_, &address_, sizeof(address_));
    pointers_ += sizeof(address_);
  }
  void Append(std::string_view text) {
    std::memcpy(bytes_, text.data(), text.size());
    bytes_ += text.size();
    address_ += static_cast<Ptr>(text.size());
  }

 private:
  uint8_t* pointers_;
  uint8_t* bytes_;
  Ptr address_;  // Of bytes_, for the guest.
};

constexpr std::string_view kNul("\0", 1);

}  // namespace

Reply ArgsSizesGet(Context& context, Call& call, Ptr count, Ptr bytes) {
  return StoreLengths(call, ArgumentLengths(context.grants()), count, bytes);
}

Reply ArgsGet(Context& context, Call& call, Ptr argv, Ptr buffer) {
  Layout layout(call.memory, ArgumentLengths(context.grants()), argv, buffer);
  if (!layout.fits()) return Errno::kFault;
  for (const auto& argument : context.grants().arguments) {
    layout.Begin();
    layout.Append(argument);
    layout.Append(kNul);
  }
  return Errno::kSuccess;
}

Reply EnvironSizesGet(Context& context, Call& call, Ptr count, Ptr bytes) {
  return StoreLengths(call, EnvironmentLengths(context), count, bytes);
}

Reply EnvironGet(Context& context, Call& call, Ptr environ, Ptr buffer) {
  Layout layout(call.memory, EnvironmentLengths(context), environ, buffer);
  if (!layout.fits()) return Errno::kFault;
  for (const auto& [name, value] : context.Environment()) {
    layout.Begin();
    layout.Append(name);
    layout.Append("=");
    layout.Append(value);
    layout.Append(kNul);
  }
  return Errno::kSuccess;
}

}  // namespace wasmoor::wasi
