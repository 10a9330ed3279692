#include "http/http2.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "http/base64url.h"
#include "wasmoor/base/check.h"

namespace wasmoor::http {
namespace {

constexpr size_t kOutputAhead = 64 << 10;  // Made while the client takes what came before.
constexpr int kMostRounds = 16;            // Of 64 KiB, before others have a turn.
// Sent with the answer to an upgrade, and a frame: clients have small buffers for what follows that
// (curl's is 32 KiB). The rest waits until they speak HTTP/2.
constexpr size_t kBehindUpgrade = 8 << 10;
// Of bodies that a server has of all clients and nobody has read: beyond, a connection's window
// opens only as they are read, and not as they come, which would let one stream that nobody reads
// hold up the others.
constexpr size_t kMostUnread = 64 << 20;
constexpr size_t kMostTrailers = 8 << 10;
// A request that is taken back before this has cost much more here than there.
constexpr std::chrono::milliseconds kYoung{100};
constexpr int32_t kLittle = 1024;  // Of a window's opening.
constexpr std::array<uint8_t, 8> kPing = {'a', 'l', 'l', ' ', 's', 'e', 'e', 'n'};

nghttp2_nv Pair(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// A list of nghttp2's, for FieldList::AppendTo.
struct Pairs {
  void push_back(const Field& field) { to.push_back(Pair(field.name, field.value)); }
  std::vector<nghttp2_nv>& to;
};

}  // namespace

bool Http2::Upgrade(const Head& head, std::string_view settings) {
  const auto payload = DecodeBase64Url(settings);
  if (!payload) return false;
  const bool is_head = head.method == "HEAD";
  if (nghttp2_session_upgrade2(session_.get(), reinterpret_cast<const uint8_t*>(payload->data()),
                               payload->size(), is_head ? 1 : 0, nullptr) != 0)
    return false;
  allowance_ = kBehindUpgrade;
  constexpr int32_t kFirst = 1;  // RFC 7540, section 3.2.
  Stream& stream = Add({.id = kFirst, .is_head = is_head});
  busy_ = true;
  stream.Begin(connection_.host().handler, head);
  busy_ = false;
  return true;
}

bool Http2::wants_input() const { return lingering_ || connection_.unsent() < kOutputAhead; }

Wait Http2::waits_for() const {
  if (lingering_) return Wait::kEnd;
  if (connection_.unsent() > 0) return Wait::kStall;
  if (in_head_) return Wait::kHead;
  if (leaving_ == Leaving::kTold) return Wait::kGoAway;
  return streams_.empty() ? Wait::kRequest : Wait::kNothing;
}

bool Http2::GiveUp() {
  if (lingering_ || connection_.unsent() > 0) return false;
  if (in_head_) {
    Terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (leaving_ == Leaving::kTold) {
    GoAway();
  } else {
    Terminate(NGHTTP2_NO_ERROR);
  }
  return true;
}

void Http2::Expire() {
  const Clock::time_point now = connection_.host().now;
  earliest_ = Clock::time_point::max();
  for (const auto& stream : streams_) {
    if (now < stream->deadline()) {
      earliest_ = std::min(earliest_, stream->deadline());
    } else if (stream->responded()) {
      stream->EndWork();
      Reset(stream->id(), NGHTTP2_CANCEL);
    } else {
      stream->Refuse({kTimeout, "the body did not come in time"});
    }
  }
}

bool Http2::Drain() { return busy_ || Advance(); }

void Http2::Trim() {
  head_.Trim();
  streams_.shrink_to_fit();
  touched_.shrink_to_fit();
}

void Http2::Take(std::string_view bytes) {
  if (deaf_ || lingering_) return;
  busy_ = true;
  counted_ = false;
  allowance_ = std::numeric_limits<size_t>::max();
  const ssize_t taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // Of frames that it does not know nghttp2 says nothing.
  if (!counted_) Charge();
  busy_ = false;
  CHECK(taken != NGHTTP2_ERR_NOMEM);
  dead_ = taken < 0;
}

bool Http2::Advance() {
  if (dead_) return false;
  busy_ = true;
  if (deaf_) Forget();
  if (connection_.host().draining) TellToGo();
  yielded_ = false;
  for (int round = 0; !yielded_; ++round) {
    // Works that go on may touch others.
    for (size_t i = 0; i < touched_.size(); ++i) Tend(*touched_[i]);
    touched_.clear();
    Produce();
    const bool produced = connection_.unsent() > 0;
    if (!connection_.Send()) return false;
    if (connection_.unsent() > 0 || (!ContinueHeldBack() && !produced)) break;
    yielded_ = round == kMostRounds;
  }
  End();
  busy_ = false;
  return true;
}

// Whether there is something to be done for those that could.
bool Http2::ContinueHeldBack() {
  if (!std::exchange(some_held_back_, false)) return false;
  for (const auto& stream : streams_) stream->Continue();
  return !touched_.empty();
}

bool Http2::has_room() const { return connection_.unsent() < kOutputAhead && allowance_ > 0; }

void Http2::Say(std::string_view bytes) {
  connection_.out() += bytes;
  allowance_ -= std::min(allowance_, bytes.size());
}

// Frames of all streams, as much as one call of send(2) is to have.
void Http2::Produce() {
  while (has_room()) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
    CHECK(size != NGHTTP2_ERR_NOMEM);
    if (size <= 0) return;
    Say({reinterpret_cast<const char*>(bytes), static_cast<size_t>(size)});
  }
}

// What its work has noted down becomes nghttp2's.
void Http2::Tend(Stream& stream) {
  stream.Feed();
  const int32_t id = stream.id();
  if (stream.TakeContinue()) {
    const nghttp2_nv status = Pair(":status", "100");
    CHECK(nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, &status, 1,
                                 nullptr) != NGHTTP2_ERR_NOMEM);
  }
  if (stream.broken() && !stream.responded()) {
    Reset(id, NGHTTP2_INTERNAL_ERROR);
  } else if (stream.responded() && !stream.taken()) {
    Submit(stream);
  } else if (stream.sending == Stream::Sending::kDeferred) {
    stream.sending = Stream::Sending::kBody;
    CHECK(nghttp2_session_resume_data(session_.get(), id) != NGHTTP2_ERR_NOMEM);
  }
  if (stream.finished() || stream.broken()) stream.EndWork();
  SetDeadline(stream);
  stream.touched = false;
}

void Http2::Submit(Stream& stream) {
  const Stream::Response& response = stream.TakeResponse();
  const std::string status = std::to_string(response.status);
  std::array<char, 20> digits;  // Of the largest number.
  fields_.clear();
  fields_.push_back(Pair(":status", status));
  Pairs pairs{fields_};
  response.fields.AppendTo(&pairs);
  if (response.length) {
    char* const end = std::to_chars(digits.begin(), digits.end(), *response.length).ptr;
    const auto size = static_cast<size_t>(end - digits.data());
    fields_.push_back(Pair("content-length", {digits.data(), size}));
  }
  if (!response.has_date) fields_.push_back(Pair("date", connection_.host().date));
  const bool is_all = stream.finished() && !stream.broken() && stream.waiting() == 0 &&
                      (stream.trailers().empty() || !response.has_body);
  nghttp2_data_provider body = {};
  body.read_callback = [](nghttp2_session*, int32_t id, uint8_t*, size_t most, uint32_t* flags,
                          nghttp2_data_source*,
                          void* data) { return static_cast<Http2*>(data)->Offer(id, most, flags); };
  stream.sending = Stream::Sending::kBody;
  CHECK(nghttp2_submit_response(session_.get(), stream.id(), fields_.data(), fields_.size(),
                                is_all ? nullptr : &body) != NGHTTP2_ERR_NOMEM);
}

// How much of a stream's body a frame of at most `most` bytes is to have.
ssize_t Http2::Offer(int32_t id, size_t most, uint32_t* flags) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const size_t size = std::min(most, stream->waiting());
  if (size == 0 && stream->broken()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  if (size == 0 && !stream->finished()) {
    stream->sending = Stream::Sending::kDeferred;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size < stream->waiting() || !stream->finished() || stream->broken())
    return static_cast<ssize_t>(size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (stream->has_body() && !stream->trailers().empty()) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    fields_.clear();
    Pairs pairs{fields_};
    stream->trailers().AppendTo(&pairs);
    CHECK(nghttp2_submit_trailer(session_.get(), id, fields_.data(), fields_.size()) !=
          NGHTTP2_ERR_NOMEM);
  }
  return static_cast<ssize_t>(size);
}

// The frame that has it.
int Http2::Give(int32_t id, std::string_view frame_head, size_t size) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  // It asks again.
  if (!has_room()) return NGHTTP2_ERR_WOULDBLOCK;
  Say(frame_head);
  Say(stream->body().substr(0, size));
  if (size > 0) stream->Take(size);
  // One who opens windows by a byte each gets nobody anywhere.
  if (stream->waiting() == 0) patience_.Refund();
  SetDeadline(*stream);
  return 0;
}

