#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "wasi/descriptor_table.h"
#include "wasi/functions.h"
#include "wasi/guest_path.h"
#include "wasmoor/os/file.h"

namespace wasmoor::wasi {
namespace {

// Makes or removes the one name that a path ends in.
template <typename SystemCall>
Reply AtPlace(Context& context, const Call& call, Fd fd, Rights rights, Ptr path, Size length,
              Errno no_name, SystemCall system_call) {
  Descriptor* directory = nullptr;
  Errno error = context.descriptors().Get(fd, rights, &directory);
  if (error != Errno::kSuccess) return error;
  GuestPath name;
  if (error = name.Load(call.memory, path, length); error != Errno::kSuccess) return error;
  Place place;
  if (const Reply reply = place.Find(call, *directory, name, no_name); !reply.ok()) return reply;
  return Interruptible(call, [&] { return system_call(place.directory(), place.name()); });
}

Reply LinkByName(const Call& call, const Place& from, const Place& to) {
  return Interruptible(
      call, [&] { return linkat(from.directory(), from.name(), to.directory(), to.name(), 0); });
}

// path_link of what `old_path` leads to through links. linkat(2) follows only by itself, to
// anywhere, so that the file is found beneath the preopen first. To link it by descriptor
// (AT_EMPTY_PATH) takes a capability or Linux 6.10, which is not asked for where the name is no
// link after all.
Reply LinkFollowed(const Call& call, const Descriptor& old_directory, GuestPath& old_path,
                   const Place& place) {
  Target target;
  Reply reply = target.Find(call, old_directory, old_path, Target::Link::kFollow);
  if (!reply.ok()) return reply;
  struct stat found = {};
  reply = Interruptible(call, [&] { return fstat(target.directory(), &found); });
  if (!reply.ok()) return reply;
  if (S_ISDIR(found.st_mode)) return Errno::kPerm;
  Place old_place;
  reply = old_place.Find(call, old_directory, old_path, Errno::kPerm);
  if (!reply.ok()) return reply;
  struct stat named = {};
  if (fstatat(old_place.directory(), old_place.name(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
      os::IsSameFile(named, found))
    return LinkByName(call, old_place, place);
  return Interruptible(call, [&] {
    return linkat(target.directory(), "", place.directory(), place.name(), AT_EMPTY_PATH);
  });
}

}  // namespace

Reply PathCreateDirectory(Context& context, Call& call, Fd fd, Ptr path, Size length) {
  return AtPlace(context, call, fd, kRightPathCreateDirectory, path, length, Errno::kExist,
                 [](int directory, const char* name) { return mkdirat(directory, name, 0777); });
}

Reply PathRemoveDirectory(Context& context, Call& call, Fd fd, Ptr path, Size length) {
  return AtPlace(
      context, call, fd, kRightPathRemoveDirectory, path, length, Errno::kInval,
      [](int directory, const char* name) { return unlinkat(directory, name, AT_REMOVEDIR); });
}

Reply PathUnlinkFile(Context& context, Call& call, Fd fd, Ptr path, Size length) {
  return AtPlace(context, call, fd, kRightPathUnlinkFile, path, length, Errno::kIsdir,
                 [](int directory, const char* name) { return unlinkat(directory, name, 0); });
}

Reply PathSymlink(Context& context, Call& call, Ptr contents, Size contents_length, Fd fd, Ptr path,
                  Size length) {
  GuestPath target;
  const Errno error = target.Load(call.memory, contents, contents_length);
  if (error != Errno::kSuccess) return error;
  // The guest could not follow it, and a host program that does would be led anywhere.
  if (target.absolute()) return Errno::kNotcapable;
  return AtPlace(
      context, call, fd, kRightPathSymlink, path, length, Errno::kExist,
      [&](int directory, const char* name) { return symlinkat(target.text(), directory, name); });
}

Reply PathRename(Context& context, Call& call, Fd old_fd, Ptr old_path, Size old_length, Fd new_fd,
                 Ptr new_path, Size new_length) {
  Descriptor* old_directory = nullptr;
  Errno error = context.descriptors().Get(old_fd, kRightPathRenameSource, &old_directory);
  if (error != Errno::kSuccess) return error;
  GuestPath old_name;
  if (error = old_name.Load(call.memory, old_path, old_length); error != Errno::kSuccess)
    return error;
  Place old_place;
  const Reply reply = old_place.Find(call, *old_directory, old_name, Errno::kBusy);
  if (!reply.ok()) return reply;
  return AtPlace(context, call, new_fd, kRightPathRenameTarget, new_path, new_length, Errno::kBusy,
                 [&](int directory, const char* name) {
                   return renameat(old_place.directory(), old_place.name(), directory, name);
                 });
}

Reply PathLink(Context& context, Call& call, Fd old_fd, uint32_t old_lookup, Ptr old_path,
               Size old_length, Fd new_fd, Ptr new_path, Size new_length) {
  Descriptor* old_directory = nullptr;
  Descriptor* new_directory = nullptr;
  Errno error = context.descriptors().Get(old_fd, kRightPathLinkSource, &old_directory);
  if (error != Errno::kSuccess) return error;
  error = context.descriptors().Get(new_fd, kRightPathLinkTarget, &new_directory);
  if (error != Errno::kSuccess) return error;
  if ((old_lookup & ~kLookupMask) != 0) return Errno::kInval;
  GuestPath old_name;
  GuestPath new_name;
  if (error = old_name.Load(call.memory, old_path, old_length); error != Errno::kSuccess)
    return error;
  if (error = new_name.Load(call.memory, new_path, new_length); error != Errno::kSuccess)
    return error;
  Place place;
  Reply reply = place.Find(call, *new_directory, new_name, Errno::kExist);
  if (!reply.ok()) return reply;
  // A '/' at the end follows a link too (path_resolution(7)), and demands a directory besides.
  if ((old_lookup & kLookupSymlinkFollow) != 0 || old_name.ends_in_slash())
    return LinkFollowed(call, *old_directory, old_name, place);
  Place old_place;
  reply = old_place.Find(call, *old_directory, old_name, Errno::kPerm);
  return reply.ok() ? LinkByName(call, old_place, place) : reply;
}

Reply PathReadlink(Context& context, Call& call, Fd fd, Ptr path, Size length, Ptr buffer,
                   Size buffer_length, Ptr used) {
  Descriptor* directory = nullptr;
  Errno error = context.descriptors().Get(fd, kRightPathReadlink, &directory);
  if (error != Errno::kSuccess) return error;
  uint8_t* out = call.memory.At(buffer, buffer_length);
  if (out == nullptr || !call.memory.Contains(used, sizeof(Size))) return Errno::kFault;
  GuestPath name;
  if (error = name.Load(call.memory, path, length); error != Errno::kSuccess) return error;
  Target target;
  Reply reply = target.Find(call, *directory, name, Target::Link::kItself);
  if (!reply.ok()) return reply;

  // readlinkat(2) takes no empty buffer; the guest may give one, to learn whether it is a link.
  char nothing = 0;
  char* to = buffer_length == 0 ? &nothing : reinterpret_cast<char*>(out);
  const size_t room = std::clamp<size_t>(buffer_length, 1, PATH_MAX);
  int64_t count = 0;
  reply = Interruptible(
      call, [&] { return readlinkat(target.directory(), target.name(), to, room); }, &count);
  // The empty name of a descriptor that is no link is no such file; by its name it is an invalid
  // one.
  if (reply.outcome() == hostcall::Outcome::kReturned && reply.error() == Errno::kNoent &&
      target.name()[0] == '\0')
    return Errno::kInval;
  if (!reply.ok()) return reply;
  return call.memory.Store(used, buffer_length == 0 ? Size{0} : static_cast<Size>(count))
             ? Errno::kSuccess
             : Errno::kFault;
}

}  // namespace wasmoor::wasi
