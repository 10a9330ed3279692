#include "support/http.h"
#include "container/real_container.h"

// Components that serve HTTP in real containers.
namespace wasmoor::container {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpTest : public RealContainerTest {
 protected:
  // In the host's network, so that the test reaches it.
  json Server(const std::string& guest, std::vector<std::string> environment = {}) {
    json config = Guest(guest);
    json namespaces = json::array();
    for (const json& one : config["linux"]["namespaces"]) {
      if (one["type"] != "network") namespaces.push_back(one);
    }
    config["linux"]["namespaces"] = namespaces;
    environment.push_back("WASMOOR_HTTP_LISTEN=127.0.0.1:0");
    config["process"]["env"] = environment;
    return config;
  }

  // Starts it and waits until it serves.
  Running Serve(const json& config) {
    Running running = Start(config);
    EXPECT_TRUE(running.Says("serving HTTP on 127.0.0.1:") && running.Says("\n")) << running.heard;
    const size_t colon = running.heard.find(':', running.heard.find("127.0.0.1"));
    port_ = static_cast<uint16_t>(std::atoi(running.heard.c_str() + colon + 1));
    return running;
  }

  // All that is answered to `request`, which asks for the connection's end.
  std::string Ask(const std::string& request) const {
    return test::ReceiveAll(test::SendTo(port_, request));
  }
  std::string Get(const std::string& path) const { return Ask(test::RequestFor(path)); }

  int End(Running& running, int signal) {
    EXPECT_TRUE(running.created.container.Kill(signal, jail::Whom::kFirstProcess));
    ::alarm(kPromptSeconds);
    const int status = Wait(running.created.first.pid);
    ::alarm(0);
    while (running.Says("\x01 nobody says this")) {
    }
    std::vector<std::string> warnings;
    EXPECT_TRUE(running.created.container.Delete(jail::Force::kNo, &warnings));
    return status;
  }

  static constexpr int kPromptSeconds = 30;
  uint16_t port_ = 0;
};

TEST_F(HttpTest, AComponentServesUntilItIsTerminated) {
  Running running = Serve(Server("web-component"));
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(Get("/"),
                AllOf(StartsWith("HTTP/1.1 200 OK"), HasSubstr("Hello from wasi:http!\n")));
  EXPECT_THAT(Ask("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Content-Length: 5\r\n\r\nhello"),
              HasSubstr("hello"));
  EXPECT_THAT(Get("/sleep/30"), HasSubstr("slept"));
  EXPECT_THAT(Get("/log"), HasSubstr("logged"));
  EXPECT_EQ(End(running, SIGTERM), 0);
  EXPECT_THAT(running.heard,
              AllOf(HasSubstr("a line on stdout\n"), HasSubstr("a line on stderr\n")));
}

TEST_F(HttpTest, ATrapIsItsRequestsAndIsTold) {
  Running running = Serve(Server("web-component"));
  EXPECT_THAT(Get("/trap"), StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(End(running, SIGINT), 0);
  EXPECT_THAT(running.heard,
              AllOf(HasSubstr("/web-component.wasm: trap: "), HasSubstr("innermost first")));
}

TEST_F(HttpTest, AGuestThatSpinsIsOneOfMany) {
  Running running = Serve(Server("web-component", {"WASMOOR_HTTP_TIMEOUT=2s"}));
  EXPECT_THAT(Get("/spin"), StartsWith("HTTP/1.1 504 "));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(End(running, SIGTERM), 0);
}

// It asks itself: each of its requests has a guest of its own.
TEST_F(HttpTest, InTheHostsNetworkAGuestAsksWhomTheEnvironmentAllows) {
  const auto fetch = [&] { return Get("/fetch/127.0.0.1:" + std::to_string(port_) + "/"); };
  Running alone = Serve(Server("web-component"));
  EXPECT_THAT(fetch(), HasSubstr("failed: 15"));  // HTTP-request-denied.
  EXPECT_EQ(End(alone, SIGTERM), 0);
  Running allowed = Serve(Server("web-component", {"WASMOOR_HTTP_ALLOW=127.0.0.1"}));
  EXPECT_THAT(fetch(), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Hello from wasi:http!")));
  EXPECT_EQ(End(allowed, SIGTERM), 0);
}

TEST_F(HttpTest, AnOperatorSaysWhereAndWhomAtMost) {
  Bound({.http_address = "127.0.0.1:0", .http_outgoing = std::vector<std::string>{"127.0.0.1"}});
  json config = Server("web-component");
  config["process"]["env"] = {"WASMOOR_HTTP_ALLOW=*"};
  Running running = Serve(config);
  const auto fetch = [&](const std::string& host) {
    return Get("/fetch/" + host + ":" + std::to_string(port_) + "/");
  };
  EXPECT_THAT(fetch("127.0.0.1"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(fetch("localhost"), HasSubstr("failed: 15"));
  EXPECT_EQ(End(running, SIGTERM), 0);
  Bound({.http_outgoing = std::vector<std::string>{"a:b"}});
  EXPECT_THAT(Create(config).error().message(), HasSubstr("http.outgoing: 'a:b'"));
}

TEST_F(HttpTest, AnAddressThatCannotBeHadFailsTheStart) {
  json config = Server("webhello-component");
  config["process"]["env"] = {"WASMOOR_HTTP_LISTEN=192.0.2.1:80"};
  auto created = Create(config);
  ASSERT_TRUE(created) << created.error().message();
  std::vector<std::string> warnings;
  jail::Container& container = created->container;
  const auto started = container.Start(&warnings);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("192.0.2.1:80"));
  Wait(created->first.pid);
  EXPECT_TRUE(container.Delete(jail::Force::kYes, &warnings));
}

TEST_F(HttpTest, ASettingThatIsWrongFailsTheCreation) {
  json config = Server("webhello-component");
  config["process"]["env"] = {"WASMOOR_HTTP_REQUESTS=0"};
  const auto created = Create(config);
  ASSERT_FALSE(created);
  EXPECT_THAT(created.error().message(), HasSubstr("WASMOOR_HTTP_REQUESTS"));
}

TEST_F(HttpTest, ACommandIsNoServerAndAnExportIsCalledAllTheSame) {
  const Ran ran = RunGuest("greeter-component");
  EXPECT_EQ(ran.output, "Hello from a component!\n");
}

}  // namespace
}  // namespace wasmoor::container