void Http2::OnSent(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
  if (frame.hd.type == NGHTTP2_HEADERS) patience_.Refund();
  Stream* const stream = Find(frame.hd.stream_id);
  if (stream == nullptr || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return;
  stream->sending = Stream::Sending::kEnded;
  // What still comes of the request nobody reads (RFC 9113, section 8.1).
  if (!stream->has_ended()) Reset(frame.hd.stream_id, NGHTTP2_NO_ERROR);
}

void Http2::Reset(int32_t id, uint32_t code) {
  CHECK(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code) !=
        NGHTTP2_ERR_NOMEM);
}

void Http2::Charge() {
  if (!deaf_ && !patience_.Charge(connection_.host().now)) Terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

// Frames are for nothing unless they turn out not to be. nghttp2 bounds how many continue a head.
void Http2::OnFrameBegun(const nghttp2_frame_hd& head) {
  counted_ = true;
  charged_ = head.type != NGHTTP2_CONTINUATION;
  if (charged_) Charge();
}

// After all it was for something.
void Http2::Refund() {
  if (std::exchange(charged_, false)) patience_.Refund();
}

void Http2::OnHeadersBegun() {
  Refund();
  head_.Clear();
  in_head_ = true;
}

void Http2::OnFrame(const nghttp2_frame& frame) {
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS: return OnHeaders(frame);
    case NGHTTP2_DATA:
      if (Stream* const stream = Find(frame.hd.stream_id); stream != nullptr && ends) {
        Refund();
        stream->OnEnd();
        Touch(*stream);
      }
      return;
    case NGHTTP2_WINDOW_UPDATE:
      if (frame.window_update.window_size_increment >= kLittle) Refund();
      return;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0 && leaving_ == Leaving::kTold) GoAway();
      return;
    default: return;
  }
}

