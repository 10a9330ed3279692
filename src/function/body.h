#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "wasmoor/os/fd.h"
#include "wasmoor/wasi/stream.h"

// A request's body as a guest's standard input, and its standard output as the response's: in
// memory, between the guest's thread and the loop that has the connection.
namespace wasmoor::function {

// What a guest waits with: readable while it rings. Made when it is first needed.
class Bell {
 public:
  const os::Fd* Get();  // Null: no descriptor was to be had.
  void Ring();
  void Quiet();

 private:
  os::Fd event_;
  bool rings_ = false;
};

// From the client to the guest.
class BodyIn : public wasi::Stream {
 public:
  static constexpr size_t kMostAhead = 256 << 10;

  // `want`: the guest has read what there is. Called on its thread.
  explicit BodyIn(std::function<void()> want) : want_(std::move(want)) {}

  // The loop's. Put: whether more is to be read from the client now.
  bool Put(std::string_view part);
  void End();
  void Break();  // The rest will not come.

  // For a guest that is given what there is, instead of reading it.
  struct Part {
    std::string bytes;
    bool ended = false, broken = false;
  };
  Part TakeAll();

  int64_t Read(const iovec* buffers, int count) override;
  int64_t Write(const iovec* buffers, int count) override;
  const os::Fd* WaitsFor() override;

 private:
  const std::function<void()> want_;
  std::mutex mutex_;
  std::string data_;
  size_t at_ = 0;
  bool ended_ = false, broken_ = false, wanted_ = false;
  Bell bell_;
};

// From the guest to the client.
class BodyOut : public wasi::Stream {
 public:
  // As much as is kept of what the client has not taken yet.
  static constexpr size_t kMostAhead = 64 << 10;

  // `there_is`: something was written, and nobody was told since the last Take. Called on the
  // guest's thread, once it streams or is held back.
  explicit BodyOut(std::function<void()> there_is) : there_is_(std::move(there_is)) {}

  // From now on what is written is to go on at once.
  void PassOn();
  // Nobody reads it any more.
  void Close();
  // All that there is.
  std::string Take();
  // How it ended, once that is known and all of it was taken.
  enum class State : uint8_t { kOpen, kWhole, kBroken };
  State state();

  // For a guest whose output is fetched. The guest's thread.
  bool HasRoom();  // If not, whoever takes is to say so.
  void Put(std::string_view part);
  void End(State how);

  int64_t Read(const iovec* buffers, int count) override;
  int64_t Write(const iovec* buffers, int count) override;
  const os::Fd* WaitsFor() override;

 private:
  const std::function<void()> there_is_;
  std::mutex mutex_;
  std::string data_;
  bool streams_ = false, told_ = false, closed_ = false, held_back_ = false;
  State state_ = State::kOpen;
  Bell bell_;
};

// The end of what a guest says to its standard error, whole lines of which go to a log.
class ErrorText : public wasi::Stream {
 public:
  static constexpr size_t kMost = 4 << 10;         // What is kept: the last of it.
  static constexpr size_t kMostLogged = 64 << 10;  // The first of it; the rest is left out.

  // Called on the guest's thread with whole lines.
  explicit ErrorText(std::function<void(std::string_view)> log) : log_(std::move(log)) {}
  ~ErrorText() override;

  const std::string& last() const { return last_; }  // After the guest has ended.

  int64_t Read(const iovec* buffers, int count) override;
  int64_t Write(const iovec* buffers, int count) override;
  const os::Fd* WaitsFor() override { return nullptr; }

 private:
  void Log(std::string_view lines);

  const std::function<void(std::string_view)> log_;
  std::string line_, last_;
  size_t logged_ = 0;
};

}  // namespace wasmoor::function
