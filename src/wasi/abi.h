#pragma once

#include <cstddef>
#include <cstdint>

// The types of wasi_snapshot_preview1 as they lie in guest memory: numbers, names and layouts of
// the witx text (typenames.witx). Everything is little-endian, and so is every host wasmoor runs
// on.
namespace wasmoor::wasi {

using Fd = uint32_t;
using Ptr = uint32_t;
using Size = uint32_t;
using Timestamp = uint64_t;  // Nanoseconds.
using Rights = uint64_t;

enum class Errno : uint16_t {
  kSuccess = 0,
  k2big,
  kAcces,
  kAddrinuse,
  kAddrnotavail,
  kAfnosupport,
  kAgain,
  kAlready,
  kBadf,
  kBadmsg,
  kBusy,
  kCanceled,
  kChild,
  kConnaborted,
  kConnrefused,
  kConnreset,
  kDeadlk,
  kDestaddrreq,
  kDom,
  kDquot,
  kExist,
  kFault,
  kFbig,
  kHostunreach,
  kIdrm,
  kIlseq,
  kInprogress,
  kIntr,
  kInval,
  kIo,
  kIsconn,
  kIsdir,
  kLoop,
  kMfile,
  kMlink,
  kMsgsize,
  kMultihop,
  kNametoolong,
  kNetdown,
  kNetreset,
  kNetunreach,
  kNfile,
  kNobufs,
  kNodev,
  kNoent,
  kNoexec,
  kNolck,
  kNolink,
  kNomem,
  kNomsg,
  kNoprotoopt,
  kNospc,
  kNosys,
  kNotconn,
  kNotdir,
  kNotempty,
  kNotrecoverable,
  kNotsock,
  kNotsup,
  kNotty,
  kNxio,
  kOverflow,
  kOwnerdead,
  kPerm,
  kPipe,
  kProto,
  kProtonosupport,
  kPrototype,
  kRange,
  kRofs,
  kSpipe,
  kSrch,
  kStale,
  kTimedout,
  kTxtbsy,
  kXdev,
  kNotcapable,
};
static_assert(static_cast<int>(Errno::kNotcapable) == 76);

inline constexpr Rights kRightFdDatasync = 1u << 0;
inline constexpr Rights kRightFdRead = 1u << 1;
inline constexpr Rights kRightFdSeek = 1u << 2;
inline constexpr Rights kRightFdFdstatSetFlags = 1u << 3;
inline constexpr Rights kRightFdSync = 1u << 4;
inline constexpr Rights kRightFdTell = 1u << 5;
inline constexpr Rights kRightFdWrite = 1u << 6;
inline constexpr Rights kRightFdAdvise = 1u << 7;
inline constexpr Rights kRightFdAllocate = 1u << 8;
inline constexpr Rights kRightPathCreateDirectory = 1u << 9;
inline constexpr Rights kRightPathCreateFile = 1u << 10;
inline constexpr Rights kRightPathLinkSource = 1u << 11;
inline constexpr Rights kRightPathLinkTarget = 1u << 12;
inline constexpr Rights kRightPathOpen = 1u << 13;
inline constexpr Rights kRightFdReaddir = 1u << 14;
inline constexpr Rights kRightPathReadlink = 1u << 15;
inline constexpr Rights kRightPathRenameSource = 1u << 16;
inline constexpr Rights kRightPathRenameTarget = 1u << 17;
inline constexpr Rights kRightPathFilestatGet = 1u << 18;
inline constexpr Rights kRightPathFilestatSetSize = 1u << 19;
inline constexpr Rights kRightPathFilestatSetTimes = 1u << 20;
inline constexpr Rights kRightFdFilestatGet = 1u << 21;
inline constexpr Rights kRightFdFilestatSetSize = 1u << 22;
inline constexpr Rights kRightFdFilestatSetTimes = 1u << 23;
inline constexpr Rights kRightPathSymlink = 1u << 24;
inline constexpr Rights kRightPathRemoveDirectory = 1u << 25;
inline constexpr Rights kRightPathUnlinkFile = 1u << 26;
inline constexpr Rights kRightPollFdReadwrite = 1u << 27;
inline constexpr Rights kRightSockShutdown = 1u << 28;
inline constexpr Rights kRightSockAccept = 1u << 29;

enum class FileType : uint8_t {
  kUnknown = 0,  // FIFOs, among others.
  kBlockDevice,
  kCharacterDevice,
  kDirectory,
  kRegularFile,
  kSocketDgram,
  kSocketStream,
  kSymbolicLink,
};

enum class ClockId : uint32_t { kRealtime = 0, kMonotonic, kProcessCputime, kThreadCputime };
enum class Whence : uint8_t { kSet = 0, kCur, kEnd };
enum class EventType : uint8_t { kClock = 0, kFdRead, kFdWrite };

// The flag types, each the set of its bits. kFdflagMask and its like are all that exist.
inline constexpr uint32_t kFdflagAppend = 1u << 0;
inline constexpr uint32_t kFdflagDsync = 1u << 1;
inline constexpr uint32_t kFdflagNonblock = 1u << 2;
inline constexpr uint32_t kFdflagRsync = 1u << 3;
inline constexpr uint32_t kFdflagSync = 1u << 4;
inline constexpr uint32_t kFdflagMask = 0x1f;
inline constexpr uint32_t kOflagCreat = 1u << 0;
inline constexpr uint32_t kOflagDirectory = 1u << 1;
inline constexpr uint32_t kOflagExcl = 1u << 2;
inline constexpr uint32_t kOflagTrunc = 1u << 3;
inline constexpr uint32_t kOflagMask = 0xf;
inline constexpr uint32_t kLookupSymlinkFollow = 1u << 0;
inline constexpr uint32_t kLookupMask = 0x1;
inline constexpr uint32_t kFstflagAtim = 1u << 0;
inline constexpr uint32_t kFstflagAtimNow = 1u << 1;
inline constexpr uint32_t kFstflagMtim = 1u << 2;
inline constexpr uint32_t kFstflagMtimNow = 1u << 3;
inline constexpr uint32_t kFstflagMask = 0xf;
inline constexpr uint32_t kRiflagPeek = 1u << 0;
inline constexpr uint32_t kRiflagWaitall = 1u << 1;
inline constexpr uint32_t kRiflagMask = 0x3;
inline constexpr uint16_t kRoflagDataTruncated = 1u << 0;
inline constexpr uint32_t kSdflagRd = 1u << 0;
inline constexpr uint32_t kSdflagWr = 1u << 1;
inline constexpr uint32_t kSdflagMask = 0x3;
inline constexpr uint16_t kSubclockAbstime = 1u << 0;
inline constexpr uint16_t kEventHangup = 1u << 0;

// The records. Padding is spelled out, so that `= {}` clears it and no byte of the host's stack
// reaches a guest.
struct Iovec {
  Ptr buf;
  Size len;
};
static_assert(sizeof(Iovec) == 8);

struct Fdstat {
  FileType filetype;
  uint8_t padding0;
  uint16_t flags;
  uint32_t padding1;
  Rights base;
  Rights inheriting;
};
static_assert(sizeof(Fdstat) == 24 && offsetof(Fdstat, base) == 8);

struct Filestat {
  uint64_t dev;
  uint64_t ino;
  FileType filetype;
  uint8_t padding[7];
  uint64_t nlink;
  uint64_t size;
  Timestamp atim;
  Timestamp mtim;
  Timestamp ctim;
};
static_assert(sizeof(Filestat) == 64 && offsetof(Filestat, nlink) == 24);

struct Dirent {
  uint64_t next;
  uint64_t ino;
  uint32_t namlen;
  FileType type;
  uint8_t padding[3];
};
static_assert(sizeof(Dirent) == 24 && offsetof(Dirent, type) == 20);

struct Prestat {
  uint8_t tag;  // 0: a directory, the only kind there is.
  uint8_t padding[3];
  Size name_len;
};
static_assert(sizeof(Prestat) == 8);

struct Subscription {
  uint64_t userdata;
  uint8_t tag;  // An EventType, which says whether `id` is a ClockId or an Fd.
  uint8_t padding0[7];
  uint32_t id;
  uint32_t padding1;
  Timestamp timeout;
  Timestamp precision;
  uint16_t clock_flags;
  uint8_t padding2[6];
};
static_assert(sizeof(Subscription) == 48 && offsetof(Subscription, timeout) == 24 &&
              offsetof(Subscription, clock_flags) == 40);

struct Event {
  uint64_t userdata;
  Errno error;
  uint8_t type;
  uint8_t padding0[5];
  uint64_t nbytes;
  uint16_t flags;
  uint8_t padding1[6];
};
static_assert(sizeof(Event) == 32 && offsetof(Event, nbytes) == 16 && offsetof(Event, flags) == 24);

}  // namespace wasmoor::wasi