void Http2::OnHeaders(const nghttp2_frame& frame) {
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  in_head_ = false;
  connection_.WaitAnew();
  if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) return BeginRequest(frame.hd.stream_id, ends);
  Stream* const stream = Find(frame.hd.stream_id);
  if (stream == nullptr) return;
  Touch(*stream);
  if (head_.bytes() > kMostTrailers || head_.too_large()) {
    if (stream->responded()) return Reset(frame.hd.stream_id, NGHTTP2_ENHANCE_YOUR_CALM);
    stream->Refuse({kHeadTooLarge, "the trailers are too large"});
  } else {
    stream->OnTrailers(head_.Take());
  }
  if (ends) stream->OnEnd();
}

// A request that is refused for what it is, or because there are too many.
void Http2::OnBadHeaders() {
  in_head_ = false;
  Charge();
}

void Http2::BeginRequest(int32_t id, bool ended) {
  if (deaf_) return;
  const Refusal refusal = head_.Check();
  Stream& stream = Add({.id = id,
                        .is_head = head_.is_head(),
                        .has_body = !ended,
                        .expects_continue = head_.expects_continue()});
  if (refusal.status != 0) return stream.Refuse(refusal);
  Head head = head_.head(!ended);
  head.peer = connection_.peer();
  stream.Begin(connection_.host().handler, head);
}

