#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "wasmoor/rpc/call.h"

namespace wasmoor::rpc {

// Functions that a server offers under one name, over ttrpc or gRPC. protoc-gen-ttrpc makes an
// abstract class of this kind from each service of a .proto file.
class Service {
 public:
  explicit Service(std::string name) : name_(std::move(name)) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  virtual ~Service() = default;

  const std::string& name() const { return name_; }  // "containerd.task.v2.Task"

  // `payload` is the request, serialized, and valid while this runs. What does not know the method
  // answers by Unimplemented.
  virtual void Call(std::string_view method, std::string_view payload, const CallInfo& info,
                    RawReply reply) = 0;

  // Whether a call that is not answered yet may be made anew, by another process even: one that
  // only waits for something. Its request is kept meanwhile.
  virtual bool IsRepeatable(std::string_view) const { return false; }

 private:
  std::string name_;
};

// Another name of a service, which it does not own: containerd.task.v3.Task is served by what
// serves v2.
class Alias : public Service {
 public:
  Alias(std::string name, Service& service) : Service(std::move(name)), service_(service) {}
  void Call(std::string_view method, std::string_view payload, const CallInfo& info,
            RawReply reply) override {
    service_.Call(method, payload, info, std::move(reply));
  }
  bool IsRepeatable(std::string_view method) const override {
    return service_.IsRepeatable(method);
  }

 private:
  Service& service_;
};

// Answers kUnimplemented with the names, which tells a newer caller to ask in an older way.
void Unimplemented(const CallInfo& info, RawReply reply);

// False if `payload` is no message of that kind.
bool Parse(std::string_view payload, google::protobuf::MessageLite* message);

// kInvalidArgument as answer to a payload that is no message of the method's kind.
void NotARequest(const CallInfo& info, RawReply reply);

// What a generated Call does with a method that it knows: reads the request and calls `function` of
// `service` with it.
template <typename Request, typename Response, typename T>
void Dispatch(T* service, void (T::*function)(const Request&, const CallInfo&, Reply<Response>),
              std::string_view payload, const CallInfo& info, RawReply reply) {
  Request request;
  if (!Parse(payload, &request)) return NotARequest(info, std::move(reply));
  (service->*function)(request, info, Reply<Response>(std::move(reply)));
}

}  // namespace wasmoor::rpc
