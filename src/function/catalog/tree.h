#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "function/catalog/folder.h"
#include "function/catalog/news.h"
#include "function/catalog/stamp.h"
#include "function/catalog/watch.h"
#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/program/source.h"

// The directory of functions, as it is on the disk, and what changes in it.
//
// Changes are heard of by inotify(7), where the file system tells of them, and looked for at an
// interval besides: files of functions in use each time, the others in turns, a part of them each
// time, and names where a directory says that it was changed, and in turns; all of it less often
// where everything is heard of. Who asks for a function by its name gets the answer of the disk in
// any case.
//
// Nothing on the volume stays open in between, so that it can be unmounted. While it is away, that
// is, while its directory cannot be read, or is an empty one on another volume, everything in it is
// taken to be as it was.
//
// The loop's thread. What is on a network file system that hangs, hangs this.
namespace wasmoor::function {

struct TreeOptions {
  std::string directory;
  std::chrono::milliseconds poll{500};
  bool inotify = true;
};

class Tree {
 public:
  // An Error: the directory cannot be read. Nothing is told before Start.
  static Result<std::unique_ptr<Tree>> Create(loop::Loop& loop, TreeOptions options,
                                              TreeListener& listener);

  // Tells of all that is there.
  Status Start();

  bool Knows(std::string_view function) const;
  // Of its files when they were looked at last.
  Stamps LastSeen(std::string_view function) const;
  // Looks at its files. Stamps without a module: there is none. kUnavailable: nobody can tell now.
  Result<Stamps> Look(std::string_view function);

  struct Opened {
    program::Source source;
    std::optional<std::string> manifest;  // Its text.
    Stamps stamps;                        // Not newer than what was opened.
  };
  // kNotFound: there is none. kInvalidArgument: what is there is no module, or its manifest cannot
  // be read.
  Result<Opened> Open(std::string_view function);

  // In use: to be looked at each time.
  void SetHot(std::string_view function, bool hot);

  // Why the directory cannot be read now; none if it can.
  const std::optional<Error>& away() const { return away_; }

 private:
  struct Place {
    Place(std::string tenant, News& news) : folder(std::move(tenant), news) {}
    Folder folder;
    std::optional<DirectoryStamp> stamp;  // Of when it was listed; none: it was not.
    int again = 0;                        // So many listings are to come, whatever its stamp says.
    bool away = false;                    // A tenant's: what is in it is kept.
    int watch = Watch::kNone;
    bool heard = false;                     // By it, of everything.
    std::optional<DirectoryStamp> watched;  // What the watch is of, or could not be had for.
  };
  enum class Depth : uint8_t { kIfChanged, kList };
  // Of an event: a name in a tenant's directory.
  struct Touched {
    std::string tenant, name;
    Folder::Complete complete = Folder::Complete::kUnknown;
  };

  Tree(loop::Loop& loop, TreeOptions options, TreeListener& listener)
      : loop_(loop), options_(std::move(options)), listener_(listener) {}

  Result<Stamps> LookNow(std::string_view function);

  // Ways in: the directory, open. Each finds out what is gone, away, or back.
  Result<os::Fd> Enter();
  Result<os::Fd> EnterTenant(const os::Fd& root, Place& place);
  Result<os::Fd> EnterPlace(const os::Fd& root, std::string_view tenant);
  void Leave(const Error& why);  // The root is away.
  bool IsVanished(const os::Fd& directory, const Place& place, const DirectoryStamp& stamp) const;
  void WatchPlace(const os::Fd& directory, Place& place, const DirectoryStamp& stamp);
  void Unwatch(Place& place);
  std::string PathOf(const Place& place) const;

  // Looking. These may forget tenants, and their places.
  void Visit(const os::Fd& root, const std::string& tenant, Depth depth);
  Status List(const os::Fd& directory, Place& place, std::set<std::string>* tenants);
  void FollowTenants(const os::Fd& root, const std::set<std::string>& there);
  bool AddTenant(const os::Fd& root, const std::string& tenant);
  void Forget(const std::string& tenant);

  void Poll();
  void PollHot(const os::Fd& root, bool all);
  void PollInTurn(const os::Fd& root);
  void Hear(const Watch::Event& event);
  void ActOnEvents();
  void ActOnName(const os::Fd& root, const Touched& touched);
  void ActOnSettled();

  // Tell is for the end of what the loop has called; TellLater for when somebody is in the middle
  // of something.
  void Tell();
  void TellLater();
  void WaitForSettling();

  loop::Loop& loop_;
  const TreeOptions options_;
  TreeListener& listener_;
  News news_;
  std::map<std::string, std::unique_ptr<Place>, std::less<>> places_;  // By tenant; "": the root.
  std::optional<Error> away_;
  std::unique_ptr<Watch> watch_;
  std::multimap<int, Place*> watches_;  // A directory may be several tenants'.
  bool told_of_watch_ = false;
  // Of events that came together.
  std::vector<Touched> touched_;
  std::set<std::string> dirty_;
  // Whose turn it is.
  std::string turn_tenant_, turn_name_;
  uint64_t polls_ = 0;
  loop::Timer poll_, settle_, tell_;
};

}  // namespace wasmoor::function
