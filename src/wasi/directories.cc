#include <cstring>
#include <string>

#include "wasi/descriptor_table.h"
#include "wasi/functions.h"

namespace wasmoor::wasi {
namespace {

// The name of a preopened directory; nullptr if `descriptor` is none.
const std::string* NameOf(const Context& context, const Descriptor& descriptor) {
  if (descriptor.preopen < 0) return nullptr;
  return &context.grants().preopens[static_cast<size_t>(descriptor.preopen)].guest;
}

}  // namespace

// libcs ask 3, 4 … until the answer is badf, and so find what they were granted.
Reply FdPrestatGet(Context& context, Call& call, Fd fd, Ptr prestat) {
  const Descriptor* descriptor = context.descriptors().Find(fd);
  if (descriptor == nullptr) return Errno::kBadf;
  const std::string* name = NameOf(context, *descriptor);
  if (name == nullptr) return Errno::kBadf;
  Prestat out = {};
  out.name_len = static_cast<Size>(name->size());
  return call.memory.Store(prestat, out) ? Errno::kSuccess : Errno::kFault;
}

Reply FdPrestatDirName(Context& context, Call& call, Fd fd, Ptr name, Size length) {
  const Descriptor* descriptor = context.descriptors().Find(fd);
  if (descriptor == nullptr) return Errno::kBadf;
  const std::string* text = NameOf(context, *descriptor);
  if (text == nullptr) return Errno::kNotdir;
  if (text->size() > length) return Errno::kNametoolong;
  uint8_t* out = call.memory.At(name, text->size());
  if (out == nullptr) return Errno::kFault;
  std::memcpy(out, text->data(), text->size());
  return Errno::kSuccess;
}

Reply FdReaddir(Context& context, Call& call, Fd fd, Ptr buffer, Size length, uint64_t cookie,
                Ptr used) {
  Descriptor* directory = nullptr;
  const Errno error = context.descriptors().Get(fd, kRightFdReaddir, &directory);
  if (error != Errno::kSuccess) return error;
  uint8_t* out = call.memory.At(buffer, length);
  if (out == nullptr || !call.memory.Contains(used, sizeof(Size))) return Errno::kFault;
  size_t written = 0;
  const Reply reply = context.descriptors()
                          .ReaderOf(*directory)
                          .Read(call, directory->file, directory->origin == Origin::kPreopen,
                                cookie, {out, length}, &written);
  if (!reply.ok()) return reply;
  return call.memory.Store(used, static_cast<Size>(written)) ? Errno::kSuccess : Errno::kFault;
}

}  // namespace wasmoor::wasi
