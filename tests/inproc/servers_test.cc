#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "inproc/fixture.h"
#include "support/http.h"
#include "support/scratch.h"
#include "wasmoor/os/fd.h"

// Components of wasi:http as guests that are threads, asked by a real client in their pod's network
// namespace.
namespace wasmoor::sandbox {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint16_t kPort = 8080;
constexpr uint64_t kMemory = 32 << 20;

// A network namespace with a loopback device that is up, and a thread in it that asks. It ends with
// this.
class Network {
 public:
  Network() {
    std::promise<void> ready;
    thread_ = std::thread([&] {
      if (::unshare(CLONE_NEWNET) == 0) {
        path_ = fmt::format("/proc/{}/task/{}/ns/net", ::getpid(), ::gettid());
        const os::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request = {};
        std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
        request.ifr_flags = IFF_UP;
        ::ioctl(socket.get(), SIOCSIFFLAGS, &request);
      }
      ready.set_value();
      Serve();
    });
    ready.get_future().wait();
  }
  ~Network() {
    Do(nullptr);
    thread_.join();
  }
  const std::string& path() const { return path_; }

  // All that is answered to `request`, which asks for the connection's end. It has been sent when
  // this returns.
  std::future<std::string> Ask(std::string request) {
    auto answer = std::make_shared<std::promise<std::string>>();
    auto sent = std::make_shared<std::promise<void>>();
    Do([answer, sent, request = std::move(request)] {
      // Each by a thread of its own, which is in the namespace as this one is.
      std::thread([answer, sent, request] {
        const os::Fd socket = test::SendTo(kPort, request);
        sent->set_value();
        answer->set_value(test::ReceiveAll(socket));
      }).detach();
    });
    sent->get_future().wait();
    return answer->get_future();
  }

 private:
  void Do(std::function<void()> what) {
    {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(what));
    }
    changed_.notify_one();
  }
  void Serve() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !work_.empty(); });
      const auto what = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      if (!what) return;
      what();
    }
  }
  std::string path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;  // An empty one is the last.
  std::thread thread_;
};

class InprocServerTest : public InprocTest {
 protected:
  void SetUp() override {
    InprocTest::SetUp();
    network_.emplace();
    ASSERT_FALSE(network_->path().empty()) << "needs the right to make network namespaces";
  }
  void TearDown() override {
    InprocTest::TearDown();
    network_.reset();
  }
  Json Server(const std::string& guest, std::vector<std::string> environment = {}) {
    Json config = Config({"/" + guest + ".wasm"});
    config["linux"]["namespaces"].push_back({{"type", "network"}, {"path", network_->path()}});
    config["process"]["env"] = std::move(environment);
    return config;
  }
  Container* Serve(const std::string& id, const Json& config,
                   const std::string& guest = "web-component") {
    Container* container = Start(id, guest, config);
    EXPECT_TRUE(WaitForOutput(id, "serving HTTP on 0.0.0.0:8080\n"));
    return container;
  }
  std::future<std::string> Send(const std::string& path) {
    return network_->Ask(test::RequestFor(path));
  }
  // The host is told of nothing but by this thread, and goes on without.
  std::string Get(const std::string& path) { return Send(path).get(); }

  std::optional<Network> network_;
};

