#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/connection.h"
#include "http/field_list.h"
#include "http/fields.h"

namespace wasmoor::http {

class Stream;

// What streams have of their connection.
class StreamOwner {
 public:
  // Something about it was noted down.
  virtual void Touch(Stream& stream) = 0;
  // Its work is told when the client has taken more.
  virtual void HoldBack() = 0;
  virtual void Flush() = 0;
  // How much of bodies has come that nobody has read; and was then read.
  virtual void Received(Stream& stream, size_t bytes) = 0;
  virtual void Read(Stream& stream, size_t bytes) = 0;
  // Of answers: what all streams of the connection together have waiting.
  virtual size_t& waiting() = 0;

 protected:
  ~StreamOwner() = default;
};

// One request of an HTTP/2 connection and its response. What it is asked by its Work it notes down;
// the frames are Http2's.
class Stream : public Exchange {
 public:
  struct Request {
    int32_t id = 0;
    bool is_head = false, has_body = false, expects_continue = false;
  };
  Stream(StreamOwner& owner, const Request& request, const Limits& limits, Clock::time_point begun);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  int32_t id() const { return request_.id; }
  Clock::time_point begun() const { return begun_; }

  // The request's side.
  void Begin(Handler& handler, const Head& head);
  void OnData(std::string_view part);
  void OnEnd() { ended_ = true; }
  void OnTrailers(FieldList trailers) { trailers_in_ = std::move(trailers); }
  // Gives the work of the body what it asked for, as far as it is here.
  void Feed();
  // Has the work go on that was held back, if it can.
  void Continue();
  bool has_ended() const { return ended_; }
  // Whether the client waits with the body for being told that it is wanted. True once.
  bool TakeContinue();
  // Answers in place of the work, which is no more.
  void Refuse(const Refusal& refusal);
  void EndWork();

  // The response's side.
  struct Response {
    unsigned status = 0;
    FieldList fields;  // Without Content-Length, and without Date if `has_date` is false.
    bool has_date = false;
    std::optional<uint64_t> length;
    bool has_body = false;
  };
  // What is to be sent first. Once, after responded().
  const Response& TakeResponse();
  bool taken() const { return taken_; }
  bool has_body() const { return response_.has_body; }
  const FieldList& trailers() const { return trailers_out_; }
  size_t waiting() const { return out_.size() - given_; }
  // The next of the body that waits, which is taken by Take.
  std::string_view body() const { return std::string_view(out_).substr(given_); }
  void Take(size_t bytes);
  bool finished() const { return finished_; }
  // It will not be whole: nobody goes on with it, or it is not as long as was said.
  bool broken() const;

  // Its part in what Http2 does.
  enum class Sending : uint8_t { kNothing, kDeferred, kBody, kEnded };
  Sending sending = Sending::kNothing;
  bool touched = false;  // Http2 has it in a list.
  size_t place = 0;      // Among all streams.
  size_t held = 0;       // Bytes of the connection's window that are to be given back.

  // Sets when the client is not waited for any more, if something has moved or waiting begins now.
  void SetDeadline(Clock::time_point now);
  Clock::time_point deadline() const { return deadline_; }

  // Exchange, for the work.
  void Respond(unsigned status, Fields fields) override;
  bool responded() const override { return response_.status != 0; }
  void Write(std::string_view part) override;
  void Finish(Fields trailers) override;
  void Abort() override;
  bool CanWrite() const override;
  void ReadBody() override;
  void Flush() override { owner_.Flush(); }

 private:
  bool waits_for_client() const;

  StreamOwner& owner_;
  const Request request_;
  const Limits& limits_;
  const Clock::time_point begun_;
  std::unique_ptr<Work> work_;

  std::string in_;  // Received and not read.
  FieldList trailers_in_;
  uint64_t received_ = 0;
  bool wanted_ = false;     // The work asked for the next part.
  bool ended_;              // The client has said all.
  bool too_large_ = false;  // What comes is not kept.
  bool over_ = false;       // The work knows of the body's end.
  bool continued_ = false;

  Response response_;
  std::string out_;  // Written and, from given_ on, not sent.
  size_t given_ = 0;
  uint64_t written_ = 0;
  FieldList trailers_out_;
  bool taken_ = false, finished_ = false, aborted_ = false, too_long_ = false;
  mutable bool held_back_ = false;  // The work was told that it cannot write.

  Clock::time_point deadline_ = Clock::time_point::max();
  bool moved_ = false;  // Of either body, since the deadline was set.
};

}  // namespace wasmoor::http
