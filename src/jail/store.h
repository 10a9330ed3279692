#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/file.h"

// What is kept of containers between commands: a directory each, below the state root.
//
//     ROOT/ID/              mode 0700; flock(2)ed by the command that changes the container
//     ROOT/ID/state.json    a Record; written beside its name and renamed
//     ROOT/ID/config.json   the bundle's at the time of `create`: the bundle may change or vanish
//     ROOT/ID/start         a socket, see start_gate.h
//
// WHY A KILL LOSES NOTHING. The directory is made first and removed last, and a record says what is
// about to be made (the control group's path, the process) before it is. So whatever a command that
// was killed has left behind, the record leads to it. A lock dies with its holder; a record that
// says that its container is not complete, with nobody holding the lock, is rubbish that the next
// command clears.
//
// There is no fsync: the state root is a tmpfs (/run), which does not outlive a power cut, as the
// containers do not.
namespace wasmoor::jail {

// A process that is known by more than its number, which the kernel uses again.
struct ProcessId {
  pid_t pid = 0;            // 0: none.
  uint64_t start_time = 0;  // Field 22 of /proc/PID/stat, in clock ticks after the machine's start.

  static Result<ProcessId> Of(pid_t pid);
  bool Alive() const;  // A zombie is not.
  bool operator==(const ProcessId&) const = default;
};

struct Record {
  std::string id;
  std::string bundle;     // Absolute.
  std::string rootfs;     // Absolute.
  bool complete = false;  // `create` came to its end.
  ProcessId init;
  std::string cgroup;    // cgroup::Group::ToText; empty before it is about to be made.
  std::string executor;  // Executor::name.
  // Whether its configuration has hooks of these lists, which are read when it is time for them.
  bool has_poststart = true, has_poststop = true;
  std::chrono::system_clock::time_point created;
  uid_t owner = 0;
  std::map<std::string, std::string> annotations;
};

class Store;

// A container's directory. Movable; one thread.
class Place {
  // An open directory that carries the flock(2), until this object's end.
  struct Lock {
    Lock() = default;
    Lock(Lock&&) noexcept = default;
    Lock& operator=(Lock&& other) noexcept {
      std::swap(file, other.file);
      other.End();
      return *this;
    }
    ~Lock() { End(); }
    void End() {
      if (file.valid()) os::Unlock(file);
      file.Close();
    }
    os::Fd file;
  };

 public:
  const std::string& id() const { return id_; }
  const os::Fd& directory() const { return directory_; }
  bool locked() const { return lock_.file.valid(); }

  // Whether both are one directory, and not two of one name.
  Result<bool> IsSameAs(const Place& other) const;

  // kNotFound if there is none yet, or no more; kDataLoss if it cannot be understood.
  Result<Record> Read() const;
  Status Write(const Record& record) const;  // Needs the lock.
  Result<std::string> ReadFile(const char* name) const;
  Status WriteFile(const char* name, std::string_view text) const;

  // Also ends it in clones of this process, which share the lock: one that is on its way to be
  // another container must not keep this one's.
  void Unlock() { lock_ = Lock(); }
  // For a clone of the process that locked it, which goes on with the lock.
  void LeaveLock() { lock_.file.Close(); }

  // The directory and all in it; of what is not ours in it nothing is followed. Needs the lock.
  Status Remove();

 private:
  friend class Store;
  const os::Fd* root_ = nullptr;  // The Store's.
  std::string id_;
  os::Fd directory_;  // O_PATH.
  Lock lock_;
};

class Store {
 public:
  // Made with mode 0700 if it is not there; its parents too.
  // `patience`: how long whoever wants a lock waits for whoever has it.
  static Result<Store> Open(const std::string& path,
                            std::chrono::milliseconds patience = std::chrono::seconds(10));

  // A new place, locked. kAlreadyExists; kInvalidArgument for what can be no id: one to 1,024
  // letters, digits and _ + - . that do not start with a dot.
  Result<Place> Make(std::string_view id) const;

  // kNotFound: `container "x" does not exist`, which callers look for. Without the lock it may
  // change any moment.
  Result<Place> Find(std::string_view id) const;
  // The same, locked; waits for whoever has it, at most so long: kUnavailable.
  Result<Place> FindAndLock(std::string_view id, std::chrono::milliseconds patience) const;

  Result<std::vector<std::string>> List() const;  // Sorted.

  std::chrono::milliseconds patience() const { return patience_; }

  // A directory of seccomp::CompileCached: no container can have this name.
  std::string seccomp_cache() const { return path_ + "/.seccomp"; }

 private:
  Store(os::Fd root, std::string path, std::chrono::milliseconds patience)
      : root_(std::move(root)), path_(std::move(path)), patience_(patience) {}
  os::Fd root_;
  std::string path_;
  std::chrono::milliseconds patience_;
};

}  // namespace wasmoor::jail
