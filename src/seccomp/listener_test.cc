#include "wasmoor/seccomp/listener.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "seccomp/child_test.h"
#include "support/scratch.h"
#include "wasmoor/os/process.h"

namespace wasmoor::seccomp {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kAnswer = 4242;

// The agent's end: a socket with a name, gone with the object.
class Agent {
 public:
  Agent() {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path().c_str(), sizeof(address.sun_path) - 1);
    socket_ = os::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) abort();
    if (::listen(socket_.get(), 4) != 0) abort();
  }

  std::string path() const { return (folder_ / "socket").native(); }

  // What one connection brings, to its end.
  std::string Receive(os::Fd* descriptor) const {
    const os::Fd connection(::accept(socket_.get(), nullptr, nullptr));
    std::string all;
    for (;;) {
      char text[4096];
      alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
      struct iovec part = {text, sizeof(text)};
      struct msghdr message = {};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      const ssize_t got = ::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC);
      if (got <= 0) return all;
      all.append(text, got);
      const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
      if (header == nullptr) continue;
      int number = -1;
      memcpy(&number, CMSG_DATA(header), sizeof(number));
      *descriptor = os::Fd(number);
    }
  }

 private:
  test::ScratchDirectory folder_;
  os::Fd socket_;
};

// Answers the next call that the listener is asked about.
bool AnswerOne(const os::Fd& listener, int64_t value) {
  struct seccomp_notif question = {};
  if (::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) return false;
  struct seccomp_notif_resp answer = {.id = question.id, .val = value};
  return ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

Program AskForGetppid() {
  return Must(
      Compile({.default_action = "SCMP_ACT_ALLOW",
               .flags = {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
               .listener_path = "/run/agent.sock",
               .syscalls = {{.names = {"getppid"}, .action = "SCMP_ACT_NOTIFY"}}}));
}

// A process that puts the filter on itself, says which descriptor its listener is, and then makes
// the call that it asks about. Its exit status is 0 if it was given kAnswer.
pid_t StartAsker(const Program& program, const os::Fd& report) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  auto listener = Install(program);
  if (!listener || !listener->valid()) ::_exit(2);
  const int number = listener->get();
  if (::write(report.get(), &number, sizeof(number)) != sizeof(number)) ::_exit(3);
  ::_exit(::syscall(SYS_getppid) == kAnswer ? 0 : 4);
}

TEST(ListenerTest, TheAgentGetsTheStateAndAnswersThroughTheDescriptor) {
  const Agent agent;
  const Program program = AskForGetppid();
  ASSERT_TRUE(program.listens());
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const os::Fd reading(ends[0]);
  const os::Fd writing(ends[1]);
  const pid_t child = StartAsker(program, writing);
  int number = -1;
  ASSERT_EQ(::read(reading.get(), &number, sizeof(number)), ssize_t{sizeof(number)});
  const os::Fd listener = Must(os::CopyDescriptor(Must(os::OpenProcess(child)), number));

  const oci::State state = {
      .id = "c1", .status = oci::Status::kCreating, .pid = child, .bundle = "/b"};
  const Status sent = SendListener(agent.path(), "for \"you\"", listener, child, state);
  ASSERT_TRUE(sent) << sent.error().message();
  os::Fd received;
  const auto json = nlohmann::json::parse(agent.Receive(&received));
  EXPECT_EQ(json["fds"], nlohmann::json::array({"seccompFd"}));
  EXPECT_EQ(json["pid"], child);
  EXPECT_EQ(json["metadata"], "for \"you\"");
  EXPECT_EQ(json["ociVersion"], "1.2.0");
  EXPECT_EQ(json["state"]["id"], "c1");
  EXPECT_EQ(json["state"]["status"], "creating");
  ASSERT_TRUE(received.valid());
  EXPECT_TRUE(AnswerOne(received, kAnswer));
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(ListenerTest, NobodyListeningIsAnErrorThatNamesTheField) {
  const std::string path = Agent().path();
  const Status sent = SendListener(path, "", os::Fd(), 1, {});
  ASSERT_FALSE(sent);
  EXPECT_THAT(sent.error().message(), StartsWith("linux.seccomp.listenerPath: connect to "));
  EXPECT_EQ(sent.error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace wasmoor::seccomp
