#include "wasmoor/ttrpc/client.h"

#include "ttrpc/service_for_test.h"

namespace wasmoor::ttrpc {
namespace {

using test::SocketPair;
using test::TestService;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

class ClientTest : public test::LoopTest {
 protected:
  ClientTest() : server(std::make_unique<Server>(*loop)) {
    EXPECT_TRUE(server->Add(service).has_value());
    SocketPair pair;
    EXPECT_TRUE(server->Adopt(std::move(pair.ours)).has_value());
    client = std::move(*Client::Adopt(*loop, std::move(pair.theirs)));
  }

  // Calls, and writes what comes back to `answers`: the payload, or the code's name and the
  // message.
  void Call(std::string_view method, std::string_view payload, const CallOptions& options = {}) {
    client->Call("test.Service", method, payload, options, [this](Result<std::string> answer) {
      answers.push_back(answer ? *answer
                               : std::string(CodeName(answer.error().code())) + ": " +
                                     answer.error().message());
    });
  }
  bool Answered(size_t count = 1) {
    return RunUntil([&] { return answers.size() >= count; });
  }

  TestService service;
  std::unique_ptr<Server> server;
  std::unique_ptr<Client> client;
  std::vector<std::string> answers;
};

TEST_F(ClientTest, GetsTheAnswer) {
  Call("Echo", "hello");
  EXPECT_TRUE(answers.empty());  // Never from within Call.
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre("hello"));
  EXPECT_EQ(client->open_calls(), 0u);
}

TEST_F(ClientTest, GetsAnEmptyAnswer) {
  Call("Echo", "");
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre(""));
}

TEST_F(ClientTest, GetsTheServicesError) {
  Call("Fail", "task x: \x80 there is none");
  ASSERT_TRUE(Answered());
  EXPECT_THAT(answers, ElementsAre("not_found: task x: \\x80 there is none"));
}

}  // namespace
}  // namespace wasmoor::ttrpc
