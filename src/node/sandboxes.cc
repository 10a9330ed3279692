#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "base/checksum.h"
#include "base/sha256.h"
#include "node/sandboxes_parts.h"
#include "os/private_directory.h"
#include "wasmoor/loop/answer.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::node {
namespace {

using sandbox::Done;

constexpr size_t kMostPath = 106;    // unix(7): 108 with a NUL; containerd keeps to one less.
constexpr size_t kNameLetters = 32;  // Of a SHA-256 in hexadecimal: enough to be of one key only.
// How often it is looked whether who asked last of a sandbox has hung up.
constexpr std::chrono::milliseconds kBetweenFarewells{5};

Status CheckBundle(const Place& place) {
  if (place.life == Place::Life::kPod) return {};
  if (!place.bundle.starts_with('/'))
    return Fail(Code::kInvalidArgument,
                "the sandbox's working directory must be an absolute path, is '{}'", place.bundle);
  struct stat status;
  if (::stat(place.bundle.c_str(), &status) != 0)
    return FailErrno(errno, "the sandbox's working directory {}", place.bundle);
  if (!S_ISDIR(status.st_mode))
    return Fail(Code::kInvalidArgument, "the sandbox's working directory {} is no directory",
                place.bundle);
  return {};
}

}  // namespace

Result<std::string> Sandboxes::Parts::PathOf(const Key& key) const {
  // No name has a '/'.
  const std::string name = key.name_space + "/" + key.id;
  std::string path = settings_.socket_directory + "/" +
                     ToHex(HashOf({reinterpret_cast<const uint8_t*>(name.data()), name.size()}))
                         .substr(0, kNameLetters);
  if (path.size() > kMostPath)
    return Fail(Code::kInvalidArgument,
                "the socket {} would have a path of {} characters, and {} is the most: choose a "
                "shorter directory for the sandboxes' sockets",
                path, path.size(), kMostPath);
  return path;
}

Held* Sandboxes::Parts::At(const Key& key) const {
  const auto found = held_.find(key);
  return found == held_.end() ? nullptr : found->second.get();
}

Result<std::unique_ptr<Held>> Sandboxes::Parts::Make(Place place, const std::string& path) {
  // The directory is this process's: what is there nobody serves.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return FailErrno(errno, "remove the socket {}, which nobody serves", path);
  os::Fd listening = TRY_AS(os::ListenUnix(path), "the sandbox's socket");
  TRY(records_.Write({.place = place, .socket = path}));
  auto publisher = publishers_.For(place);
  return Held::Open(std::move(place), path, std::move(listening), UsesOf(std::move(publisher)));
}

Held::Uses Sandboxes::Parts::UsesOf(std::shared_ptr<containerd::Publisher> publisher) {
  return {.loop = settings_.loop,
          .make_parts = settings_.make_parts,
          .calls = settings_.calls,
          .on_activity = settings_.on_activity,
          .publisher = std::move(publisher),
          .shut_down = [this](Held& held) { Retire(held); }};
}

Result<std::string> Sandboxes::Parts::Create(Place place) {
  TRY(Check(place.key));
  if (stopping_)
    return Fail(Code::kUnavailable, "this daemon is ending and makes no more sandboxes");
  if (const Held* held = At(place.key)) {
    const std::string& owner = held->place().containerd_address;
    if (owner == place.containerd_address) return held->socket();
    return Fail(Code::kAlreadyExists,
                "the sandbox '{}' of the namespace '{}' is held for the containerd at {}",
                place.key.id, place.key.name_space, owner);
  }
  TRY(CheckBundle(place));
  std::string path = TRY(PathOf(place.key));
  const Key key = place.key;
  auto made = Make(std::move(place), path);
  if (!made) {
    ::unlink(path.c_str());
    static_cast<void>(records_.Remove(key));
    return tl::unexpected(std::move(made).error().WithContext(
        fmt::format("sandbox '{}' of the namespace '{}'", key.id, key.name_space)));
  }
  held_[key] = *std::move(made);
  Log(task::LogLevel::kDebug, &key, fmt::format("served at {}", path));
  if (!look_.pending()) look_ = settings_.loop.After(settings_.between_looks, [this] { Look(); });
  return path;
}

Result<Sandboxes::View> Sandboxes::Parts::Find(const Key& key) const {
  const Held* held = At(key);
  if (held == nullptr)
    return Fail(Code::kNotFound, "sandbox \"{}\" of the namespace \"{}\": not found", key.id,
                key.name_space);
  return View{.place = held->place(),
              .socket = held->socket(),
              .sandbox = held->sandbox(),
              .pod = held->pod()};
}

