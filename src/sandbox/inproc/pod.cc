#include <utility>

#include "proto/wasmoor/handover.pb.h"
#include "sandbox/inproc/inproc.h"
#include "wasmoor/sandbox/inproc/inproc_sandbox.h"

namespace wasmoor::sandbox {
namespace {

// What was counted so far; tells it when the last who counts has let go.
struct Sum {
  explicit Sum(Done<cgroup::Stats> whom) : done(std::move(whom)) {}
  Sum(const Sum&) = delete;
  Sum& operator=(const Sum&) = delete;
  ~Sum() { done(std::move(stats)); }

  void Add(const GuestUse& use) {
    if (!stats) return;
    if (!stats->memory) stats->memory.emplace();
    stats->memory->usage += use.memory_bytes;
    stats->memory->rss += use.memory_bytes;
    // As v1 and v2 have it.
    for (const char* name : {"rss", "total_rss", "anon"}) {
      const auto found = stats->memory->raw.find(name);
      if (found != stats->memory->raw.end()) found->second += use.memory_bytes;
    }
    if (use.cpu_in_group) return;
    if (!stats->cpu) stats->cpu.emplace();
    stats->cpu->usage_ns += use.cpu_ns;
    stats->cpu->user_ns += use.cpu_ns;
  }

  Result<cgroup::Stats> stats;
  const Done<cgroup::Stats> done;
};

class CountingPod : public Pod {
 public:
  CountingPod(std::unique_ptr<Pod> pod, GuestSandbox& sandbox)
      : pod_(std::move(pod)), sandbox_(sandbox) {}

  Status Create(PodRequest request) override { return pod_->Create(std::move(request)); }
  void Start(Done<PodInfo> done) override { pod_->Start(std::move(done)); }
  void Stop(Done<void> done) override { pod_->Stop(std::move(done)); }
  void Wait(Done<Exit> done) override { pod_->Wait(std::move(done)); }
  PodInfo info() const override { return pod_->info(); }
  std::vector<PodFile> files() const override { return pod_->files(); }
  Status HandOver(handover::Pod* state, os::Carried* carried) const override {
    return pod_->HandOver(state, carried);
  }
  Status TakeOver(const handover::Pod& state) override { return pod_->TakeOver(state); }

  void ReadStats(Done<cgroup::Stats> done) override {
    const auto sum = std::make_shared<Sum>(std::move(done));
    sum->stats = Fail(Code::kUnavailable, "the pod went away");
    pod_->ReadStats([this, sum, alive = std::weak_ptr(alive_)](Result<cgroup::Stats> stats) {
      if (alive.expired()) return;
      sum->stats = std::move(stats);
      // One that ends meanwhile has no more.
      sandbox_.ReadUse([sum](const GuestUse& use) { sum->Add(use); });
    });
  }

 private:
  const std::unique_ptr<Pod> pod_;
  GuestSandbox& sandbox_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Pod> CountGuests(std::unique_ptr<Pod> pod, Sandbox& sandbox) {
  return std::make_unique<CountingPod>(std::move(pod), static_cast<GuestSandbox&>(sandbox));
}

}  // namespace wasmoor::sandbox
