// What all servers do, by one whose protocol is lines of text; and by the others in their rooms.
#include "wasmoor/rpc/server.h"

#include <google/protobuf/timestamp.pb.h>

#include <cerrno>
#include <charconv>

#include "rpc/connection.h"
#include "rpc/server_suite_for_test.h"

namespace wasmoor::rpc {
namespace {

using google::protobuf::Timestamp;
using testing::StartsWith;
using namespace std::chrono_literals;

constexpr std::string_view kService = "test.Service";

// Takes "stream method timeout payload\n", the timeout in nanoseconds or 0, and answers
// "stream ok: payload\n" or "stream code: text\n".
class LineConnection final : public Connection {
 public:
  static Result<std::shared_ptr<Connection>> Open(loop::Loop& loop, os::Fd socket,
                                                  std::weak_ptr<ConnectionOwner> owner) {
    auto connection = std::make_shared<LineConnection>(loop, std::move(owner));
    connection->socket_ = std::move(socket);
    connection->source_ = TRY(loop.Watch(connection->socket_));
    connection->Thaw();
    return connection;
  }
  using Connection::Connection;
  ~LineConnection() override { Close(); }

  void Close() override {
    source_ = loop::Source();
    socket_.Close();
    EndAll();
  }

  void Freeze() override { source_.OnReadable(nullptr); }
  void Thaw() override {
    source_.OnReadable([this] { OnReadable(); });
  }

 private:
  void OnReadable() {
    const auto self = shared_from_this();
    std::array<char, 4096> buffer;
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      source_ = loop::Source();
      return Lose();
    }
    lines_.append(buffer.data(), static_cast<size_t>(got));
    for (size_t end; socket_.valid() && (end = lines_.find('\n')) != std::string::npos;) {
      const std::string line = lines_.substr(0, end);
      lines_.erase(0, end + 1);
      Take(line);
    }
  }

  void Take(std::string_view line) {
    const auto word = [&line] {
      const std::string_view taken = line.substr(0, line.find(' '));
      line.remove_prefix(taken.size() + 1);
      return taken;
    };
    const auto number = [&word] {
      const std::string_view digits = word();
      int64_t value = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
      return value;
    };
    const auto stream = static_cast<uint32_t>(number());
    const std::string_view method = word();
    const std::chrono::nanoseconds timeout(number());
    Begin(stream, {.service = kService, .method = method, .metadata = {}, .deadline = std::nullopt},
          timeout == 0ns ? std::nullopt : std::optional(timeout), line);
  }

  Status Send(const OpenCall& call, const Payload& payload) override {
    std::string text(payload.size(), '\0');
    payload.Write(text.data());
    Say(call.stream, "ok", text);
    return {};
  }
  void Send(uint32_t stream, const Error& error) override {
    Say(stream, CodeName(error.code()), error.message());
  }
  void Say(uint32_t stream, std::string_view how, std::string_view text) {
    const std::string line = fmt::format("{} {}: {}\n", stream, how, text);
    static_cast<void>(::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL));
  }

  os::Fd socket_;
  loop::Source source_;
  std::string lines_;
};

struct LineWire {
  class Server : public rpc::Server {
   public:
    explicit Server(loop::Loop& loop)
        : rpc::Server(loop, Peers::kTrusted,
                      [&loop](os::Fd socket, std::weak_ptr<ConnectionOwner> owner) {
                        return LineConnection::Open(loop, std::move(socket), std::move(owner));
                      }) {}
  };

  class Peer {
   public:
    explicit Peer(os::Fd socket) : socket_(std::move(socket)) {}

