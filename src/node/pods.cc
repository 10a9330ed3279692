#include "wasmoor/node/pods.h"

#include <fcntl.h>

#include <csignal>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/handover.h"
#include "wasmoor/loop/answer.h"
#include "wasmoor/os/carried.h"
#include "wasmoor/os/file.h"

namespace wasmoor::node {
namespace {

using controller::PodStatus;
using sandbox::Done;
using sandbox::Exit;

constexpr const char* kNote = "/pod.state";  // In the sandbox's directory.
constexpr mode_t kOwner = 0600;
constexpr uint64_t kMostInNote = 1 << 20;

Key Own(const controller::Key& key) { return {.name_space = key.name_space, .id = key.id}; }

Error NotThere(const controller::Key& key) {
  return Error(Code::kNotFound, fmt::format("pod \"{}\" of the namespace \"{}\": not found", key.id,
                                            key.name_space));
}

// An answer that is given even if whoever was to give it goes away.
template <typename T>
class Once {
 public:
  Once(Done<T> done, Error otherwise) : done_(std::move(done)), otherwise_(std::move(otherwise)) {}
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;
  ~Once() {
    if (done_) done_(tl::unexpected(std::move(otherwise_)));
  }
  void operator()(Result<T> result) {
    if (done_) std::exchange(done_, nullptr)(std::move(result));
  }

 private:
  Done<T> done_;
  Error otherwise_;
};

template <typename T>
std::shared_ptr<Once<T>> AnswerOnce(Done<T> done, const controller::Key& key) {
  return std::make_shared<Once<T>>(
      std::move(done), Error(Code::kUnavailable, fmt::format("pod \"{}\": it went away", key.id)));
}

}  // namespace

class Pods::Parts : public std::enable_shared_from_this<Parts> {
 public:
  Parts(loop::Loop& its_loop, Sandboxes& its_sandboxes, const task::Options& its_defaults,
        Containerd its_containerd)
      : loop(its_loop),
        sandboxes(its_sandboxes),
        defaults(its_defaults),
        containerd(std::move(its_containerd)) {}

  struct Pod {
    sandbox::PodInfo started;  // With its pid, once it was started.
    std::optional<Exit> exit;
    std::vector<Done<Exit>> waiting;
  };

  // The pod and its sandbox; the second is gone if the daemon is ending.
  Pod* At(const controller::Key& key) {
    const auto found = pods.find(key);
    return found == pods.end() ? nullptr : &found->second;
  }

  Status CreateIt(controller::CreateRequest request);
  // What TakeBack needs is written down once the pod is started.
  Status Note(const Key& key, const sandbox::Pod& pod) const;
  Status TakeBack(const Sandboxes::View& view);
  void Watch(const controller::Key& key, sandbox::Pod& pod);
  void OnEnd(const controller::Key& key, const Exit& exit);
  Result<PodStatus> StatusOf(const controller::Key& key) const;
  // Asks all that runs to end, and calls `then` when it has, or after `patience`.
  void AskToEnd(const Sandboxes::View& view, std::chrono::seconds patience,
                std::function<void()> then);

