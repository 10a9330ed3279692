#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::function {

// What the server and a worker tell each other. Each is a head and a payload.
enum class Say : uint16_t {
  // ---- The server, on the connection that a worker is started with.
  kTree,        // With a directory that functions will be granted, before kSetup: read-only?
  kSetup,       // WorkerSetup.
  kConnection,  // With a connection for runs.
  kDirectory,   // With a directory of the function of this number, before kFunction.
  kFunction,    // With its code: what is run from now on by this number.
  kForget,      // The function of this number is run no more.
  // ---- The worker's answers.
  kReady,      // It can be given functions.
  kNotReady,   // Why it cannot.
  kLoaded,     // Of a function: its runs may come.
  kNotLoaded,  // Why not.
  // ---- The server, on a connection for runs; the number is the run's.
  kProgram,    // Begin one of a program.
  kComponent,  // Begin one of a component of wasi:http.
  kInput,      // A flag of InputEnd, and what comes of the body.
  kStop,       // End it, by this signal.
  kTaken,      // The output that was sent has gone on: there is room for more.
  // ---- And the worker's.
  kAside,   // It has a thread of its own.
  kWanted,  // It can take more of the body.
  kHead,    // Of a component's response.
  kOutput,  // A part of it.
  kWhole,   // The output's end, of a component that may go on.
  kBroken,  // The same, of one that broke off.
  kResult,  // A part of what the function returned, before kEnd.
  kEnd,     // How it ended. Nothing follows.
};

// What follows a part of a body: another one at once, or when it is wanted, or nothing.
enum class InputEnd : uint8_t { kPart, kMore, kEnded, kBroken };

struct Frame {
  Say say = Say::kTree;
  uint64_t number = 0;
  std::string_view payload;
  os::Fd descriptor;  // If one came with it.
};

// The most that is in a frame. A worker is not believed to mean well.
constexpr size_t kMostFromServer = 1 << 30, kMostFromWorker = 4 << 20;
// Of a body, in one frame.
constexpr size_t kMostPart = 64 << 10;

// Frames on a stream between the two, whole ones both ways. What is sent in one round of the loop
// goes by one system call. Belongs to the thread that leads the loop.
class Channel {
 public:
  class Listener {
   public:
    // An error: the other side talks nonsense, and the channel is closed. Must not destroy the
    // channel.
    virtual Status OnFrame(Frame& frame) = 0;
    // Once: the other side is gone (kUnavailable), or talks nonsense. May destroy the channel.
    virtual void OnClosed(const Error& why) = 0;

   protected:
    ~Listener() = default;
  };
  enum class Descriptors : uint8_t { kRefused, kTaken };  // That come with frames.

  // `most`: of a payload that comes.
  static Result<std::unique_ptr<Channel>> Create(loop::Loop& loop, os::Fd socket, size_t most,
                                                 Descriptors descriptors, Listener& listener);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel();

  void Send(Say say, uint64_t number, std::string_view payload = {}, os::Fd descriptor = {});
  // The same in parts: what is added to the text that Begin returns, until End, is the payload.
  std::string* Begin(Say say, uint64_t number);
  void End(os::Fd descriptor = {});
  // What has been sent so far, without waiting for the round's end.
  void Flush();
  // Nothing is read or sent any more, and the listener hears nothing.
  void Close();

  size_t unsent() const { return out_.size() - sent_; }

 private:
  struct Head {
    uint32_t size = 0;
    uint16_t say = 0;
    uint16_t descriptors = 0;
    uint64_t number = 0;
  };
  Channel(loop::Loop& loop, os::Fd socket, size_t most, Descriptors descriptors,
          Listener& listener);
  void Read();
  Result<size_t> Receive(std::span<char> room);
  Status Next(bool* whole);
  void SendSoon();
  bool SendSome();
  void DropSent();
  void Lose(Error why);

  loop::Loop& loop_;
  os::Fd socket_;
  const size_t most_;
  const Descriptors descriptors_;
  Listener& listener_;
  std::vector<char> in_;
  size_t in_begin_ = 0, in_end_ = 0;
  std::deque<os::Fd> came_;  // Descriptors of frames that are not whole yet.
  std::string out_;
  size_t sent_ = 0, head_at_ = 0;
  std::deque<std::pair<size_t, os::Fd>> going_;  // By where in out_ their frames begin.
  bool soon_ = false, blocked_ = false, closed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  loop::Source source_;  // Destroyed before what it watches.
};

}  // namespace wasmoor::function
