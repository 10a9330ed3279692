#pragma once

#include <cstdint>

#include "wasi/abi.h"
#include "wasi/reply.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/context.h"

// The functions of wasi_snapshot_preview1, each under its own name and with its own parameters:
// what a parameter means is said by the witx text. Flags and enums arrive as the 32 bits they cross
// the border in, and are checked; pointers are offsets into the guest's memory, and are checked.
//
// A result pointer is checked before anything is done, so that a call that fails has done nothing.
namespace wasmoor::wasi {

using hostcall::Call;

// args_environ.cc
Reply ArgsGet(Context& context, Call& call, Ptr argv, Ptr buffer);
Reply ArgsSizesGet(Context& context, Call& call, Ptr count, Ptr bytes);
Reply EnvironGet(Context& context, Call& call, Ptr environ, Ptr buffer);
Reply EnvironSizesGet(Context& context, Call& call, Ptr count, Ptr bytes);

// clocks.cc
Reply ClockResGet(Context& context, Call& call, uint32_t clock, Ptr resolution);
Reply ClockTimeGet(Context& context, Call& call, uint32_t clock, Timestamp precision, Ptr time);

// files.cc
Reply FdAdvise(Context& context, Call& call, Fd fd, uint64_t offset, uint64_t length,
               uint32_t advice);
Reply FdAllocate(Context& context, Call& call, Fd fd, uint64_t offset, uint64_t length);
Reply FdClose(Context& context, Call& call, Fd fd);
Reply FdDatasync(Context& context, Call& call, Fd fd);
Reply FdRenumber(Context& context, Call& call, Fd from, Fd to);
Reply FdSeek(Context& context, Call& call, Fd fd, int64_t offset, uint32_t whence, Ptr position);
Reply FdSync(Context& context, Call& call, Fd fd);
Reply FdTell(Context& context, Call& call, Fd fd, Ptr position);

// read_write.cc
Reply FdPread(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint64_t offset, Ptr read);
Reply FdPwrite(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint64_t offset,
               Ptr written);
Reply FdRead(Context& context, Call& call, Fd fd, Ptr iovs, Size count, Ptr read);
Reply FdWrite(Context& context, Call& call, Fd fd, Ptr iovs, Size count, Ptr written);

// status.cc
Reply FdFdstatGet(Context& context, Call& call, Fd fd, Ptr status);
Reply FdFdstatSetFlags(Context& context, Call& call, Fd fd, uint32_t flags);
Reply FdFdstatSetRights(Context& context, Call& call, Fd fd, Rights base, Rights inheriting);
Reply FdFilestatGet(Context& context, Call& call, Fd fd, Ptr status);
Reply FdFilestatSetSize(Context& context, Call& call, Fd fd, uint64_t size);
Reply FdFilestatSetTimes(Context& context, Call& call, Fd fd, Timestamp atim, Timestamp mtim,
                         uint32_t flags);
Reply PathFilestatGet(Context& context, Call& call, Fd fd, uint32_t lookup, Ptr path, Size length,
                      Ptr status);
Reply PathFilestatSetTimes(Context& context, Call& call, Fd fd, uint32_t lookup, Ptr path,
                           Size length, Timestamp atim, Timestamp mtim, uint32_t flags);

// directories.cc
Reply FdPrestatGet(Context& context, Call& call, Fd fd, Ptr prestat);
Reply FdPrestatDirName(Context& context, Call& call, Fd fd, Ptr name, Size length);
Reply FdReaddir(Context& context, Call& call, Fd fd, Ptr buffer, Size length, uint64_t cookie,
                Ptr used);

// paths.cc
Reply PathCreateDirectory(Context& context, Call& call, Fd fd, Ptr path, Size length);
Reply PathLink(Context& context, Call& call, Fd old_fd, uint32_t old_lookup, Ptr old_path,
               Size old_length, Fd new_fd, Ptr new_path, Size new_length);
Reply PathReadlink(Context& context, Call& call, Fd fd, Ptr path, Size length, Ptr buffer,
                   Size buffer_length, Ptr used);
Reply PathRemoveDirectory(Context& context, Call& call, Fd fd, Ptr path, Size length);
Reply PathRename(Context& context, Call& call, Fd old_fd, Ptr old_path, Size old_length, Fd new_fd,
                 Ptr new_path, Size new_length);
Reply PathSymlink(Context& context, Call& call, Ptr contents, Size contents_length, Fd fd, Ptr path,
                  Size length);
Reply PathUnlinkFile(Context& context, Call& call, Fd fd, Ptr path, Size length);

// path_open.cc
Reply PathOpen(Context& context, Call& call, Fd fd, uint32_t lookup, Ptr path, Size length,
               uint32_t oflags, Rights base, Rights inheriting, uint32_t fdflags, Ptr opened);

// poll.cc
Reply PollOneoff(Context& context, Call& call, Ptr subscriptions, Ptr events, Size count,
                 Ptr stored);

// process.cc
Reply ProcExit(Context& context, Call& call, uint32_t code);
Reply ProcRaise(Context& context, Call& call, uint32_t signal);
Reply RandomGet(Context& context, Call& call, Ptr buffer, Size length);
Reply SchedYield(Context& context, Call& call);

// sockets.cc
Reply SockAccept(Context& context, Call& call, Fd fd, uint32_t flags, Ptr accepted);
Reply SockRecv(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint32_t flags,
               Ptr received, Ptr result_flags);
Reply SockSend(Context& context, Call& call, Fd fd, Ptr iovs, Size count, uint32_t flags, Ptr sent);
Reply SockShutdown(Context& context, Call& call, Fd fd, uint32_t how);

}  // namespace wasmoor::wasi
