#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "wasi/guest_for_test.h"

// A guest that blocks ends when it is asked to: the engine requests its Interrupt and sends the
// thread a signal, again and again until the guest has ended.
namespace wasmoor::wasi {
namespace {

using hostcall::Outcome;

constexpr int kSignal = SIGUSR1;

class InterruptTest : public testing::Test {
 protected:
  InterruptTest() {
    struct sigaction action = {};
    action.sa_handler = [](int) {
    };  // Without SA_RESTART: a system call that blocks ends with EINTR.
    sigaction(kSignal, &action, &before_);
  }
  ~InterruptTest() override { sigaction(kSignal, &before_, nullptr); }

  // Runs a call that would block for ever, and asks it to end.
  static Outcome Ended(Guest& guest, const std::function<Outcome()>& call) {
    std::atomic<bool> ended = false;
    const pthread_t thread = pthread_self();
    std::thread engine([&] {
      usleep(10'000);
      // A signal that nobody asked for changes nothing.
      for (int i = 0; i < 3 && !ended; ++i) {
        pthread_kill(thread, kSignal);
        usleep(1'000);
      }
      EXPECT_FALSE(ended) << "it did not block";
      guest.interrupt().Request(hostcall::StopReason::kSignal, SIGTERM);
      while (!ended) {
        pthread_kill(thread, kSignal);
        usleep(1'000);
      }
    });
    const Outcome outcome = call();
    ended = true;
    engine.join();
    return outcome;
  }

  static std::pair<os::Fd, os::Fd> Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    return {os::Fd(ends[0]), os::Fd(ends[1])};
  }

  struct sigaction before_ = {};
};

TEST_F(InterruptTest, EndsAReadOfAnEmptyPipe) {
  auto [reader, writer] = Pipe();
  Grants grants;
  grants.standard_input = std::move(reader);
  Guest guest(std::move(grants));
  guest.Put(Guest::kList, std::array{Iovec{Guest::kData, 10}, Iovec{Guest::kData, 10}});
  EXPECT_EQ(Ended(guest, [&] { return guest.Outcome("fd_read", 0, Guest::kList, 1, Guest::kOut); }),
            Outcome::kStopped);
}

TEST_F(InterruptTest, EndsAWaitForAPipeThatItsCallerMadeNonblocking) {
  auto [reader, writer] = Pipe();
  ASSERT_EQ(fcntl(reader.get(), F_SETFL, O_NONBLOCK), 0);
  Grants grants;
  grants.standard_input = std::move(reader);
  Guest guest(std::move(grants));
  guest.Put(Guest::kList, Iovec{Guest::kData, 10});
  EXPECT_EQ(Ended(guest, [&] { return guest.Outcome("fd_read", 0, Guest::kList, 1, Guest::kOut); }),
            Outcome::kStopped);
}

TEST_F(InterruptTest, EndsAWriteToAFullPipe) {
  auto [reader, writer] = Pipe();
  ASSERT_EQ(fcntl(writer.get(), F_SETFL, O_NONBLOCK), 0);
  const std::string block(4096, 'x');
  while (write(writer.get(), block.data(), block.size()) > 0) {
  }
  ASSERT_EQ(fcntl(writer.get(), F_SETFL, 0), 0);
  Grants grants;
  grants.standard_output = std::move(writer);
  Guest guest(std::move(grants));
  guest.Put(Guest::kList, Iovec{Guest::kData, 10});
  EXPECT_EQ(
      Ended(guest, [&] { return guest.Outcome("fd_write", 1, Guest::kList, 1, Guest::kOut); }),
      Outcome::kStopped);
}

TEST_F(InterruptTest, EndsTheOpeningOfAFifoThatNobodyWrites) {
  ScratchDirectory directory;
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  Guest guest(directory);
  EXPECT_EQ(Ended(guest,
                  [&] {
                    return guest.Outcome("path_open", 3, 0, "fifo", 0, kReading, 0, 0, Guest::kOut);
                  }),
            Outcome::kStopped);
}

TEST_F(InterruptTest, EndsASleepAndAPoll) {
  for (int count : {1, 2}) {
    Guest guest;
    Subscription hour = {};
    hour.id = static_cast<uint32_t>(ClockId::kMonotonic);
    hour.timeout = uint64_t{3600} * 1'000'000'000;
    guest.Put(0x4000, hour);
    guest.Put(0x4000 + sizeof(hour), hour);
    EXPECT_EQ(
        Ended(guest,
              [&] { return guest.Outcome("poll_oneoff", 0x4000, 0x5000, count, Guest::kOut); }),
        Outcome::kStopped);
  }
}

TEST_F(InterruptTest, EndsAcceptAndReceive) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const os::Fd peer(pair[1]);
  os::Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Autobind (unix(7)): a name in the abstract space that nobody knows.
  const sockaddr_un address = {AF_UNIX, {}};
  ASSERT_EQ(
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address.sun_family)),
      0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  for (const char* name : {"sock_accept", "sock_recv"}) {
    Grants grants;
    grants.standard_input = os::Fd(fcntl(pair[0], F_DUPFD_CLOEXEC, 0));
    grants.listeners.push_back({"test", os::Fd(fcntl(listener.get(), F_DUPFD_CLOEXEC, 0))});
    Guest guest(std::move(grants));
    guest.Put(Guest::kList, Iovec{Guest::kData, 10});
    EXPECT_EQ(Ended(guest,
                    [&] {
                      if (std::string_view(name) == "sock_accept")
                        return guest.Outcome(name, 3, 0, Guest::kOut);
                      return guest.Outcome(name, 0, Guest::kList, 1, 0, Guest::kOut,
                                           Guest::kOut + 8);
                    }),
              Outcome::kStopped)
        << name;
  }
  close(pair[0]);
}

TEST_F(InterruptTest, ASleepThatIsDisturbedStillLastsItsTime) {
  Guest guest;
  Subscription sleep = {};
  sleep.id = static_cast<uint32_t>(ClockId::kMonotonic);
  sleep.timeout = 50'000'000;
  for (Size count : {1u, 2u}) {
    guest.Put(0x4000, sleep);
    guest.Put(0x4000 + sizeof(sleep), sleep);
    std::atomic<bool> ended = false;
    const pthread_t thread = pthread_self();
    std::thread disturber([&] {
      while (!ended) {
        pthread_kill(thread, kSignal);
        usleep(1'000);
      }
    });
    timespec before = {};
    timespec after = {};
    clock_gettime(CLOCK_MONOTONIC, &before);
    EXPECT_EQ(guest.Call("poll_oneoff", 0x4000, 0x5000, count, Guest::kOut), Errno::kSuccess);
    clock_gettime(CLOCK_MONOTONIC, &after);
    ended = true;
    disturber.join();
    EXPECT_GE((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec,
              50'000'000);
  }
}

}  // namespace
}  // namespace wasmoor::wasi
