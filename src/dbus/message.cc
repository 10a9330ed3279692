#include "dbus/message.h"

#include <bit>
#include <cstring>

namespace wasmoor::dbus {
namespace {

// Of the header's array of fields.
enum Field : uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kError = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSignature = 8,
};

constexpr uint8_t kProtocolVersion = 1;
constexpr uint8_t kNoReplyExpected = 1;  // Of the flags.
constexpr char kOwnOrder = std::endian::native == std::endian::little ? 'l' : 'B';
// The specification allows 32 arrays and 32 structures within each other.
constexpr int kDeepest = 64;

tl::unexpected<Error> FailMalformed(std::string_view what) {
  return Fail(Code::kDataLoss, "the message bus sent what is no message of D-Bus: {}", what);
}

size_t AlignmentOf(char type) {
  switch (type) {
    case 'n':
    case 'q': return 2;
    case 'b':
    case 'i':
    case 'u':
    case 'h':
    case 's':
    case 'o':
    case 'a': return 4;
    case 'x':
    case 't':
    case 'd':
    case '(':
    case '{': return 8;
    default: return 1;
  }
}

// The length of the first complete type of a signature; 0 if there is none.
size_t FirstType(std::string_view signature) {
  size_t at = 0;
  while (at < signature.size() && signature[at] == 'a') ++at;
  if (at == signature.size()) return 0;
  if (signature[at] != '(' && signature[at] != '{') return at + 1;
  int open = 0;
  for (; at < signature.size(); ++at) {
    if (signature[at] == '(' || signature[at] == '{') ++open;
    if (signature[at] == ')' || signature[at] == '}') --open;
    if (open == 0) return at + 1;
  }
  return 0;
}

void WriteField(Field field, std::string_view type, std::string_view text, Writer* writer) {
  if (text.empty()) return;
  writer->Align(8);
  writer->Byte(field);
  writer->Signature(type);
  type == "g" ? writer->Signature(text) : writer->String(text);
}

Status ReadField(uint8_t field, std::string_view type, Reader* reader, Message* message) {
  const auto take = [&](std::string* to) -> Status {
    *to = TRY(reader->String());
    return {};
  };
  if (field == kReplySerial && type == "u") {
    message->reply_to = TRY(reader->Uint32());
    return {};
  }
  if (field == kSignature && type == "g") {
    message->signature = TRY(reader->Signature());
    return {};
  }
  if (field == kPath && type == "o") return take(&message->path);
  if (field == kInterface && type == "s") return take(&message->interface);
  if (field == kMember && type == "s") return take(&message->member);
  if (field == kError && type == "s") return take(&message->error);
  // Fields that one does not know are to be ignored.
  if (FirstType(type) != type.size()) return FailMalformed("a header field of no type");
  return reader->Skip(type);
}

}  // namespace

void Writer::String(std::string_view text) {
  Uint32(static_cast<uint32_t>(text.size()));
  bytes_.append(text).append(1, '\0');
}

void Writer::Signature(std::string_view text) {
  Byte(static_cast<uint8_t>(text.size()));
  bytes_.append(text).append(1, '\0');
}

Result<std::string_view> Reader::Take(size_t size) {
  if (size > bytes_.size() - at_) return FailMalformed("it ends too early");
  const std::string_view taken = bytes_.substr(at_, size);
  at_ += size;
  return taken;
}

Status Reader::Align(size_t boundary) {
  TRY(Take((boundary - at_ % boundary) % boundary));
  return {};
}

Result<uint8_t> Reader::Byte() { return static_cast<uint8_t>(TRY(Take(1))[0]); }

Result<uint32_t> Reader::Uint32() {
  TRY(Align(sizeof(uint32_t)));
  uint32_t value = 0;
  std::memcpy(&value, TRY(Take(sizeof value)).data(), sizeof value);
  return is_swapped_ ? __builtin_bswap32(value) : value;
}

Result<std::string> Reader::Text(size_t size) {
  const std::string_view text = TRY(Take(size));
  if (TRY(Byte()) != 0) return FailMalformed("a text without its end");
  if (text.find('\0') != text.npos) return FailMalformed("a text with a zero byte");
  return std::string(text);
}

Result<std::string> Reader::String() { return Text(TRY(Uint32())); }

Result<std::string> Reader::Signature() { return Text(TRY(Byte())); }

