// How many calls a server of ttrpc answers: ours, and Go's beside it. Each is a process of its own,
// called by the same client, so what differs is the server.
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "bench/support.h"
#include "go_peer.h"
#include "tests/ttrpc/peer.ttrpc.h"
#include "wasmoor/loop/loop.h"
#include "wasmoor/ttrpc/server.h"

namespace wasmoor::ttrpc {
namespace {

using ::test::Bytes;

class Echo : public Service {
 public:
  Echo() : Service("test.Peer") {}
  void Call(std::string_view, std::string_view payload, const CallInfo& info,
            RawReply reply) override {
    Dispatch(this, &Echo::Answer, payload, info, std::move(reply));
  }

 private:
  void Answer(const Bytes& request, const CallInfo&, Reply<Bytes> reply) { reply(request); }
};

wasmoor::test::Child OurPeer(const std::string& path) {
  os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(socket.get(), 8) != 0)
    std::abort();
  return wasmoor::test::Child([&socket] {
    const auto loop = bench::Must(loop::Loop::Create());
    Server server(*loop);
    if (!server.Add(std::make_unique<Echo>()) || !server.Listen(std::move(socket))) return 1;
    loop->Run();
    return 0;
  });
}

// Keeps so many calls open at once; a time is that of all of them.
void Calls(benchmark::State& state, wasmoor::test::Child (*serve)(const std::string&),
           int at_once) {
  const bench::ScratchDirectory scratch;
  const std::string path = scratch / "socket";
  const wasmoor::test::Child server = serve(path);
  const auto loop = bench::Must(loop::Loop::Create());
  auto client = Client::Connect(*loop, path);
  for (int i = 0; !client && i < 1000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    client = Client::Connect(*loop, path);
  }
  const auto connected = bench::Must(std::move(client));
  ::test::PeerClient peer(*connected);
  Bytes request;
  request.set_value(std::string(100, 'x'));
  for (auto _ : state) {
    int answered = 0;
    for (int i = 0; i < at_once; ++i)
      peer.Echo(request, [&answered](const Result<Bytes>& answer) { answered += answer ? 1 : 0; });
    while (answered < at_once) loop->RunOnce(std::chrono::seconds(1));
  }
  state.SetItemsProcessed(state.iterations() * at_once);
}

wasmoor::test::Child GosPeer(const std::string& path) { return test::GoPeer("serve", path); }

const bool kRegistered = [] {
  for (const int at_once : {1, 32}) {
    const std::string workload = "ttrpc/" + std::to_string(at_once) + " at once/";
    benchmark::RegisterBenchmark((workload + "wasmoor").c_str(), Calls, OurPeer, at_once)
        ->UseRealTime();
    // Not there where the build found no Go.
    if (!test::HaveGoPeer()) continue;
    benchmark::RegisterBenchmark((workload + "go").c_str(), Calls, GosPeer, at_once)->UseRealTime();
  }
  return true;
}();

}  // namespace
}  // namespace wasmoor::ttrpc
