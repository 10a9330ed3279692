#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/scratch.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/os/fd.h"

struct nghttp2_session;

namespace wasmoor::grpc {

using Fields = std::vector<std::pair<std::string, std::string>>;

// How a server of tests answers one call.
struct Answer {
  Fields headers = {{":status", "200"}, {"content-type", "application/grpc"}};
  std::string body;                          // With the prefixes of its messages.
  Fields trailers = {{"grpc-status", "0"}};  // None: the stream ends with the body.
  bool only_trailers = false;                // They come with the headers, and no body.
  bool hangs = false;                        // Nothing comes, ever.
  uint32_t reset = 0;                        // HTTP/2's error code; instead of all that.
  bool goes_away = false;                    // Refuses the call in a GOAWAY.
};

// A server at a socket in a directory of its own, on the loop of the test. Every call gets
// `answer`.
class TestServer {
 public:
  explicit TestServer(loop::Loop& loop);
  ~TestServer();

  const std::string& path() const { return path_; }
  Answer answer;
  std::string raw;  // If not empty: what each connection gets, and then its end, instead of HTTP/2.
  bool raw_stays_open = false;

  // What the clients said.
  std::vector<Fields> heard;
  std::string body;  // Of the last call.
  int connections = 0, closed = 0;

 private:
  struct Connection;
  void Accept();
  void Serve(Connection* connection);

  loop::Loop& loop_;
  test::ScratchDirectory scratch_;
  std::string path_;
  os::Fd listener_;
  loop::Source source_;
  std::map<Connection*, std::unique_ptr<Connection>> open_;
};

}  // namespace wasmoor::grpc
