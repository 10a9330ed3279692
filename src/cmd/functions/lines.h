#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace wasmoor::cmd {

// Lines of many threads on their way to standard output or error, each whole. Nobody waits for who
// reads there: what does not go on in time is lost, and how much is said when it goes on again.
class Lines {
 public:
  explicit Lines(int descriptor);
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  ~Lines();  // Waits a moment for what is left.

  void Write(std::string_view lines);  // Any thread.

 private:
  void Carry();
  bool WaitForRoom();  // False: nobody reads, and it is to end.

  const int descriptor_;
  std::mutex mutex_;  // Of what follows.
  std::condition_variable come_;
  std::string waiting_;
  size_t lost_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace wasmoor::cmd
