#include "jail/rootfs/device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "jail/rootfs/mount_target.h"
#include "wasmoor/os/file.h"
#include "wasmoor/os/mount.h"

namespace wasmoor::jail {
namespace {

constexpr mode_t kDefaultMode = 0666;
constexpr mode_t kPermissions = 07777;

// Numbers from the kernel's Documentation/admin-guide/devices.txt.
struct DefaultDevice {
  const char* path;
  int major, minor;
};
constexpr std::array<DefaultDevice, 6> kDefaults = {{{"/dev/null", 1, 3},
                                                     {"/dev/zero", 1, 5},
                                                     {"/dev/full", 1, 7},
                                                     {"/dev/random", 1, 8},
                                                     {"/dev/urandom", 1, 9},
                                                     {"/dev/tty", 5, 0}}};

// Numbers of terminals: /dev/ptmx, and the first major of Unix 98 pseudo-terminals.
constexpr int kTtyMajor = 5, kPtmxMinor = 2, kPtsMajor = 136;

struct Link {
  const char *name, *to;
};
constexpr std::array<Link, 5> kLinks = {{{"fd", "/proc/self/fd"},
                                         {"stdin", "/proc/self/fd/0"},
                                         {"stdout", "/proc/self/fd/1"},
                                         {"stderr", "/proc/self/fd/2"},
                                         {"ptmx", "pts/ptmx"}}};

mode_t FileType(char type) {
  if (type == 'b') return S_IFBLK;
  return type == 'p' ? S_IFIFO : S_IFCHR;
}

// Makes room for `name`: EBUSY is a mount that the specification asked for there.
enum class Room : uint8_t { kFree, kTaken };
Result<Room> MakeRoom(const NamedPlace& place) {
  if (unlinkat(place.directory.get(), place.name.c_str(), 0) == 0 || errno == ENOENT)
    return Room::kFree;
  if (errno == EBUSY) return Room::kTaken;
  return FailErrno(errno, "a thing stands at {} that is no device", place.name);
}

bool IsDevice(const NamedPlace& place, mode_t type, dev_t number) {
  const auto found = os::StatAt(place.directory, place.name.c_str());
  return found && (found->st_mode & S_IFMT) == type &&
         (type == S_IFIFO || found->st_rdev == number);
}

Status SetOwner(const NamedPlace& place, const oci::Device& device) {
  // By a descriptor of the thing itself: the name may be a link by now.
  const os::Fd node = TRY(os::OpenAt(place.directory, place.name.c_str(), O_PATH | O_NOFOLLOW));
  if (fchownat(node.get(), "", device.uid.value_or(0), device.gid.value_or(0), AT_EMPTY_PATH) != 0)
    return FailErrno(errno, "chown");
  return {};
}

Status Bind(const NamedPlace& place, const oci::Device& device) {
  os::BindSource source = TRY_AS(os::OpenBindSource(device.path.c_str(), os::Depth::kThisMount),
                                 "the host's {}", device.path);
  if (mknodat(place.directory.get(), place.name.c_str(), S_IFREG | kDefaultMode, 0) != 0 &&
      errno != EEXIST)
    return FailErrno(errno, "make the file");
  const os::Fd target = TRY(os::OpenAt(place.directory, place.name.c_str(), O_PATH | O_NOFOLLOW));
  TRY(os::AttachBindSource(std::move(source), {}, target));
  return {};
}

Status MakeDevice(const os::Fd& root, const oci::Device& device, DeviceMethod method) {
  const NamedPlace place = TRY(OpenParent(root, device.path));
  const mode_t type = FileType(device.type);
  const dev_t number =
      makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  if (IsDevice(place, type, number)) return {};
  if (TRY(MakeRoom(place)) == Room::kTaken) return {};
  if (method == DeviceMethod::kBind && type != S_IFIFO) return Bind(place, device);
  // The mode comes from mknod(2) itself: a later chmod(2) goes by name and would follow a link that
  // has been put there meanwhile.
  const mode_t mode = device.file_mode.value_or(kDefaultMode) & kPermissions;
  const mode_t mask = umask(0);
  const int made = mknodat(place.directory.get(), place.name.c_str(), type | mode, number);
  const int error = errno;
  umask(mask);
  if (made != 0 && error == EPERM && type != S_IFIFO) return Bind(place, device);
  if (made != 0) return FailErrno(error, "mknod");
  if (device.uid || device.gid) TRY(SetOwner(place, device));
  return {};
}

Status MakeLinks(const os::Fd& root) {
  const os::Fd directory =
      TRY(OpenTarget(root, "/dev", TargetKind::kDirectory, os::Links::kFollow));
  for (const Link& link : kLinks) {
    if (symlinkat(link.to, directory.get(), link.name) == 0) continue;
    if (errno != EEXIST) return FailErrno(errno, "link /dev/{}", link.name);
    if (std::string_view(link.name) != "ptmx") continue;
    // A ptmx of the image's own would open terminals of the host.
    const NamedPlace place{TRY(os::OpenAt(directory, ".", O_PATH | O_DIRECTORY)), link.name};
    if (TRY(MakeRoom(place)) == Room::kFree && symlinkat(link.to, directory.get(), link.name) != 0)
      return FailErrno(errno, "link /dev/{}", link.name);
  }
  // Where the kernel shows its memory; absent where it is configured without.
  if (access("/proc/kcore", F_OK) == 0 && symlinkat("/proc/kcore", directory.get(), "core") != 0 &&
      errno != EEXIST)
    return FailErrno(errno, "link /dev/core");
  return {};
}

}  // namespace

std::vector<oci::DeviceRule> UsualDeviceRules() {
  std::vector<oci::DeviceRule> rules = {{true, 'c', {}, {}, "m"}, {true, 'b', {}, {}, "m"}};
  for (const DefaultDevice& device : kDefaults)
    rules.push_back({true, 'c', device.major, device.minor, "rwm"});
  rules.push_back({true, 'c', kTtyMajor, kPtmxMinor, "rwm"});
  rules.push_back({true, 'c', kPtsMajor, {}, "rwm"});
  return rules;
}

Status MakeDevices(const os::Fd& root, std::span<const oci::Device> devices, DeviceMethod method) {
  for (const DefaultDevice& one : kDefaults) {
    oci::Device device;
    device.path = one.path;
    device.major = one.major;
    device.minor = one.minor;
    TRY_AS(MakeDevice(root, device, method), "{}", one.path);
  }
  for (size_t i = 0; i < devices.size(); ++i)
    TRY_AS(MakeDevice(root, devices[i], method), "linux.devices[{}] ({})", i, devices[i].path);
  return MakeLinks(root);
}

Status BindConsole(const os::Fd& root, const os::Fd& terminal) {
  const NamedPlace place = TRY(OpenParent(root, "/dev/console"));
  if (TRY(MakeRoom(place)) == Room::kFree &&
      mknodat(place.directory.get(), place.name.c_str(), S_IFREG | kDefaultMode, 0) != 0)
    return FailErrno(errno, "make /dev/console");
  const os::Fd target = TRY(os::OpenAt(place.directory, place.name.c_str(), O_PATH | O_NOFOLLOW));
  os::BindSource source =
      TRY_AS(os::OpenBindSource(terminal, "", os::Depth::kThisMount), "the terminal");
  TRY_AS(os::AttachBindSource(std::move(source), {}, target), "/dev/console");
  return {};
}

}  // namespace wasmoor::jail