    void Call(uint32_t stream, const std::string& method, const std::string& payload,
              std::chrono::nanoseconds timeout) {
      const std::string line =
          fmt::format("{} {} {} {}\n", stream, method, timeout.count(), payload);
      ASSERT_EQ(::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(line.size()));
    }
    bool Read() {
      std::array<char, 4096> buffer;
      while (true) {
        const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got <= 0) return got < 0 && errno == EAGAIN;
        bytes_.append(buffer.data(), static_cast<size_t>(got));
      }
    }
    std::string Said(uint32_t stream) const {
      const std::string head = "\n" + std::to_string(stream) + " ";
      const size_t at = ("\n" + bytes_).find(head);
      if (at == std::string::npos) return "";
      const size_t begin = at + head.size() - 1;
      return bytes_.substr(begin, bytes_.find('\n', begin) - begin);
    }
    void HangUp() { socket_.Close(); }

   private:
    os::Fd socket_;
    std::string bytes_;
  };
};

// Answers "Later" with the time that it gets, an hour later; "Done" with nothing.
class TimeService : public Service {
 public:
  TimeService() : Service(std::string(kService)) {}
  void Call(std::string_view method, std::string_view payload, const CallInfo& info,
            RawReply reply) override {
    if (method == "Later")
      return Dispatch(this, &TimeService::Later, payload, info, std::move(reply));
    Dispatch(this, &TimeService::Done, payload, info, std::move(reply));
  }
  Status outcome;

 private:
  void Later(const Timestamp& request, const CallInfo&, Reply<Timestamp> reply) {
    Timestamp later = request;
    later.set_seconds(request.seconds() + 3600);
    reply(Result<Timestamp>(later));
  }
  void Done(const Timestamp&, const CallInfo&, Reply<Timestamp> reply) { reply(outcome); }
};

class DispatchTest : public test::LoopTest {
 protected:
  DispatchTest() {
    test::Must(server.Add(service));
    test::SocketPair pair;
    test::Must(server.Adopt(std::move(pair.ours)));
    peer = std::make_unique<LineWire::Peer>(std::move(pair.theirs));
  }
  std::string Ask(uint32_t stream, const std::string& method, const std::string& payload) {
    peer->Call(stream, method, payload, 0ns);
    Settle();
    peer->Read();
    return peer->Said(stream);
  }

  TimeService service;
  LineWire::Server server{*loop};
  std::unique_ptr<LineWire::Peer> peer;
};

TEST_F(DispatchTest, ReadsARequestAndWritesAMessage) {
  Timestamp time;
  time.set_seconds(1'000'000);
  const std::string asked = time.SerializeAsString();
  time.set_seconds(1'003'600);
  EXPECT_EQ(Ask(1, "Later", asked), "ok: " + time.SerializeAsString());
}

TEST_F(DispatchTest, AnswersThatSomethingIsDoneOrWhyNot) {
  EXPECT_EQ(Ask(1, "Done", ""), "ok: ");
  service.outcome = Fail(Code::kNotFound, "there is none");
  EXPECT_EQ(Ask(3, "Done", ""), "not_found: there is none");
}

TEST_F(DispatchTest, RefusesBytesThatAreNoRequestAndWritesNothingToStderr) {
  testing::internal::CaptureStderr();
  EXPECT_THAT(Ask(1, "Later", "\xff\xff\xff"),
              StartsWith("invalid_argument: test.Service/Later: "));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(CallInfoTest, FindsTheFirstValueOfAName) {
  const CallInfo info = {.service = kService,
                         .method = "Echo",
                         .metadata = {{"a", "1"}, {"b", ""}, {"a", "2"}},
                         .deadline = std::nullopt};
  EXPECT_EQ(info.Find("a"), "1");
  EXPECT_EQ(info.Find("b"), "");
  EXPECT_EQ(info.Find("c"), std::nullopt);
}

TEST(RawReplyTest, OneOfNoCallIsGone) {
  RawReply reply;
  EXPECT_TRUE(reply.gone());
  reply.OnGone([] { ADD_FAILURE() << "nobody was there to go"; });
  reply("to nobody");
}

}  // namespace

namespace test {
INSTANTIATE_TYPED_TEST_SUITE_P(Line, ServerSuite, LineWire);
}  // namespace test
}  // namespace wasmoor::rpc
