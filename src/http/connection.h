#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "http/parser.h"
#include "http/response.h"
#include "wasmoor/http/server.h"

namespace wasmoor::http {

using Clock = std::chrono::steady_clock;

class Connection;

// What connections have of their server.
struct Host {
  Handler& handler;
  const Limits& limits;
  Clock::time_point now;  // To the precision of the server's sweep.
  std::string date;       // Of that moment, as a field's value.
  bool draining = false;
  std::string scratch;                      // What is read goes here first.
  std::function<void(Connection&)> remove;  // Destroys the connection.
};

// One client: request after request, each answered before the next is begun.
class Connection : private Exchange {
 public:
  Connection(Host& host, os::Fd socket, loop::Source source);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();

  // Nothing of a request is here, and nothing of a response is still to be sent.
  bool idle() const;
  bool overdue() const { return host_.now >= deadline_; }
  // What it waited for did not come. May destroy it.
  void GiveUp();

 private:
  void Respond(unsigned status, Fields fields) override {
    response_.Begin(status, fields, host_.date);
  }
  bool responded() const override { return response_.begun(); }
  void Write(std::string_view part) override;
  void Finish(Fields trailers) override { response_.Finish(trailers); }
  void Abort() override { aborted_ = true; }
  bool CanWrite() const override;
  void ReadBody() override;
  void Flush() override;

  void OnReadable();
  void OnWritable();
  // Goes on as far as it can go now; false if the connection is over.
  bool Advance();
  bool BeginRequest();
  bool Continue();
  bool Linger();
  void FeedBody();
  bool EndRequest();
  void Refuse(const Refusal& refusal);
  bool Send();
  void Watch();
  void SetDeadline();
  bool Receive();

  Host& host_;
  const os::Fd socket_;
  loop::Source source_;
  Parser parser_;
  Response response_;
  std::string in_;   // Received and not yet parsed.
  std::string out_;  // To be sent, from sent_ on.
  size_t sent_ = 0;
  std::unique_ptr<Work> work_;
  Clock::time_point deadline_;
  bool reading_ = false, writing_ = false;  // What source_ watches for.
  bool yielded_ = false;                    // It could go on.
  bool in_work_ = false;                    // A call of work_'s is on the stack.
  mutable bool held_back_ = false;          // work_ was told that it cannot write.
  bool body_wanted_ = false;                // By work_.
  bool body_over_ = false;                  // work_ knows of the body's end.
  bool continued_ = false;                  // The client was told to send the body.
  bool refused_ = false;                    // The response is ours, and the last.
  bool unread_ = false;                     // There is something that will not be read.
  bool lingering_ = false;  // Nothing is sent any more, and what comes is thrown away.
  bool aborted_ = false;
  bool is_head_ = false;  // The request's method is HEAD.
  bool end_of_input_ = false;
};

}  // namespace wasmoor::http