TEST_F(InprocServerTest, ServesInItsPodsNetworkUntilItIsTerminated) {
  Container* server = Serve("web", Server("web-component"));
  ASSERT_NE(server, nullptr);
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(Get("/"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Hello from wasi:http!\n")));
  EXPECT_THAT(network_
                  ->Ask("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        "Content-Length: 5\r\n\r\nhello")
                  .get(),
              HasSubstr("hello"));
  EXPECT_THAT(Get("/sleep/30"), HasSubstr("slept"));
  EXPECT_THAT(Get("/big/300"), HasSubstr("xxxxxxxx"));
  EXPECT_THAT(Get("/log"), HasSubstr("logged"));
  EXPECT_TRUE(WaitForOutput("web", "a line on stdout\n"));
  EXPECT_TRUE(WaitForOutput("web", "a line on stderr\n"));
  EXPECT_GT(StatsOf(*server).cpu->usage_ns, 0u);
  EXPECT_EQ(StatusAfter(*server, SIGTERM), 0u);
  EXPECT_EQ(Get("/"), test::kNoConnection);
  EXPECT_TRUE(processes_->asked.empty());
  ASSERT_TRUE(End("web"));
  WaitForThreads();
}

// A server's threads are its own: as jailed as the one that made them.
TEST_F(InprocServerTest, KeepsAllThreadsThatItMakesInItsJail) {
  Json config = Server("web-component");
  config["process"]["user"] = {{"uid", 1000}, {"gid", 1001}};
  Container* server = Serve("web", config);
  ASSERT_NE(server, nullptr);
  EXPECT_THAT(Get("/sleep/10"), HasSubstr("slept"));
  const auto own = TaskOf(*server);
  int threads = 0;
  for (const auto& one : std::filesystem::directory_iterator(FolderOfHost() / "task")) {
    const auto& thread = one.path();
    if (Link(thread / "ns/mnt") != Link(own / "ns/mnt")) continue;
    ++threads;
    EXPECT_EQ(Link(thread / "ns/net"), Link(own / "ns/net"));
    EXPECT_EQ(Link(thread / "root"), Link(own / "root"));
    const std::string status = test::ReadFile(thread / "status");
    EXPECT_THAT(status, AllOf(HasSubstr("CapPrm:\t0000000000000000"), HasSubstr("NoNewPrivs:\t1"),
                              HasSubstr("CapBnd:\t0000000000000000"), HasSubstr("Seccomp:\t2")));
    EXPECT_THAT(status, ::testing::ContainsRegex("Uid:\t[0-9]+\t[0-9]+\t[0-9]+\t1000\n"));
    EXPECT_EQ(test::ReadFile(thread / "cgroup"), test::ReadFile(own / "cgroup"));
  }
  EXPECT_EQ(threads, 2);  // It, and the one that waits.
  EXPECT_EQ(StatusAfter(*server, SIGKILL), kKilled);
  ASSERT_TRUE(End("web"));
  WaitForThreads();
}

TEST_F(InprocServerTest, LivesWithRequestsThatTrapAndSpin) {
  Container* server = Serve("web", Server("web-component", {"WASMOOR_HTTP_TIMEOUT=2s"}));
  ASSERT_NE(server, nullptr);
  EXPECT_THAT(Get("/trap"), StartsWith("HTTP/1.1 500 "));
  auto spins = Send("/spin");
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(RunOnce("other", "hello-component", {"/hello-component.wasm"}).second, 0u);
  EXPECT_THAT(spins.get(), StartsWith("HTTP/1.1 504 "));
  EXPECT_TRUE(WaitForOutput("web", "trap: "));
  EXPECT_EQ(StatusAfter(*server, SIGINT), 0u);
}

TEST_F(InprocServerTest, LetsWhatRunsEndWhenItIsTerminatedAndNotWhenItIsKilled) {
  Container* server = Serve("drained", Server("web-component"));
  ASSERT_NE(server, nullptr);
  auto slow = Send("/sleep/700");
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(StatusAfter(*server, SIGTERM), 0u);
  EXPECT_THAT(slow.get(), HasSubstr("slept"));
  ASSERT_TRUE(End("drained"));
  server = Serve("killed", Server("web-component"));
  ASSERT_NE(server, nullptr);
  auto never = Send("/sleep/60000");
  auto spins = Send("/spin");
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(StatusAfter(*server, SIGKILL), kKilled);
  EXPECT_EQ(never.get(), "");
  EXPECT_EQ(spins.get(), "");
}

// Of two guests in one process and one network, as two containers of a pod are.
TEST_F(InprocServerTest, AsksAnotherOfItsPod) {
  Container* server = Serve("web", Server("web-component"));
  ASSERT_NE(server, nullptr);
  EXPECT_THAT(Get("/fetch/127.0.0.1:8080/"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Hello from wasi:http!")));
  EXPECT_EQ(StatusAfter(*server, SIGTERM), 0u);
}

TEST_F(InprocServerTest, SharesItsMemoryAmongItsRequests) {
  Container* server = Serve("web", WithMemory(Server("web-component"), kMemory));
  ASSERT_NE(server, nullptr);
  auto slow = Send("/sleep/2000");
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 200 "));
  EXPECT_TRUE(Until([&] { return StatsOf(*server).memory->usage > 0; }));
  EXPECT_EQ(StatsOf(*server).memory->limit, kMemory);
  EXPECT_THAT(slow.get(), HasSubstr("slept"));
  EXPECT_TRUE(Until([&] { return StatsOf(*server).memory->usage == 0; }));
}

TEST_F(InprocServerTest, IsLeftToAProcessWithoutANetworkOfItsPod) {
  const Json config = Config({"/web-component.wasm"});
  EXPECT_FALSE(Create("alone", MakeBundle("alone", "web-component", config)));
  EXPECT_EQ(processes_->asked, std::vector<std::string>{"alone"});
}

TEST_F(InprocServerTest, LeavesNothingOfManyServers) {
  const auto run = [&] {
    for (int i = 0; i < 30; ++i) {
      Container* server = Serve("web", Server("web-component"));
      ASSERT_NE(server, nullptr);
      EXPECT_THAT(Get("/sleep/1"), HasSubstr("slept"));
      EXPECT_EQ(StatusAfter(*server, i % 2 == 0 ? SIGTERM : SIGKILL), i % 2 == 0 ? 0 : kKilled);
      ASSERT_TRUE(End("web"));
      std::filesystem::remove_all(scratch_ / "web");
    }
    WaitForThreads();
  };
  run();
  const HostSize before = SizeOfHost();
  run();
  ExpectNoLarger(before, {.descriptors = 4, .mebibytes = 8, .mappings = 100});
}

}  // namespace
}  // namespace wasmoor::sandbox
