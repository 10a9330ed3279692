#include "function/inner_calls.h"

#include <gmock/gmock.h>

#include <chrono>
#include <optional>

#include "support/result.h"

namespace wasmoor::function {
namespace {

using page::CallReply;
using page::CallRequest;
using ::testing::ElementsAre;
using ::testing::Pair;

// Answers by the target: "/echo" with the body, "/break" with half of a response, "/much" without
// end, "/later" when the test says so.
class Answers : public http::Handler {
 public:
  class Answer : public http::Work {
   public:
    Answer(Answers& answers, const http::Head& head, http::Exchange& exchange)
        : answers_(answers), target_(head.target), exchange_(exchange) {
      answers_.heads += fmt::format("{} {}\n", head.method, head.target);
      for (const http::Field& field : head.fields)
        answers_.heads += fmt::format("{}: {}\n", field.name, field.value);
      ++answers_.there;
    }
    ~Answer() override { --answers_.there; }
    void Run() override {
      if (target_ == "/later") {
        answers_.later = &exchange_;
        return;
      }
      if (target_ == "/silent") return exchange_.Abort();
      const std::array fields = {http::Field{"x-a", "b"}};
      exchange_.Respond(201, fields);
      if (target_ == "/echo") return exchange_.ReadBody();
      exchange_.Write("half");
      if (target_ == "/break") exchange_.Abort();
      if (target_ == "/much") OnWritable();
    }
    void OnBody(std::string_view part) override {
      exchange_.Write(part);
      exchange_.ReadBody();
    }
    void OnBodyEnd(http::Fields) override { exchange_.Finish({}); }
    void OnBodyBroken() override {}
    void OnWritable() override {
      while (exchange_.CanWrite()) exchange_.Write("more and more");
    }

   private:
    Answers& answers_;
    const std::string target_;
    http::Exchange& exchange_;
  };

  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override {
    return std::make_unique<Answer>(*this, head, exchange);
  }

  std::string heads;
  int there = 0;
  http::Exchange* later = nullptr;
};

class InnerCallsTest : public ::testing::Test {
 protected:
  std::optional<CallReply> Call(CallRequest request, size_t most_reply = 1 << 20) {
    std::optional<CallReply> told;
    const auto call = calls_.Begin(std::move(request), most_reply,
                                   [&told](CallReply reply) { told = std::move(reply); });
    EXPECT_FALSE(told);
    Settle();
    return told;
  }
  void Settle() {
    while (loop_->RunOnce(std::chrono::milliseconds(0))) {
    }
  }

  std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  Answers answers_;
  InnerCalls calls_{*loop_, *loop_, answers_};
};

TEST_F(InnerCallsTest, AreRequestsLikeAnyOther) {
  const std::string body(300'000, 'x');
  const auto reply = Call({"POST", "/echo", {{"host", "here"}}, body});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 201U);
  EXPECT_THAT(reply->fields, ElementsAre(Pair("x-a", "b")));
  EXPECT_EQ(reply->body, body);
  EXPECT_EQ(reply->end, CallReply::End::kWhole);
  EXPECT_EQ(answers_.heads, "POST /echo\nhost: here\ncontent-length: 300000\n");
  EXPECT_EQ(answers_.there, 0);
}

TEST_F(InnerCallsTest, TellThatAnAnswerBrokeOff) {
  const auto half = Call({"GET", "/break", {}, {}});
  ASSERT_TRUE(half);
  EXPECT_EQ(half->end, CallReply::End::kBroken);
  EXPECT_EQ(half->body, "half");
  const auto none = Call({"GET", "/silent", {}, {}});
  ASSERT_TRUE(none);
  EXPECT_EQ(none->status, 0U);
  EXPECT_EQ(none->end, CallReply::End::kBroken);
}

TEST_F(InnerCallsTest, EndWhatAnswersWithoutEnd) {
  constexpr size_t kMost = 1000;
  const auto reply = Call({"GET", "/much", {}, {}}, kMost);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->end, CallReply::End::kCut);
  EXPECT_EQ(reply->body.size(), kMost);
  EXPECT_EQ(answers_.there, 0);
}

TEST_F(InnerCallsTest, AreAnsweredLater) {
  std::optional<CallReply> told;
  const auto call = calls_.Begin({"GET", "/later", {}, {}}, 100,
                                 [&told](CallReply reply) { told = std::move(reply); });
  Settle();
  ASSERT_NE(answers_.later, nullptr);
  EXPECT_FALSE(told);
  answers_.later->Respond(204, {});
  answers_.later->Finish({});
  answers_.later->Flush();
  EXPECT_EQ(answers_.there, 0);
  Settle();
  ASSERT_TRUE(told);
  EXPECT_EQ(told->status, 204U);
}

TEST_F(InnerCallsTest, EndWhenWhoAskedHasLeft) {
  auto call = calls_.Begin({"GET", "/later", {}, {}}, 100, [](const CallReply&) { FAIL(); });
  Settle();
  EXPECT_EQ(answers_.there, 1);
  call.reset();
  Settle();
  EXPECT_EQ(answers_.there, 0);
}

TEST_F(InnerCallsTest, TellNothingToWhoLeavesBeforeItIsTold) {
  auto call = calls_.Begin({"GET", "/later", {}, {}}, 100, [](const CallReply&) { FAIL(); });
  Settle();
  answers_.later->Respond(204, {});
  answers_.later->Finish({});
  answers_.later->Flush();
  call.reset();
  Settle();
}

TEST_F(InnerCallsTest, SayNothingOfABodyToHead) {
  const auto reply = Call({"HEAD", "/echo", {}, {}});
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 201U);
  EXPECT_EQ(reply->body, "");
}

}  // namespace
}  // namespace wasmoor::function
