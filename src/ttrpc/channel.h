#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "proto/wasmoor/handover.pb.h"
#include "ttrpc/frame.h"
#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/carried.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::ttrpc {

// Frames on one socket, both ways. What is to be sent is collected and written at once when the
// work of the moment is done. While much of it waits, nothing is read; so whoever asks and does not
// read is not answered without end.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // Must live until OnLost or Close; may call Close from within. None is called from within Append.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnFrame(const Frame& frame) = 0;
    // The connection is over, which the channel closed. Once, and nothing after.
    virtual void OnLost(const Error& why) = 0;
  };

  static Result<std::shared_ptr<Channel>> Open(loop::Loop& loop, os::Fd socket, Handler& handler);
  Channel(loop::Loop& loop, os::Fd socket, Handler& handler)
      : loop_(loop), socket_(std::move(socket)), handler_(&handler) {}
  ~Channel() { Close(); }

  bool open() const { return handler_ != nullptr; }

  // Room for the payload of a frame that is to be sent, which the caller writes before it returns
  // to the loop or calls this again. `length` is at most kMostInFrame. Null if the channel is
  // closed, or will be because its peer does not read.
  char* Append(uint32_t stream, FrameType type, size_t length);

  // Sends what the socket takes at once, and hangs up.
  void Close();

  // As those of rpc::Server.
  void Freeze();
  void Thaw();
  void HandOver(handover::Server::Connection* state, os::Carried* carried) const;
  void TakeOver(const handover::Server::Connection& state);

 private:
  void OnReadable();
  void Serve(std::string_view bytes);
  void FlushSoon();
  bool Send();
  void Flush();
  void WatchForReading();
  void Lose(const Error& why);
  size_t waiting() const { return out_.size() - sent_; }

  loop::Loop& loop_;
  os::Fd socket_;
  Handler* handler_;
  loop::Source source_;
  FrameReader reader_;
  std::string rest_;  // Was read, and is served when what waits is less.
  std::string out_;
  size_t sent_ = 0;  // Of out_.
  bool serving_ = false;
  bool flush_posted_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool overflown_ = false;
  bool frozen_ = false;
};

}  // namespace wasmoor::ttrpc
