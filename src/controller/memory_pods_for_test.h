#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/controller/controller.h"
#include "wasmoor/loop/answer.h"
#include "wasmoor/loop/loop.h"

// Pods that are entries in memory: they run from their start until a test, or somebody, ends them.
namespace wasmoor::controller::test {

using sandbox::Done;

class MemoryPods : public Pods {
 public:
  struct Pod {
    CreateRequest request;
    PodStatus status;
    std::vector<Done<sandbox::Exit>> waiting;
    std::chrono::seconds patience{-1};  // Of the last Stop.
  };

  explicit MemoryPods(loop::Loop& loop) : loop_(loop) {}

  task::Options options() const override { return defaults; }

  void Create(CreateRequest request, Done<void> done) override {
    Later([this, request = std::move(request), done = std::move(done)] {
      if (fail_create) return done(Fail(Code::kPermissionDenied, "no pods today"));
      Pod pod;
      pod.request = request;
      pod.status.info.created = kCreated;
      if (!pods.emplace(request.key, std::move(pod)).second)
        return done(Fail(Code::kAlreadyExists, "pod \"{}\": is there already", request.key.id));
      done({});
    });
  }

  void Start(const Key& key, Done<PodStatus> done) override {
    Later([this, key, done = std::move(done)] {
      const auto pod = At(key);
      if (!pod) return done(tl::unexpected(pod.error()));
      if ((*pod)->status.info.running)
        return done(Fail(Code::kFailedPrecondition, "pod \"{}\": runs already", key.id));
      if (fail_start) return done(Fail(Code::kInternal, "it does not start"));
      (*pod)->status.info.pid = 4711;
      (*pod)->status.info.running = true;
      (*pod)->status.socket = "/run/pods/" + key.id;
      done((*pod)->status);
    });
  }

  void Stop(const Key& key, std::chrono::seconds patience, Done<void> done) override {
    Later([this, key, patience, done = std::move(done)] {
      const auto pod = At(key);
      if (!pod) return done(tl::unexpected(pod.error()));
      (*pod)->patience = patience;
      End(**pod, 137);
      done({});
    });
  }

  void Wait(const Key& key, Done<sandbox::Exit> done) override {
    ++waits;
    const auto pod = At(key);
    if (!pod)
      return Later([done = std::move(done), error = pod.error()] { done(tl::unexpected(error)); });
    if ((*pod)->status.info.pid != 0 && !(*pod)->status.info.running)
      return Later([done = std::move(done), exit = (*pod)->status.info.exit] { done(exit); });
    (*pod)->waiting.push_back(std::move(done));
  }

  void Remove(const Key& key, Done<void> done) override {
    Later([this, key, done = std::move(done)] {
      const auto pod = At(key);
      if (!pod) return done(tl::unexpected(pod.error()));
      End(**pod, 137);
      pods.erase(key);
      done({});
    });
  }

  Result<PodStatus> Find(const Key& key) const override {
    const auto found = pods.find(key);
    if (found == pods.end()) return Fail(Code::kNotFound, "pod \"{}\": not found", key.id);
    return found->second.status;
  }

  void ReadStats(const Key& key, sandbox::Done<cgroup::Stats> done) override {
    Result<cgroup::Stats> stats = cgroup::Stats{.pids = cgroup::PidsStats{7}};
    if (const auto pod = At(key); !pod) stats = tl::unexpected(pod.error());
    loop::Answer<cgroup::Stats>(loop_, std::move(done), std::move(stats));
  }

  static void End(Pod& pod, uint32_t status) {
    pod.status.info.running = false;
    pod.status.info.exit = {.status = status, .at = kEnded};
    for (const auto& done : std::exchange(pod.waiting, {})) done(pod.status.info.exit);
  }

  static constexpr std::chrono::system_clock::time_point kCreated{std::chrono::seconds(1000)},
      kEnded{std::chrono::seconds(2000)};

  task::Options defaults;
  std::map<Key, Pod> pods;
  bool fail_create = false, fail_start = false;
  bool hold = false;  // What is to be answered waits for the test.
  std::vector<std::function<void()>> held;
  int waits = 0;

 private:
  void Later(std::function<void()> work) {
    if (hold)
      held.push_back(std::move(work));
    else
      loop_.Post(std::move(work));
  }
  Result<Pod*> At(const Key& key) {
    const auto found = pods.find(key);
    if (found == pods.end()) return Fail(Code::kNotFound, "pod \"{}\": not found", key.id);
    return &found->second;
  }

  loop::Loop& loop_;
};

}  // namespace wasmoor::controller::test
