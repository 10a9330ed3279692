#include "dbus/connection.h"
#include "dbus/message.h"
#include "fuzz/input.h"
#include "wasmoor/base/check.h"

namespace wasmoor::fuzz {
namespace {

void Received(std::string_view bytes) {
  const auto length = dbus::MessageLength(bytes);
  CHECK(length || length.error().code() == Code::kDataLoss);
  if (!length || *length > bytes.size()) return;
  const auto message = dbus::Decode(bytes.substr(0, *length));
  CHECK(message || message.error().code() == Code::kDataLoss);
  if (!message) return;
  CHECK(message->arguments.size() <= bytes.size());
  dbus::Reader all = message->ReadArguments(), job = message->ReadArguments();
  static_cast<void>(all.Skip(message->signature));
  static_cast<void>(job.Uint32());
  for (int i = 0; i < 3; ++i) {
    const auto text = job.String();
    CHECK(!text || text->size() <= message->arguments.size());
  }
}

// What is written is read again.
void Sent(Input& input) {
  const std::string path = input.TakeLine().c_str(), member = input.TakeLine().c_str(),
                    text = input.TakeLine().c_str();
  dbus::Writer arguments;
  arguments.String(text);
  arguments.Array(8, [&] {
    for (const char c : text) {
      arguments.Align(8);
      arguments.String(member);
      arguments.Byte(static_cast<uint8_t>(c));
    }
  });
  const std::string bytes =
      dbus::Encode({"a.b", path, "c.d", member, "sa(sy)", arguments.bytes()}, 7);
  const auto length = dbus::MessageLength(bytes);
  if (bytes.size() > dbus::kMaxMessageBytes) return;
  CHECK(length && *length == bytes.size());
  const auto message = dbus::Decode(bytes);
  CHECK(message && message->path == path && message->member == member && message->serial == 7);
  dbus::Reader reader = message->ReadArguments();
  CHECK(reader.Skip(message->signature) && reader.AtEnd());
}

}  // namespace

void DbusMessages(Bytes bytes) {
  Input input(bytes);
  const auto which = input.Take<uint8_t>() % 4;
  if (which == 3) return Sent(input);
  const Bytes rest = input.TakeBytes(bytes.size());
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  if (which != 2) return Received(text);
  const auto address = dbus::ParseAddress(text);
  CHECK(address ? !address->path.empty() : address.error().code() == Code::kInvalidArgument);
}

}  // namespace wasmoor::fuzz
