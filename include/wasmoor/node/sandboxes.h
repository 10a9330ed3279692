#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/node/place.h"
#include "wasmoor/node/records.h"
#include "wasmoor/sandbox/pod.h"
#include "wasmoor/sandbox/sandbox.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::handover {
class Daemon;
}

namespace wasmoor::node {

// How a sandbox holds its containers. Destroyed from the last to the first.
struct Parts {
  std::shared_ptr<void> others;  // What the two need, and nobody else; may be null.
  std::unique_ptr<sandbox::Sandbox> sandbox;
  std::unique_ptr<sandbox::Pod> pod;
};
// The listener outlives the parts.
using MakeParts = std::function<Result<Parts>(const Place& place, sandbox::Listener& listener)>;

struct Settings {
  loop::Loop& loop;
  // For the sandboxes' sockets, of this user alone: made with mode 0700. So short that
  // "DIRECTORY/" and 32 characters are no more than 106 (unix(7); containerd keeps to that).
  std::string socket_directory;
  std::string state_directory;  // For Records.
  MakeParts make_parts;
  // Is told of the calls of all sandboxes' task services; may be empty.
  ttrpc::CallHook calls = {};
  // Hears what an operator should know: of which sandbox (null: of none), and a line without its
  // end. May be empty.
  std::function<void(task::LogLevel, const Key*, std::string_view)> log;
  // Called whenever something happened to a task, or a sandbox went; may be empty.
  std::function<void()> on_activity;
  // How often it is looked for sandboxes that containerd has forgotten.
  std::chrono::milliseconds between_looks = std::chrono::seconds(10);
};

// What became of the events that containerd is to be told, of all sandboxes.
struct EventCounts {
  uint64_t published = 0;  // Confirmed by containerd.
  uint64_t failed = 0;     // Dropped: refused, or too many waited.
  size_t waiting = 0;
};

// A container that was there and is removed.
struct Ended {
  pid_t pid = 0;
  sandbox::Exit exit;
};

// The sandboxes of a node. Each is a task service of its own, on a socket of its own, with two
// descriptors while one client is connected; their engine, event publishers and timers are shared.
//
// A sandbox of Place::Life::kTasks goes when containerd shuts it down with nothing left in it, by
// Delete of what is the last in it, and when nothing is in it and nobody asked for anything for
// three looks, or nobody is connected: then containerd was killed before it used it. Everything is
// called from the loop's thread, and answered as in sandbox/sandbox.h. Destroying it ends no
// container.
class Sandboxes {
 public:
  // kFailedPrecondition if another process has sandboxes in the same directory.
  static Result<std::unique_ptr<Sandboxes>> Open(Settings settings);
  Sandboxes(const Sandboxes&) = delete;
  Sandboxes& operator=(const Sandboxes&) = delete;
  ~Sandboxes();

  // The path of the sandbox's socket, which is that of the one that is there if there is one of
  // this key. If it fails, nothing of it is left, and it can be tried again. kInvalidArgument: a
  // name or a path that cannot be; kNotFound: no such bundle; kAlreadyExists: it is another
  // containerd's; kUnavailable after Stop.
  Result<std::string> Create(Place place);

  struct View {
    const Place& place;
    const std::string& socket;
    sandbox::Sandbox& sandbox;
    sandbox::Pod& pod;
  };
  // Good until the loop goes on. kNotFound.
  Result<View> Find(const Key& key) const;

  // Kills and removes one container, whose sandbox goes with its last one if nobody is connected to
  // it. `group` says which sandbox it is in; empty: all of the namespace are looked through. If
  // there is no such container but a sandbox of that name whose pod runs, that is ended.
  // kNotFound: there is neither; a sandbox of that name with nothing in it is gone then, too.
  void Delete(const Key& container, const std::string& group, sandbox::Done<Ended> done);

  // Kills what is left in the sandbox and forgets it. kNotFound.
  void Remove(const Key& key, sandbox::Done<void> done);

  // Kills all that runs in all sandboxes, makes no more, and answers when everything has ended and
  // containerd was told, as far as it listens. Exits stay known to who clears the containers.
  void Stop(sandbox::Done<void> done);

  struct Summary {
    Key key;
    std::string socket;
    std::vector<std::string> containers;
    size_t connections = 0;
  };
  std::vector<Summary> List() const;
  size_t size() const;
  EventCounts events() const;
  // Where a sandbox may keep files of its own while it is there.
  std::string DirectoryOf(const Key& key) const;

  // What was written down by a process that has ended without removing its sandboxes. Pods are
  // served again, with nothing in them, and `again` is to find what of them is still there; if it
  // cannot, and for all others, `left` is told why, and they are forgotten. Before the first
  // Create, and after TakeOver.
  using Again = std::function<Status(const View&)>;
  using Left = std::function<void(const Record&, const Error& why)>;
  Status TakeRest(const Again& again, const Left& left);

  // For a program that is executed in place of this one (sandbox/sandbox.h, HandOver). Between
  // Freeze and Thaw no more calls are taken; those that are under way come to their end meanwhile,
  // but for those that wait for a task's.
  void Freeze();
  void Thaw();
  // kUnavailable while something is under way.
  Status HandOver(handover::Daemon* state, os::Carried* carried) const;
  // Before the first Create. What cannot be taken over is logged.
  void TakeOver(const handover::Daemon& state);

 private:
  class Parts;
  explicit Sandboxes(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace wasmoor::node
