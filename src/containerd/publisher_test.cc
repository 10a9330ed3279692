#include "wasmoor/containerd/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <vector>

#include "proto/containerd/events.pb.h"
#include "support/result.h"
#include "support/scratch.h"
#include "wasmoor/os/unix_socket.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::containerd {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

namespace events = ::containerd::services::events::ttrpc::v1;

// What takes events in containerd.
class Events : public ttrpc::Service {
 public:
  Events() : Service("containerd.services.events.ttrpc.v1.Events") {}
  void Call(std::string_view method, std::string_view payload, const ttrpc::CallInfo&,
            ttrpc::RawReply reply) override {
    EXPECT_EQ(method, "Forward");
    events::ForwardRequest request;
    EXPECT_TRUE(ttrpc::Parse(payload, &request));
    heard.push_back(request.envelope().topic() + " " + request.envelope().event().value());
    last = request;
    if (refusal && request.envelope().topic() == refused) return reply(*refusal);
    reply(events::ForwardRequest());
  }
  std::vector<std::string> heard;
  events::ForwardRequest last;
  std::optional<Error> refusal;
  std::string refused;
};

class PublisherTest : public testing::Test {
 protected:
  void StartServer() {
    std::filesystem::remove(path_);
    server_ = std::make_unique<ttrpc::Server>(*loop_);
    ASSERT_TRUE(server_->Add(events_));
    ASSERT_TRUE(server_->Listen(test::Must(os::ListenUnix(path_))));
  }
  PublisherOptions Options() {
    return {.ttrpc_address = path_,
            .name_space = "k8s.io",
            .publish_binary = "",
            .address = "/run/c.sock",
            .warn = [this](std::string_view line) { warnings_.emplace_back(line); }};
  }
  void RunUntilIdle(Publisher& publisher) {
    bool idle = false;
    publisher.OnIdle([&] {
      idle = true;
      loop_->Stop();
    });
    const auto late = loop_->After(30s, [this] { loop_->Stop(); });
    loop_->Run();
    EXPECT_TRUE(idle);
    EXPECT_EQ(publisher.waiting(), 0u);
  }

  test::ScratchDirectory scratch_;
  const std::string path_ = scratch_ / "events.sock";
  const std::unique_ptr<loop::Loop> loop_ = test::Must(loop::Loop::Create());
  Events events_;
  std::unique_ptr<ttrpc::Server> server_;
  std::vector<std::string> warnings_;
};

TEST_F(PublisherTest, TellsEventsInTheirOrder) {
  StartServer();
  Publisher publisher(*loop_, Options());
  std::vector<std::string> told;
  for (int i = 0; i < 100; ++i) {
    publisher.Publish("/tasks/start", "containerd.events.TaskStart", std::to_string(i));
    told.push_back("/tasks/start " + std::to_string(i));
  }
  RunUntilIdle(publisher);
  EXPECT_EQ(events_.heard, told);
  EXPECT_TRUE(warnings_.empty());
  const auto& envelope = events_.last.envelope();
  EXPECT_EQ(envelope.namespace_(), "k8s.io");
  EXPECT_EQ(envelope.event().type_url(), "containerd.events.TaskStart");
  EXPECT_NEAR(envelope.timestamp().seconds(), ::time(nullptr), 60);
}

TEST_F(PublisherTest, KeepsEventsAndTheirOrderWhileContainerdIsAway) {
  Publisher publisher(*loop_, Options());
  publisher.Publish("/tasks/create", "t", "1");
  publisher.Publish("/tasks/start", "t", "2");
  for (int i = 0; i < 10; ++i) loop_->RunOnce(20ms);
  EXPECT_EQ(publisher.waiting(), 2u);
  StartServer();
  publisher.Publish("/tasks/exit", "t", "3");
  RunUntilIdle(publisher);
  // It goes and comes again, behind a connection that was in use.
  server_.reset();
  publisher.Publish("/tasks/delete", "t", "4");
  for (int i = 0; i < 10; ++i) loop_->RunOnce(20ms);
  EXPECT_EQ(publisher.waiting(), 1u);
  StartServer();
  RunUntilIdle(publisher);
  EXPECT_THAT(events_.heard,
              ElementsAre("/tasks/create 1", "/tasks/start 2", "/tasks/exit 3", "/tasks/delete 4"));
  // Each absence is told once, and so is its end.
  EXPECT_EQ(warnings_.size(), 4u);
  EXPECT_THAT(warnings_[0], HasSubstr("does not take events"));
  EXPECT_THAT(warnings_[3], HasSubstr("takes events again"));
}

