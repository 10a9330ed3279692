#include <array>
#include <climits>
#include <csignal>
#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/peer.h"
#include "sandbox/inproc/hosted_process.h"

namespace wasmoor::fuzz {
namespace {

constexpr size_t kMostGuests = 4;
constexpr pid_t kNobody = INT_MAX;  // No process has this number (proc(5), pid_max).

// How often a call was answered.
struct Answers {
  int asked = 0, given = 0;

  template <typename T>
  sandbox::Done<T> Ask() {
    ++asked;
    return [this](const Result<T>& result) {
      CHECK(++given <= asked);
      CHECK(result || result.error().code() != Code::kOk);
    };
  }
};

// One guest, as a container has it.
struct Guest {
  explicit Guest(sandbox::InprocParts& parts, const std::string& id, sandbox::Streams streams)
      : process(std::make_unique<sandbox::HostedProcess>(parts, id, "", std::move(streams))) {}

  bool lives() const { return process && made; }
  bool has_ended() const { return lives() && process->info().state == sandbox::State::kStopped; }

  // Destroyed before those that it answers.
  Answers answers;
  bool made = false, failed = false, removing = false;
  std::unique_ptr<sandbox::HostedProcess> process;
};

class Listener : public sandbox::Listener {
 public:
  void OnExit(const std::string& id, const std::string&, pid_t, const sandbox::Exit&) override {
    CHECK(++ends[std::stoul(id) % kMostGuests] == 1);
  }
  void OnOutOfMemory(const std::string&) override {}

  std::array<int, kMostGuests> ends = {};
};

std::string NoteOf(Input& input) {
  host::Note note;
  note.set_guest(input.Take<uint8_t>() % (kMostGuests + 2));
  switch (input.Take<uint8_t>() % 8) {
    case 0:
    case 1: note.mutable_made()->set_thread(input.Take<int32_t>()); break;
    case 2:
      note.mutable_not_made()->set_code(input.Take<int8_t>());
      note.mutable_not_made()->set_message(fmt::format("{}", input.Take<uint8_t>()));
      break;
    case 3: note.set_needs_process("why"); break;
    case 4: {
      host::Ended& ended = *note.mutable_ended();
      ended.set_status(input.Take<uint32_t>());
      ended.set_at(input.Take<int64_t>());
      ended.set_out_of_memory(input.Take<uint8_t>() % 4 == 0);
      ended.set_unread(input.Take<uint8_t>() % 4 == 0);
      break;
    }
    case 5: note.mutable_gone(); break;
    case 6: note.mutable_stats()->set_question(input.Take<uint8_t>() % 8); break;
    default: note.mutable_log()->set_line("line");
  }
  return note.SerializeAsString();
}

void Ask(Input& input, Guest* guest) {
  sandbox::HostedProcess& process = *guest->process;
  switch (input.Take<uint8_t>() % 8) {
    case 0: return process.Start(guest->answers.Ask<pid_t>());
    case 1: return static_cast<void>(process.Kill(SIGTERM));
    case 2: return process.Wait(guest->answers.Ask<sandbox::Exit>());
    case 3: return process.Pause(guest->answers.Ask<void>());
    case 4: return process.Resume(guest->answers.Ask<void>());
    case 5: return process.ReadStats(guest->answers.Ask<cgroup::Stats>());
    case 6: return static_cast<void>(process.CloseInput());
    default:
      // Once, after its end.
      if (!guest->has_ended() || std::exchange(guest->removing, true)) return;
      process.Remove(guest->answers.Ask<void>());
  }
}

// The service of one host, and its guests.
class Service {
 public:
  explicit Service(Peer& peer)
      : link_(std::make_shared<sandbox::HostLink>(
            *loop, std::move(peer.theirs), kNobody,
            sandbox::HostLink::Events{.lost = [this] { ++lost_; },
                                      .log = [](std::string_view) {}})) {
    CHECK(link_->Watch());
  }

  void Add(bool with_file) {
    if (guests.size() == kMostGuests) return;
    sandbox::Streams streams;
    if (with_file) streams.output = "file:///dev/null";
    auto& guest = guests.emplace_back(
        std::make_unique<Guest>(parts_, std::to_string(guests.size()), std::move(streams)));
    host::Order order;
    order.mutable_create();
    guest->process->Make(link_, std::move(order), nullptr, [one = guest.get()](Status made) {
      CHECK(!one->made && !one->failed);
      one->made = made.has_value();
      one->failed = !made;
    });
  }
  // All that was asked is answered once there is no host any more.
  void CheckAllIsOver() const {
    CHECK(lost_ == 1);
    for (const auto& one : guests) {
      if (!one->process) continue;
      CHECK(one->made || one->failed);
      CHECK(!one->made || one->has_ended());
      CHECK(one->answers.given == one->answers.asked);
    }
  }

  const std::unique_ptr<loop::Loop> loop = std::move(*loop::Loop::Create());
  std::vector<std::unique_ptr<Guest>> guests;

 private:
  Listener listener_;
  sandbox::HostList hosts_{{.loop = *loop, .words = {}, .log = nullptr}};
  sandbox::InprocParts parts_{.loop = *loop,
                              .hosts = hosts_,
                              .listener = listener_,
                              .name_space = "ns",
                              .pod = "pod",
                              .find_module = nullptr,
                              .log = nullptr};
  int lost_ = 0;
  std::shared_ptr<sandbox::HostLink> link_;
};

}  // namespace

// Steps of a host that says anything, and of whoever has guests there meanwhile: each is a byte for
// what it does, and what that takes.
void HostNotes(Bytes bytes) {
  Input input(bytes);
  Peer host(SOCK_SEQPACKET);
  Service service(host);
  while (!input.empty()) {
    const auto step = input.Take<uint8_t>();
    Guest* const guest =
        service.guests.empty() ? nullptr : service.guests[step / 16 % service.guests.size()].get();
    switch (step % 16) {
      case 0: host.Say(TextOf(input.TakeBytes(1u + input.Take<uint8_t>()))); break;
      case 1: service.Add(step >= 0x80); break;
      case 2:
        if (guest != nullptr) guest->process.reset();
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        if (guest != nullptr && guest->lives()) Ask(input, guest);
        break;
      default: host.Say(NoteOf(input));
    }
    Settle(*service.loop);
  }
  static_cast<void>(host.Hear());
  host.HangUp();
  Settle(*service.loop);
  service.CheckAllIsOver();
  service.guests.clear();
  Settle(*service.loop);
}

}  // namespace wasmoor::fuzz