  loop::Loop& loop;
  Sandboxes& sandboxes;
  const task::Options& defaults;
  const Containerd containerd;
  std::map<controller::Key, Pod> pods;
};

Status Pods::Parts::CreateIt(controller::CreateRequest request) {
  const Key key = Own(request.key);
  if (pods.contains(request.key) || sandboxes.Find(key))
    return Fail(Code::kAlreadyExists, "pod \"{}\" of the namespace \"{}\": already exists", key.id,
                key.name_space);
  Place place{.key = key,
              .bundle = {},
              .ttrpc_address = containerd.ttrpc_address,
              .containerd_address = containerd.address,
              .publish_binary = {},
              .life = Place::Life::kPod,
              .options = std::move(request.options)};
  TRY(sandboxes.Create(std::move(place)));
  request.pod.bundle = sandboxes.DirectoryOf(key);
  if (Status made = TRY(sandboxes.Find(key)).pod.Create(std::move(request.pod)); !made) {
    sandboxes.Remove(key, [](const Status&) {});
    return made;
  }
  pods.emplace(request.key, Pod());
  return {};
}

Status Pods::Parts::Note(const Key& key, const sandbox::Pod& pod) const {
  handover::Pod state;
  {
    os::Carried nothing;
    TRY(pod.HandOver(&state, &nothing));
  }
  // Another process has no descriptor of this one.
  state.mutable_holder()->clear_guest_out_of_memory();
  state.mutable_holder()->mutable_first()->clear_stdio();
  const std::string path = sandboxes.DirectoryOf(key) + kNote;
  const os::Fd file =
      TRY_AS(os::OpenAt(os::Fd(), path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kOwner),
             "{}", path);
  TRY_AS(os::WriteAll(file, state.SerializeAsString()), "{}", path);
  return {};
}

Status Pods::Parts::TakeBack(const Sandboxes::View& view) {
  const Key& key = view.place.key;
  const std::string path = sandboxes.DirectoryOf(key) + kNote;
  const os::Fd file = TRY_AS(os::OpenAt(os::Fd(), path.c_str(), O_RDONLY | O_NOFOLLOW), "{}", path);
  const auto bytes = TRY_AS(os::ReadAll(file, kMostInNote), "{}", path);
  handover::Pod state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Fail(Code::kDataLoss, "{}: cannot be read", path);
  if (!state.has_holder()) return Fail(Code::kNotFound, "it was never started");
  TRY(view.pod.TakeOver(state));
  const sandbox::PodInfo info = view.pod.info();
  if (!info.running) return Fail(Code::kNotFound, "what held it has ended");
  const controller::Key own{.name_space = key.name_space, .id = key.id};
  pods[own].started = info;
  Watch(own, view.pod);
  return {};
}

void Pods::Parts::Watch(const controller::Key& key, sandbox::Pod& pod) {
  pod.Wait([weak = weak_from_this(), key](const Result<Exit>& exit) {
    if (const auto parts = weak.lock(); parts && exit) parts->OnEnd(key, *exit);
  });
}

void Pods::Parts::OnEnd(const controller::Key& key, const Exit& exit) {
  Pod* pod = At(key);
  if (pod == nullptr || pod->exit) return;
  pod->exit = exit;
  for (const auto& done : std::exchange(pod->waiting, {})) done(exit);
}

Result<PodStatus> Pods::Parts::StatusOf(const controller::Key& key) const {
  const auto found = pods.find(key);
  const auto view = sandboxes.Find(Own(key));
  if (found == pods.end() || !view) return tl::unexpected(NotThere(key));
  const Pod& pod = found->second;
  PodStatus status{.info = view->pod.info(),
                   .socket = view->socket,
                   .details = {{"containers", std::to_string(view->sandbox.Ids().size())}}};
  if (pod.started.pid != 0) status.info.pid = pod.started.pid;
  if (pod.exit) {
    status.info.running = false;
    status.info.exit = *pod.exit;
  }
  return status;
}

void Pods::Parts::AskToEnd(const Sandboxes::View& view, std::chrono::seconds patience,
                           std::function<void()> then) {
  // `then` is called when the last end has let go of this, or the time is over.
  struct Ends {
    explicit Ends(std::function<void()> what) : then(std::move(what)) {}
    ~Ends() { Go(); }
    void Go() {
      if (then) std::exchange(then, nullptr)();
    }
    std::function<void()> then;
    loop::Timer patience;
  };
  const auto ends = std::make_shared<Ends>(std::move(then));
  for (const std::string& id : view.sandbox.Ids()) {
    const auto container = view.sandbox.Find(id);
    if (!container) continue;
    sandbox::Process& first = (*container)->first();
    if (first.info().state == sandbox::State::kStopped || !first.Kill(SIGTERM)) continue;
    first.Wait([ends](const Result<Exit>&) {});
  }
  ends->patience = loop.After(patience, [weak = std::weak_ptr(ends)] {
    if (const auto late = weak.lock()) late->Go();
  });
  loop.Post([ends] {});  // Not before this has returned.
}

Pods::Pods(loop::Loop& loop, Sandboxes& sandboxes, const task::Options& defaults,
           Containerd containerd)
    : parts_(std::make_shared<Parts>(loop, sandboxes, defaults, std::move(containerd))) {}
Pods::~Pods() = default;

task::Options Pods::options() const { return parts_->defaults; }

void Pods::Create(controller::CreateRequest request, Done<void> done) {
  loop::Answer(parts_->loop, std::move(done), parts_->CreateIt(std::move(request)));
}

void Pods::Start(const controller::Key& key, Done<PodStatus> done) {
  const auto view = parts_->sandboxes.Find(Own(key));
  if (parts_->At(key) == nullptr || !view)
    return loop::Answer<PodStatus>(parts_->loop, std::move(done), tl::unexpected(NotThere(key)));
  view->pod.Start([weak = std::weak_ptr(parts_), key, answer = AnswerOnce(std::move(done), key)](
                      const Result<sandbox::PodInfo>& info) {
    if (!info) return (*answer)(tl::unexpected(info.error()));
    const auto parts = weak.lock();
    Parts::Pod* pod = parts ? parts->At(key) : nullptr;
    const auto now =
        pod != nullptr ? parts->sandboxes.Find(Own(key)) : tl::unexpected(NotThere(key));
    if (!now) return (*answer)(tl::unexpected(NotThere(key)));
    pod->started = *info;
    parts->Watch(key, now->pod);
    // It serves as well without; a daemon that ends would forget it.
    static_cast<void>(parts->Note(Own(key), now->pod));
    (*answer)(parts->StatusOf(key));
  });
}

void Pods::Stop(const controller::Key& key, std::chrono::seconds patience, Done<void> done) {
  const auto view = parts_->sandboxes.Find(Own(key));
  if (parts_->At(key) == nullptr || !view)
    return loop::Answer<void>(parts_->loop, std::move(done), tl::unexpected(NotThere(key)));
  auto answer = AnswerOnce(std::move(done), key);
  auto end = [weak = std::weak_ptr(parts_), key, answer] {
    const auto parts = weak.lock();
    const auto now = parts ? parts->sandboxes.Find(Own(key)) : tl::unexpected(NotThere(key));
    if (!now) return (*answer)({});  // Somebody has removed it meanwhile.
    now->pod.Stop([answer](const Status& stopped) { (*answer)(stopped); });
  };
  if (patience.count() == 0) return end();
  parts_->AskToEnd(*view, patience, std::move(end));
}

void Pods::Wait(const controller::Key& key, Done<Exit> done) {
  Parts::Pod* pod = parts_->At(key);
  if (pod == nullptr)
    return loop::Answer<Exit>(parts_->loop, std::move(done), tl::unexpected(NotThere(key)));
  if (pod->exit) return loop::Answer<Exit>(parts_->loop, std::move(done), *pod->exit);
  pod->waiting.push_back(std::move(done));
}

void Pods::Remove(const controller::Key& key, Done<void> done) {
  if (parts_->At(key) == nullptr)
    return loop::Answer<void>(parts_->loop, std::move(done), tl::unexpected(NotThere(key)));
  parts_->sandboxes.Remove(Own(key),
                           [weak = std::weak_ptr(parts_), key,
                            answer = AnswerOnce(std::move(done), key)](const Status& removed) {
                             const auto parts = weak.lock();
                             if (!parts || (!removed && removed.error().code() != Code::kNotFound))
                               return (*answer)(removed);
                             // It never ran, or ended at this very moment.
                             auto pod = parts->pods.extract(key);
                             const Exit never{.status = 0, .at = std::chrono::system_clock::now()};
                             if (pod) {
                               for (const auto& waiting : pod.mapped().waiting)
                                 waiting(pod.mapped().exit.value_or(never));
                             }
                             (*answer)({});
                           });
}

Status Pods::TakeBack(const Sandboxes::View& view) { return parts_->TakeBack(view); }

void Pods::HandOver(handover::Daemon* state) const {
  for (const auto& [key, pod] : parts_->pods) {
    handover::NodePod& one = *state->add_pods();
    one.set_name_space(key.name_space);
    one.set_id(key.id);
    one.set_pid(pod.started.pid);
    if (pod.exit) sandbox::Describe(*pod.exit, one.mutable_exit());
  }
}

void Pods::TakeOver(const handover::Daemon& state) {
  for (const handover::NodePod& one : state.pods()) {
    const controller::Key key{.name_space = one.name_space(), .id = one.id()};
    const auto view = parts_->sandboxes.Find(Own(key));
    if (!view) continue;
    Parts::Pod& pod = parts_->pods[key];
    pod.started = view->pod.info();
    pod.started.pid = one.pid();
    if (one.has_exit()) {
      pod.exit = sandbox::ReadExit(one.exit());
    } else if (one.pid() != 0) {
      parts_->Watch(key, view->pod);
    }
  }
}

Result<PodStatus> Pods::Find(const controller::Key& key) const { return parts_->StatusOf(key); }

void Pods::ReadStats(const controller::Key& key, Done<cgroup::Stats> done) {
  const auto view = parts_->sandboxes.Find(Own(key));
  if (parts_->At(key) == nullptr || !view)
    return loop::Answer<cgroup::Stats>(parts_->loop, std::move(done),
                                       tl::unexpected(NotThere(key)));
  view->pod.ReadStats([answer = AnswerOnce(std::move(done), key)](
                          const Result<cgroup::Stats>& stats) { (*answer)(stats); });
}

}  // namespace wasmoor::node
