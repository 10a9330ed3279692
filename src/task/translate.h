#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "proto/containerd/task.pb.h"
#include "proto/containerd/types.pb.h"
#include "wasmoor/base/result.h"
#include "wasmoor/sandbox/sandbox.h"
#include "wasmoor/task/options.h"
#include "wasmoor/ttrpc/call.h"

// Between containerd's messages and what a sandbox speaks of.
namespace wasmoor::task {

namespace api = ::containerd::task::v2;

::containerd::v1::types::Status StatusOf(sandbox::State state);

// The options are those of the request if it has any, else `pod`'s; then the annotations of the
// bundle that they allow.
Result<sandbox::CreateRequest> ToCreate(const api::CreateTaskRequest& request, const Options& pod);
Result<sandbox::ExecRequest> ToExec(const api::ExecProcessRequest& request);

// A reply that a Done may hold, which has to be copyable.
template <typename T>
class Answer {
 public:
  explicit Answer(ttrpc::Reply<T> reply)
      : reply_(std::make_shared<ttrpc::Reply<T>>(std::move(reply))) {}
  template <typename Result>
  void operator()(const Result& result) const {
    (*reply_)(result);
  }

 private:
  std::shared_ptr<ttrpc::Reply<T>> reply_;
};

}  // namespace wasmoor::task
