#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "wasmoor/http/server.h"

// A server, who answers, and clients by hand, in one thread.
namespace wasmoor::http::test {

using namespace std::chrono_literals;

// What the works of a test have told it.
struct Told {
  int begun = 0, gone = 0, broken = 0;
  std::string protocol;
  std::string fields;  // Of the last request: "name: value\n" each.
  bool has_body = false;
  std::vector<Exchange*> kept;  // Of "/keep", which the test answers.
};

// Answers by the target: "/echo" with the body, "/want" with its size, "/never" and "/keep" not at
// all, "/big" with a megabyte as it is taken, others with a response that is odd, and all that has
// no such name with the method and the target.
class Answer : public Work {
 public:
  Answer(const Head& head, Exchange& exchange, Told& told)
      : method_(head.method), target_(head.target), exchange_(exchange), told_(told) {
    told.fields.clear();
    for (const Field& one : head.fields)
      told.fields.append(one.name).append(": ").append(one.value).append("\n");
    told.has_body = head.has_body;
    told.protocol = head.protocol;
  }
  ~Answer() override {
    ++told_.gone;
    std::erase(told_.kept, &exchange_);
  }

  void Run() override {
    constexpr unsigned kOk = 200;
    if (target_ == "/never") return;
    if (target_ == "/keep") return told_.kept.push_back(&exchange_);
    if (target_ == "/want") return exchange_.ReadBody();
    if (RunOdd()) return;
    const std::array fields = {Field{"X-Kept", "yes"}, Field{"Connection", "upgrade"}};
    exchange_.Respond(target_ == "/empty" ? 204 : kOk, fields);
    if (target_ == "/echo") return exchange_.ReadBody();
    if (target_ == "/big") return OnWritable();
    if (target_ != "/empty") exchange_.Write(method_ + " " + target_);
    exchange_.Finish({});
  }
  void OnBody(std::string_view part) override {
    size_ += part.size();
    if (exchange_.responded()) exchange_.Write(part);
    exchange_.ReadBody();
  }
  void OnBodyEnd(Fields trailers) override {
    if (!exchange_.responded()) {
      exchange_.Respond(200, {});
      exchange_.Write(std::to_string(size_));
    }
    for (const Field& one : trailers) exchange_.Write(std::string(one.name) + "!");
    exchange_.Finish({});
  }
  void OnBodyBroken() override {
    ++told_.broken;
    exchange_.Abort();
  }
  void OnWritable() override {
    while (exchange_.CanWrite() && written_ < kBig) {
      exchange_.Write(std::string(4096, 'x'));
      written_ += 4096;
    }
    if (written_ == kBig) exchange_.Finish({});
  }

  static constexpr size_t kBig = 1 << 20;

 private:
  void RespondWith(Field field, std::string_view body, Fields trailers) {
    exchange_.Respond(200, {&field, 1});
    exchange_.Write(body);
    exchange_.Finish(trailers);
  }
  bool RunOdd() {
    constexpr std::array kTrailers = {Field{"X-Sum", "1"}};
    if (target_ == "/short") {
      RespondWith({"Content-Length", "10"}, "abc", {});
    } else if (target_ == "/long") {
      RespondWith({"Content-Length", "2"}, "abc", {});
    } else if (target_ == "/trailers") {
      RespondWith({"x", "y"}, "body", kTrailers);
    } else if (target_ == "/only-trailers") {
      RespondWith({"x", "y"}, "", kTrailers);
    } else if (target_ == "/split") {
      RespondWith({"x", "y\r\nset-cookie: z"}, "", {});
    } else if (target_ == "/abort") {
      exchange_.Respond(200, {});
      exchange_.Write("abc");
      exchange_.Abort();
    } else {
      return false;
    }
    return true;
  }

  const std::string method_, target_;
  Exchange& exchange_;
  Told& told_;
  size_t written_ = 0, size_ = 0;
};

class ServerTest : public testing::Test, public Handler {
 protected:
  std::unique_ptr<Work> Begin(const Head& head, Exchange& exchange) override {
    ++told_.begun;
    return std::make_unique<Answer>(head, exchange, told_);
  }

  // A client's end; the server has the other.
  os::Fd Connect() {
    if (server_ == nullptr) server_ = std::make_unique<Server>(*loop_, *this, limits_);
    std::array<int, 2> ends;
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    server_->Serve(os::Fd(ends[0]));
    return os::Fd(ends[1]);
  }

  void Send(const os::Fd& client, std::string_view text) {
    ASSERT_EQ(::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  // What comes until nothing does for a moment, or the server ends the connection, which is said by
  // "(end)".
  std::string Read(const os::Fd& client, std::chrono::milliseconds patience = 100ms) {
    std::string read;
    std::array<char, 65536> buffer;
    for (;;) {
      while (loop_->RunOnce(1ms)) {
      }
      const ssize_t size = ::recv(client.get(), buffer.data(), buffer.size(), 0);
      if (size == 0) return read + "(end)";
      if (size > 0) {
        read.append(buffer.data(), size);
      } else if (errno != EAGAIN) {
        return read + "(end)";
      } else if (!loop_->RunOnce(patience)) {
        return read;
      }
    }
  }

  std::string Ask(std::string_view request) {
    const os::Fd client = Connect();
    Send(client, request);
    return Read(client);
  }

  // Until nothing is ready any more.
  void Settle() {
    while (loop_->RunOnce(0ms)) {
    }
  }
  // False if that takes too long.
  template <typename Condition>
  bool RunUntil(const Condition& condition) {
    return RunUntilFor(20s, condition);
  }
  template <typename Condition>
  bool RunUntilFor(std::chrono::seconds patience, const Condition& condition) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      loop_->RunOnce(10ms);
    }
    return true;
  }

  Limits limits_;
  std::unique_ptr<loop::Loop> loop_ = std::move(*loop::Loop::Create());
  Told told_;
  std::unique_ptr<Server> server_;
};

}  // namespace wasmoor::http::test
