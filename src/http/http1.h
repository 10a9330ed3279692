#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/connection.h"
#include "http/parser.h"
#include "http/response.h"

namespace wasmoor::http {

// HTTP/1.1 and 1.0: request after request, each answered before the next is begun. A client that
// begins with HTTP/2, or asks for it, gets that from then on.
class Http1 : public Protocol, private Exchange {
 public:
  explicit Http1(Connection& connection) : connection_(connection), parser_(connection.limits()) {}

  void Take(std::string_view bytes) override { in_.append(bytes); }
  bool Advance() override;
  bool wants_input() const override;
  bool wants_turn() const override { return yielded_; }
  Wait waits_for() const override;
  bool GiveUp() override;
  bool Drain() override { return !idle(); }
  void Trim() override;

 private:
  void Respond(unsigned status, Fields fields) override {
    response_.Begin(status, fields, connection_.host().date);
  }
  bool responded() const override { return response_.begun(); }
  void Write(std::string_view part) override { response_.Write(part); }
  void Finish(Fields trailers) override { response_.Finish(trailers); }
  void Abort() override { aborted_ = true; }
  bool CanWrite() const override;
  void ReadBody() override { body_wanted_ = true; }
  void Flush() override;

  // Nothing of a request is here, and nothing of a response is still to be sent.
  bool idle() const { return work_ == nullptr && in_.empty() && connection_.unsent() == 0; }
  bool BeginRequest();
  // Whether it is HTTP/2 that comes; or, as long as that cannot be told, whether to wait.
  bool TakesPreface();
  bool Upgrade(size_t taken);
  bool Continue();
  bool Linger();
  void FeedBody();
  void EndRequest();
  void Refuse(const Refusal& refusal);
  void TakeResponse();

  Connection& connection_;
  Parser parser_;
  Response response_;
  std::string in_;  // Received and not yet parsed.
  std::unique_ptr<Work> work_;
  bool fresh_ = true;               // Nothing of the first request is parsed.
  bool left_ = false;               // Something else is spoken from now on.
  bool yielded_ = false;            // It could go on.
  bool in_work_ = false;            // A call of work_'s is on the stack.
  mutable bool held_back_ = false;  // work_ was told that it cannot write.
  bool body_wanted_ = false;        // By work_.
  bool body_over_ = false;          // work_ knows of the body's end.
  bool continued_ = false;          // The client was told to send the body.
  bool refused_ = false;            // The response is ours, or the last.
  bool unread_ = false;             // There is something that will not be read.
  bool lingering_ = false;          // Nothing is sent any more, and what comes is thrown away.
  bool aborted_ = false;
  bool is_head_ = false;  // The request's method is HEAD.
};

}  // namespace wasmoor::http
