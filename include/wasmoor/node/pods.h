#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "wasmoor/controller/controller.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/node/sandboxes.h"
#include "wasmoor/task/options.h"

namespace wasmoor::node {

// The pods of containerd's sandbox controller, each of which is a sandbox of Place::Life::kPod: it
// goes when it is removed and not before. Loop thread only.
class Pods : public controller::Pods {
 public:
  // Where the containerd is that has this controller: it does not say so itself.
  struct Containerd {
    std::string address = "/run/containerd/containerd.sock";
    std::string ttrpc_address = "/run/containerd/containerd.sock.ttrpc";  // Takes events.
  };

  // Borrows; `defaults` are looked at for each pod. The sandboxes must outlive it.
  Pods(loop::Loop& loop, Sandboxes& sandboxes, const task::Options& defaults,
       Containerd containerd);
  Pods(const Pods&) = delete;
  Pods& operator=(const Pods&) = delete;
  ~Pods() override;

  task::Options options() const override;
  void Create(controller::CreateRequest request, sandbox::Done<void> done) override;
  void Start(const controller::Key& key, sandbox::Done<controller::PodStatus> done) override;
  void Stop(const controller::Key& key, std::chrono::seconds patience,
            sandbox::Done<void> done) override;
  void Wait(const controller::Key& key, sandbox::Done<sandbox::Exit> done) override;
  void Remove(const controller::Key& key, sandbox::Done<void> done) override;
  Result<controller::PodStatus> Find(const controller::Key& key) const override;
  void ReadStats(const controller::Key& key, sandbox::Done<cgroup::Stats> done) override;

  // For Sandboxes::TakeRest: a pod whose daemon has ended is there again if what holds it lives.
  Status TakeBack(const Sandboxes::View& view);
  // With those of Sandboxes, and after them.
  void HandOver(handover::Daemon* state) const;
  void TakeOver(const handover::Daemon& state);

 private:
  class Parts;
  // Callbacks that come later than this hold it weakly.
  std::shared_ptr<Parts> parts_;
};

}  // namespace wasmoor::node
