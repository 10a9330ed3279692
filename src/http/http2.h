#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/connection.h"
#include "http/http2_head.h"
#include "http/http2_stream.h"
#include "http/patience.h"

namespace wasmoor::http {

// HTTP/2 (RFC 9113) on nghttp2's session: requests are streams, many at once, and what all of them
// have to send goes out together. What a client may have us keep is bounded: a head at a time, what
// streams' windows let in, what Stream lets wait; and so is what it may have us do for nothing
// (Patience).
class Http2 : public Protocol, private StreamOwner {
 public:
  // What a client that knows begins with (RFC 9113, section 3.4).
  static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  explicit Http2(Connection& connection);
  ~Http2() override;

  // Begins with a request of HTTP/1.1 that asked for this. `settings` is its field HTTP2-Settings;
  // false, and nothing has happened: that is none.
  bool Upgrade(const Head& head, std::string_view settings);

  void Take(std::string_view bytes) override;
  bool Advance() override;
  bool wants_input() const override;
  bool wants_turn() const override { return yielded_; }
  Wait waits_for() const override;
  bool GiveUp() override;
  Clock::time_point earliest() const override { return earliest_; }
  void Expire() override;
  bool Drain() override;
  void Trim() override;

 private:
  struct SessionDeleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  struct Callbacks;  // nghttp2's, which call what is below.

  // What comes.
  void OnFrameBegun(const nghttp2_frame_hd& head);
  void OnHeadersBegun();
  void OnFrame(const nghttp2_frame& frame);
  void OnHeaders(const nghttp2_frame& frame);
  void OnBadHeaders();
  void OnData(int32_t id, std::string_view part);
  void OnClosed(int32_t id);
  void BeginRequest(int32_t id, bool ended);
  void Charge();
  void Refund();

  // What goes.
  void OnSent(const nghttp2_frame& frame);
  ssize_t Offer(int32_t id, size_t most, uint32_t* flags);
  int Give(int32_t id, std::string_view frame_head, size_t size);
  void Tend(Stream& stream);
  void Submit(Stream& stream);
  void Reset(int32_t id, uint32_t code);
  bool has_room() const;
  void Say(std::string_view bytes);
  void Produce();
  bool ContinueHeldBack();

  // What becomes of the connection.
  void End();
  void TellToGo();
  void GoAway();
  void Terminate(uint32_t code);
  void Forget();

  // StreamOwner.
  void Touch(Stream& stream) override;
  void HoldBack() override { some_held_back_ = true; }
  void Flush() override;
  void Received(Stream& stream, size_t bytes) override;
  void Read(Stream& stream, size_t bytes) override;
  size_t& waiting() override { return waiting_; }

  Stream& Add(const Stream::Request& request);
  Stream* Find(int32_t id) const;
  void SetDeadline(Stream& stream);

  Connection& connection_;
  std::unique_ptr<nghttp2_session, SessionDeleter> session_;
  std::vector<nghttp2_nv> fields_;  // Of what is submitted.
  Http2Head head_;                  // The one that comes.
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<Stream*> touched_;
  size_t waiting_ = 0;
  size_t allowance_ = SIZE_MAX;  // As much may be sent before something comes.
  Patience patience_;
  Clock::time_point earliest_ = Clock::time_point::max();
  enum class Leaving : uint8_t { kNo, kTold, kGone } leaving_ = Leaving::kNo;
  bool busy_ = false;            // Going on is under way.
  bool in_head_ = false;         // A head has begun and not ended.
  bool some_held_back_ = false;  // Of the streams' works.
  bool yielded_ = false;         // It could go on.
  bool charged_ = false;         // For the frame that comes.
  bool counted_ = false;         // Something that came was for something, or was charged for.
  bool deaf_ = false;            // Nothing that comes matters any more.
  bool dead_ = false;            // Nor does anything else.
  bool lingering_ = false;       // All is said.
};

}  // namespace wasmoor::http