TEST_F(PublisherTest, KeepsTheOrderOfEachLineWhileManyAreUnderWay) {
  StartServer();
  Publisher publisher(*loop_, Options());
  constexpr int kLines = 100, kEach = 4;
  for (int event = 0; event < kEach; ++event) {
    for (int line = 0; line < kLines; ++line)
      publisher.Publish("/tasks/start", "t", fmt::format("{}:{}", line, event),
                        std::to_string(line));
  }
  RunUntilIdle(publisher);
  std::map<std::string, int> next;
  ASSERT_EQ(events_.heard.size(), size_t{kLines * kEach});
  for (const auto& heard : events_.heard) {
    const std::string value = heard.substr(heard.find(' ') + 1);
    const size_t colon = value.find(':');
    EXPECT_EQ(value.substr(colon + 1), std::to_string(next[value.substr(0, colon)]++));
  }
  EXPECT_EQ(publisher.counts().confirmed, uint64_t{kLines * kEach});
}

TEST_F(PublisherTest, DropsTheOldestWhenTooManyWaitAndSaysSo) {
  Publisher publisher(*loop_, Options());
  for (size_t i = 0; i < PublisherOptions().most_waiting + 3; ++i) {
    publisher.Publish("/tasks/exec-added", "t", std::to_string(i));
  }
  EXPECT_EQ(publisher.waiting(), PublisherOptions().most_waiting);
  EXPECT_THAT(warnings_,
              testing::Contains(HasSubstr("event /tasks/exec-added is dropped")).Times(3));
  StartServer();
  RunUntilIdle(publisher);
  ASSERT_EQ(events_.heard.size(), PublisherOptions().most_waiting);
  EXPECT_EQ(events_.heard.front(), "/tasks/exec-added 3");
}

TEST_F(PublisherTest, GoesOnAfterAnEventThatIsRefused) {
  StartServer();
  events_.refused = "/tasks/create";
  events_.refusal = Error(Code::kInvalidArgument, "no such topic");
  Publisher publisher(*loop_, Options());
  publisher.Publish("/tasks/create", "t", "1");
  publisher.Publish("/tasks/start", "t", "2");
  RunUntilIdle(publisher);
  EXPECT_THAT(events_.heard, ElementsAre("/tasks/create 1", "/tasks/start 2"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("no such topic")));
  // An error that may pass is tried again, and not for ever.
  events_.refusal = Error(Code::kInternal, "database is locked");
  publisher.Publish("/tasks/create", "t", "3");
  publisher.Publish("/tasks/start", "t", "4");
  RunUntilIdle(publisher);
  EXPECT_EQ(events_.heard.size(), 8u);
  EXPECT_EQ(events_.heard.back(), "/tasks/start 4");
}

TEST_F(PublisherTest, LetsGoOfItsConnectionWhenItHasNothingToSay) {
  StartServer();
  Publisher publisher(*loop_, Options());
  publisher.Publish("/tasks/create", "t", "1");
  RunUntilIdle(publisher);
  EXPECT_EQ(server_->connections(), 1u);
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (server_->connections() > 0 && std::chrono::steady_clock::now() < deadline)
    loop_->RunOnce(100ms);
  EXPECT_EQ(server_->connections(), 0u);
  publisher.Publish("/tasks/start", "t", "2");
  RunUntilIdle(publisher);
  EXPECT_EQ(events_.heard.size(), 2u);
}

TEST_F(PublisherTest, StartsAProgramWhereThereIsNoAddress) {
  scratch_.Write("publish",
                 "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$0.heard\"\ncat >> \"$0.heard\"\n");
  std::filesystem::permissions(scratch_ / "publish", std::filesystem::perms::owner_all);
  PublisherOptions options = Options();
  options.ttrpc_address = "";
  options.publish_binary = scratch_ / "publish";
  Publisher publisher(*loop_, options);
  publisher.Publish("/tasks/create", "the.type", "first\n");
  publisher.Publish("/tasks/start", "the.type", "second\n");
  RunUntilIdle(publisher);
  const std::string heard = scratch_.Read("publish.heard");
  EXPECT_TRUE(
      heard.starts_with("--address /run/c.sock publish --topic /tasks/create --namespace k8s.io\n"))
      << heard;
  EXPECT_THAT(heard, HasSubstr("the.type"));
  EXPECT_LT(heard.find("first"), heard.find("/tasks/start"));
  EXPECT_LT(heard.find("/tasks/start"), heard.find("second"));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PublisherTest, SaysThatNobodyToldItWhereEventsGo) {
  PublisherOptions options = Options();
  options.ttrpc_address = "";
  Publisher publisher(*loop_, options);
  publisher.Publish("/tasks/create", "t", "1");
  RunUntilIdle(publisher);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("TTRPC_ADDRESS")));
}

}  // namespace
}  // namespace wasmoor::containerd
