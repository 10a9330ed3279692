#include "dbus/connection.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/child.h"
#include "support/scratch.h"
#include "wasmoor/os/fd.h"

namespace wasmoor::dbus {
namespace {

using std::string_view_literals::operator""sv;
using testing::HasSubstr;

// Somebody who listens, says `text` to the first who comes and hears him out.
class Listener {
 public:
  explicit Listener(std::string text)
      : path_((scratch_.path() / "bus").native()),
        socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        bound_(Bind()),
        child_([this, text = std::move(text)] {
          const os::Fd client(accept(socket_.get(), nullptr, nullptr));
          if (write(client.get(), text.data(), text.size()) < 0) return 1;
          shutdown(client.get(), SHUT_WR);
          char heard[4096];
          while (read(client.get(), heard, sizeof heard) > 0) {
          }
          return 0;
        }) {}

  Result<Connection> Open(Peer peer = Peer::kBus) const { return Connection::Open({path_, peer}); }

 private:
  bool Bind() {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    return bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
           listen(socket_.get(), 1) == 0;
  }

  test::ScratchDirectory scratch_;
  std::string path_;
  os::Fd socket_;
  bool bound_;
  test::Child child_;
};

// The answer to the first call, Hello.
constexpr std::string_view kWelcome = "l\2\1\1\0\0\0\0\1\0\0\0\10\0\0\0\5\1u\0\1\0\0\0"sv;
// The one to the second: an error of this name with this text.
std::string Refusal(const std::string& name, const std::string& text) {
  Writer writer;
  for (const char byte : {'l', '\3', '\1', '\1'}) writer.Byte(static_cast<uint8_t>(byte));
  writer.Uint32(static_cast<uint32_t>(text.size() + 5));
  writer.Uint32(2);
  writer.Array(8, [&] {
    writer.Byte(5);
    writer.Signature("u");
    writer.Uint32(2);
    writer.Align(8);
    writer.Byte(4);
    writer.Signature("s");
    writer.String(name);
    writer.Align(8);
    writer.Byte(8);
    writer.Signature("g");
    writer.Signature("s");
  });
  writer.Align(8);
  writer.String(text);
  return writer.bytes();
}

TEST(ConnectionTest, AnErrorOfTheBusHasACodeAndItsText) {
  const Listener bus("DATA\r\nOK 0123\r\n" + std::string(kWelcome) +
                     Refusal("org.freedesktop.systemd1.NoSuchUnit", "Unit a.scope not loaded."));
  auto connection = bus.Open();
  ASSERT_TRUE(connection) << connection.error().message();
  const auto answer = connection->Ask({"a.b", "/c", "d.e", "StopUnit"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Code::kNotFound);
  EXPECT_EQ(answer.error().message(), "Unit a.scope not loaded.");
}

TEST(ConnectionTest, WhoeverIsNotWelcomeIsToldSo) {
  const auto connection = Listener("REJECTED EXTERNAL\r\n").Open();
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code(), Code::kPermissionDenied);
  EXPECT_THAT(connection.error().message(), HasSubstr("REJECTED EXTERNAL"));
}

TEST(ConnectionTest, ABusThatHangsUpIsUnavailable) {
  for (const char* text : {"", "OK", "DATA\r\nOK 0123\r\n", "DATA\r\nOK 0123\r\nl\2\1\1"}) {
    const auto connection = Listener(text).Open();
    ASSERT_FALSE(connection) << text;
    EXPECT_EQ(connection.error().code(), Code::kUnavailable);
  }
}

TEST(ConnectionTest, WhatIsNoBusIsToldApart) {
  const auto talks = Listener("OK 0123\r\nHTTP/1.1 400 Bad Request\r\n").Open();
  ASSERT_FALSE(talks);
  EXPECT_EQ(talks.error().code(), Code::kDataLoss);
  const auto endless = Listener(std::string(40'000, 'x')).Open();
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code(), Code::kDataLoss);
}

TEST(ConnectionTest, AServiceIsNotGreeted) {
  EXPECT_TRUE(Listener("OK 0123\r\n").Open(Peer::kService));
}

TEST(ConnectionTest, NobodyThereIsUnavailable) {
  const auto connection = Connection::Open({"/nonexistent/bus", Peer::kBus});
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().code(), Code::kUnavailable);
}

TEST(AddressTest, TheFirstSocketWithAPathIsTaken) {
  EXPECT_EQ(ParseAddress("unix:path=/run/bus")->path, "/run/bus");
  EXPECT_EQ(ParseAddress("tcp:host=a;unix:abstract=x;unix:guid=1,path=/a%20b%2")->path, "/a b%2");
  for (const char* text : {"", "unix:", "unix:path=", "unix:abstract=/x", "/run/bus"}) {
    const auto address = ParseAddress(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code(), Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace wasmoor::dbus