Held* Sandboxes::Parts::Holding(const Key& container, const std::string& group) const {
  const auto has = [&](const Held& held) {
    if (held.sandbox().Find(container.id)) return true;
    const std::vector<std::string> ids = held.sandbox().Ids();
    return std::find(ids.begin(), ids.end(), container.id) != ids.end();
  };
  for (const std::string& name : {group, container.id}) {
    Held* held = At({.name_space = container.name_space, .id = name});
    if (held != nullptr && has(*held)) return held;
  }
  for (auto at = held_.lower_bound({.name_space = container.name_space, .id = ""});
       at != held_.end() && at->first.name_space == container.name_space; ++at) {
    if (has(*at->second)) return at->second.get();
  }
  return nullptr;
}

void Sandboxes::Parts::Delete(const Key& container, const std::string& group, Done<Ended> done) {
  if (const Status good = Check(container); !good)
    return loop::Answer<Ended>(settings_.loop, std::move(done), tl::unexpected(good.error()));
  Held* held = Holding(container, group);
  if (held == nullptr) return EndNamed(container, std::move(done));
  held->End(container.id, [this, key = held->place().key, alive = std::weak_ptr(alive_),
                           done = std::move(done)](const Result<Ended>& ended) {
    done(ended);
    if (!alive.expired()) EndIfLast(key);
  });
}

void Sandboxes::Parts::EndNamed(const Key& key, Done<Ended> done) {
  Held* held = At(key);
  if (held != nullptr && held->place().life == Place::Life::kTasks) {
    if (const sandbox::PodInfo before = held->pod().info(); before.running)
      return held->EndAll(
          [this, key](std::string_view line) { Log(task::LogLevel::kWarning, &key, line); },
          [this, key, pid = before.pid, alive = std::weak_ptr(alive_), done = std::move(done)] {
            if (alive.expired()) return;
            constexpr uint32_t kKilled = 137;  // 128 + SIGKILL, as a shell has it.
            done(Ended{.pid = pid, .exit = {kKilled, std::chrono::system_clock::now()}});
            EndIfLast(key);
          });
    EndIfLast(key);
  }
  loop::Answer<Ended>(
      settings_.loop, std::move(done),
      Fail(Code::kNotFound, "\"{}\" of the namespace \"{}\": not found in any sandbox", key.id,
           key.name_space));
}

void Sandboxes::Parts::EndIfLast(const Key& key) {
  Held* held = At(key);
  if (held == nullptr || held->place().life == Place::Life::kPod) return;
  if (held->empty() && held->connections() == 0) Retire(*held);
}

void Sandboxes::Parts::Remove(const Key& key, Done<void> done) {
  Held* held = At(key);
  if (held == nullptr)
    return loop::Answer<void>(settings_.loop, std::move(done), tl::unexpected(Find(key).error()));
  held->EndAll([this, key](std::string_view line) { Log(task::LogLevel::kWarning, &key, line); },
               [this, key, held, alive = std::weak_ptr(alive_), done = std::move(done)] {
                 if (alive.expired()) return;
                 // Two may ask for it, and one of the same name come after it.
                 if (At(key) == held) Retire(*held);
                 done({});
               });
}

// It may be in the middle of a call.
void Sandboxes::Parts::Retire(Held& held) {
  const Key key = held.place().key;
  // Whoever asks for the sandbox from now on gets another.
  ::unlink(held.socket().c_str());
  if (const Status removed = records_.Remove(key); !removed)
    Log(task::LogLevel::kWarning, &key, removed.error().message());
  Log(task::LogLevel::kDebug, &key, "is not served any more");
  held.Retire();
  // What it used is given back some time.
  if (settings_.on_activity) settings_.on_activity();
  retired_.push_back(std::move(held_[key]));
  held_.erase(key);
  if (!farewell_.pending())
    farewell_ = settings_.loop.After(kBetweenFarewells, [this] { LookAtRetired(); });
}

void Sandboxes::Parts::LookAtRetired() {
  std::erase_if(retired_, [](const auto& held) { return held->gone(); });
  // One that somebody has put another container into while it went stays until that has ended.
  const bool more =
      std::any_of(retired_.begin(), retired_.end(), [](const auto& held) { return held->empty(); });
  if (more) farewell_ = settings_.loop.After(kBetweenFarewells, [this] { LookAtRetired(); });
}

void Sandboxes::Parts::Look() {
  std::vector<Held*> forgotten;
  for (const auto& [key, held] : held_) {
    if (held->LooksForgotten()) forgotten.push_back(held.get());
  }
  for (Held* held : forgotten) {
    const Key key = held->place().key;
    Log(task::LogLevel::kDebug, &key, "containerd has forgotten it");
    Retire(*held);
  }
  LookAtRetired();
  publishers_.DropUnused();
  if (!held_.empty() || !retired_.empty())
    look_ = settings_.loop.After(settings_.between_looks, [this] { Look(); });
}

