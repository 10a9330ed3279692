#include "controller/calls.h"

namespace wasmoor::controller {

Service::Service(loop::Loop& loop, Pods& pods, std::chrono::nanoseconds unstarted_patience)
    : grpc::Service("containerd.services.sandbox.v1.Controller"),
      calls_(std::make_shared<Calls>(loop, pods, unstarted_patience)) {}

Service::~Service() { calls_->Close(); }

void Service::Call(std::string_view method, std::string_view message, const grpc::CallInfo& info,
                   grpc::RawReply reply) {
  calls_->Call(method, message, info, std::move(reply));
}

}  // namespace wasmoor::controller