Status Reader::SkipAll(std::string_view signature, int depth) {
  while (!signature.empty()) {
    const size_t length = FirstType(signature);
    if (length == 0) return FailMalformed("a signature that is none");
    TRY(SkipOne(signature.substr(0, length), depth));
    signature.remove_prefix(length);
  }
  return {};
}

Status Reader::SkipArray(std::string_view element, int depth) {
  const uint32_t length = TRY(Uint32());
  TRY(Align(AlignmentOf(element[0])));
  if (length > bytes_.size() - at_) return FailMalformed("an array that is too long");
  const size_t end = at_ + length;
  while (at_ < end) {
    const size_t before = at_;
    TRY(SkipOne(element, depth));
    // "()" takes no room, and would be passed over for ever.
    if (at_ == before) return FailMalformed("an array of nothing");
  }
  return at_ == end ? Status() : FailMalformed("an array that ends within an element");
}

Status Reader::SkipOne(std::string_view type, int depth) {
  if (depth > kDeepest) return FailMalformed("it is nested too deep");
  const char kind = type[0];
  switch (kind) {
    case 'a': return SkipArray(type.substr(1), depth + 1);
    case 's':
    case 'o': TRY(String()); return {};
    case 'g': TRY(Signature()); return {};
    case 'v': return SkipAll(TRY(Signature()), depth + 1);
    case '(':
    case '{': TRY(Align(8)); return SkipAll(type.substr(1, type.size() - 2), depth + 1);
    case 'y': TRY(Byte()); return {};
    default: break;
  }
  const size_t size = AlignmentOf(kind);
  if (size == 1) return FailMalformed("a type that there is not");
  TRY(Align(size));
  TRY(Take(size));
  return {};
}

std::string Encode(const Call& call, uint32_t serial, Answer answer) {
  Writer writer;
  writer.Byte(static_cast<uint8_t>(kOwnOrder));
  writer.Byte(static_cast<uint8_t>(MessageType::kCall));
  writer.Byte(answer == Answer::kWanted ? 0 : kNoReplyExpected);
  writer.Byte(kProtocolVersion);
  writer.Uint32(static_cast<uint32_t>(call.arguments.size()));
  writer.Uint32(serial);
  writer.Array(8, [&] {
    WriteField(kPath, "o", call.path, &writer);
    WriteField(kInterface, "s", call.interface, &writer);
    WriteField(kMember, "s", call.member, &writer);
    WriteField(kDestination, "s", call.destination, &writer);
    WriteField(kSignature, "g", call.signature, &writer);
  });
  writer.Align(8);
  return writer.bytes() + std::string(call.arguments);
}

Result<size_t> MessageLength(std::string_view start) {
  if (start.size() < kMessageStartBytes) return FailMalformed("it is too short");
  if (start[0] != 'l' && start[0] != 'B') return FailMalformed("a byte order that there is not");
  if (start[3] != kProtocolVersion) return FailMalformed("another version of the protocol");
  Reader reader(start, start[0] != kOwnOrder);
  TRY(reader.Uint32());
  const size_t body = TRY(reader.Uint32());
  TRY(reader.Uint32());
  const size_t fields = TRY(reader.Uint32());
  const size_t length = kMessageStartBytes + ((fields + 7) & ~size_t{7}) + body;
  if (length > kMaxMessageBytes) return FailMalformed("it is too long");
  return length;
}

Result<Message> Decode(std::string_view bytes) {
  if (TRY(MessageLength(bytes)) != bytes.size()) return FailMalformed("it ends too early");
  Message message;
  message.is_swapped = bytes[0] != kOwnOrder;
  Reader reader(bytes, message.is_swapped);
  TRY(reader.Byte());
  const uint8_t type = TRY(reader.Byte());
  if (type == 0) return FailMalformed("a type of message that there is not");
  message.type = static_cast<MessageType>(type);
  TRY(reader.Skip("yy"));
  const uint32_t body = TRY(reader.Uint32());
  message.serial = TRY(reader.Uint32());
  const uint32_t fields = TRY(reader.Uint32());
  Reader header(bytes.substr(0, kMessageStartBytes + fields), message.is_swapped);
  TRY(header.Skip("yyyyuuu"));
  while (!header.AtEnd()) {
    TRY(header.Align(8));
    const uint8_t field = TRY(header.Byte());
    const std::string signature = TRY(header.Signature());
    TRY(ReadField(field, signature, &header, &message));
  }
  message.arguments = bytes.substr(bytes.size() - body);
  return message;
}

}  // namespace wasmoor::dbus