void Sandboxes::Parts::Stop(Done<void> done) {
  stopping_ = true;
  // Lets go when everything has ended.
  const std::shared_ptr<void> rest(
      nullptr, [this, alive = std::weak_ptr(alive_), done = std::move(done)](void*) {
        if (alive.expired()) return;
        settings_.loop.Post([this, done] {
          publishers_.OnIdle([this, done] {
            while (!held_.empty()) Retire(*held_.begin()->second);
            done({});
          });
        });
      });
  for (const auto& [key, held] : held_) held->KillAll([rest] {});
}

std::vector<Sandboxes::Summary> Sandboxes::Parts::List() const {
  std::vector<Summary> all;
  for (const auto& [key, held] : held_)
    all.push_back({.key = key,
                   .socket = held->socket(),
                   .containers = held->sandbox().Ids(),
                   .connections = held->connections()});
  return all;
}

Status Sandboxes::Parts::TakeRest(const Again& again, const Left& left) {
  const auto warn = [this](std::string_view line) { Log(task::LogLevel::kWarning, {}, line); };
  records_.RemoveUnfinished();
  for (const Record& record : TRY(records_.ReadAll(warn))) {
    const Key& key = record.place.key;
    if (At(key) != nullptr) continue;  // Of the program before this one.
    Status taken = Fail(Code::kAborted, "the daemon that held it has ended");
    if (record.place.life == Place::Life::kPod) {
      const auto socket = Create(record.place);
      taken = socket ? again(TRY(Find(key))) : Status(tl::unexpected(socket.error()));
    }
    if (taken) continue;
    left(record, taken.error());
    held_.erase(key);
    // Of no other socket than one of ours is the name to be believed.
    if (const auto path = PathOf(key); path && *path == record.socket) ::unlink(path->c_str());
    TRY(records_.Remove(key));
  }
  RemoveStaleSockets();
  return {};
}

// The directory is this process's: nobody serves there what is not held here.
void Sandboxes::Parts::RemoveStaleSockets() {
  std::set<std::string> served;
  for (const auto& [key, held] : held_) served.insert(held->socket());
  std::error_code failed;
  std::vector<std::string> stale;
  for (const auto& entry :
       std::filesystem::directory_iterator(settings_.socket_directory, failed)) {
    if (entry.is_socket(failed) && !served.contains(entry.path())) stale.push_back(entry.path());
  }
  for (const std::string& path : stale) ::unlink(path.c_str());
}

Sandboxes::Sandboxes(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Sandboxes::~Sandboxes() = default;

Result<std::unique_ptr<Sandboxes>> Sandboxes::Open(Settings settings) {
  Records records = TRY(Records::Open(settings.state_directory));
  TRY(records.Lock());
  TRY(os::OpenPrivateDirectory(
      settings.socket_directory,
      {.what = "the directory of the sandboxes' sockets",
       .content = "them",
       .remedy = "choose another directory with 'state' in the configuration"}));
  return std::unique_ptr<Sandboxes>(
      new Sandboxes(std::make_unique<Parts>(std::move(settings), std::move(records))));
}

Result<std::string> Sandboxes::Create(Place place) { return parts_->Create(std::move(place)); }
Result<Sandboxes::View> Sandboxes::Find(const Key& key) const { return parts_->Find(key); }
void Sandboxes::Delete(const Key& container, const std::string& group, Done<Ended> done) {
  parts_->Delete(container, group, std::move(done));
}
void Sandboxes::Remove(const Key& key, Done<void> done) { parts_->Remove(key, std::move(done)); }
void Sandboxes::Stop(Done<void> done) { parts_->Stop(std::move(done)); }
std::vector<Sandboxes::Summary> Sandboxes::List() const { return parts_->List(); }
size_t Sandboxes::size() const { return parts_->size(); }
EventCounts Sandboxes::events() const { return parts_->events(); }
std::string Sandboxes::DirectoryOf(const Key& key) const {
  return parts_->records().DirectoryOf(key);
}
Status Sandboxes::TakeRest(const Again& again, const Left& left) {
  return parts_->TakeRest(again, left);
}
void Sandboxes::Freeze() { parts_->Freeze(); }
void Sandboxes::Thaw() { parts_->Thaw(); }
Status Sandboxes::HandOver(handover::Daemon* state, os::Carried* carried) const {
  return parts_->HandOver(state, carried);
}
void Sandboxes::TakeOver(const handover::Daemon& state) { parts_->TakeOver(state); }

}  // namespace wasmoor::node