void Http2::OnData(int32_t id, std::string_view part) {
  counted_ = true;
  if (!part.empty()) Refund();
  Stream* const stream = Find(id);
  if (stream != nullptr) return stream->OnData(part);
  nghttp2_session_consume_connection(session_.get(), part.size());
}

void Http2::OnClosed(int32_t id) {
  Stream* const stream = Find(id);
  if (stream == nullptr) return;
  if (stream->sending != Stream::Sending::kEnded) {
    // How many can live so long at once is bounded.
    const bool was_young = Clock::now() - stream->begun() < kYoung;
    was_young ? Charge() : patience_.Refund();
  }
  if (stream->touched) std::erase(touched_, stream);
  const size_t place = stream->place;
  std::swap(streams_[place], streams_.back());
  streams_[place]->place = place;
  const std::unique_ptr<Stream> last = std::move(streams_.back());
  streams_.pop_back();
}

Stream& Http2::Add(const Stream::Request& request) {
  auto stream = std::make_unique<Stream>(static_cast<StreamOwner&>(*this), request,
                                         connection_.limits(), Clock::now());
  stream->place = streams_.size();
  nghttp2_session_set_stream_user_data(session_.get(), request.id, stream.get());
  return *streams_.emplace_back(std::move(stream));
}

Stream* Http2::Find(int32_t id) const {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_.get(), id));
}

void Http2::SetDeadline(Stream& stream) {
  stream.SetDeadline(connection_.host().now);
  earliest_ = std::min(earliest_, stream.deadline());
}

void Http2::Touch(Stream& stream) {
  if (std::exchange(stream.touched, true)) return;
  touched_.push_back(&stream);
}

// One stream's answer is sent at once; those of several, as they come from one turn of the loop,
// together.
void Http2::Flush() {
  if (busy_) return;  // Whoever is going on has it sent.
  if (streams_.size() > 1) return connection_.host().resume_later(connection_);
  connection_.Resume();
}

void Http2::Received(Stream& stream, size_t bytes) {
  size_t& unread = connection_.host().unread;
  unread += bytes;
  if (unread > kMostUnread) {
    stream.held += bytes;
  } else {
    nghttp2_session_consume_connection(session_.get(), bytes);
  }
}

void Http2::Read(Stream& stream, size_t bytes) {
  connection_.host().unread -= bytes;
  nghttp2_session_consume_stream(session_.get(), stream.id(), bytes);
  const size_t back = std::min(bytes, stream.held);
  if (back == 0) return;
  stream.held -= back;
  nghttp2_session_consume_connection(session_.get(), back);
}

// Where nothing can come any more that matters, what there is to say is said, and that was it.
void Http2::End() {
  if (nghttp2_session_want_read(session_.get()) != 0) return;
  Forget();
  if (lingering_ || connection_.unsent() > 0 || nghttp2_session_want_write(session_.get()) != 0)
    return;
  lingering_ = true;
  connection_.EndOutput();
}

// That it is to begin nothing new. What it begins before it has heard that is still answered: the
// answer to a ping says that it has (RFC 9113, section 6.8).
void Http2::TellToGo() {
  if (leaving_ != Leaving::kNo || deaf_) return;
  leaving_ = Leaving::kTold;
  CHECK(nghttp2_submit_shutdown_notice(session_.get()) != NGHTTP2_ERR_NOMEM);
  CHECK(nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, kPing.data()) != NGHTTP2_ERR_NOMEM);
}

void Http2::GoAway() {
  leaving_ = Leaving::kGone;
  CHECK(nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_.get()),
                              NGHTTP2_NO_ERROR, nullptr, 0) != NGHTTP2_ERR_NOMEM);
}

void Http2::Terminate(uint32_t code) {
  deaf_ = true;
  CHECK(nghttp2_session_terminate_session(session_.get(), code) != NGHTTP2_ERR_NOMEM);
}

void Http2::Forget() {
  busy_ = true;
  for (const auto& stream : streams_)
    nghttp2_session_set_stream_user_data(session_.get(), stream->id(), nullptr);
  touched_.clear();
  streams_.clear();
}

}  // namespace wasmoor::http
