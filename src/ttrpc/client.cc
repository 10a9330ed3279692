#include "wasmoor/ttrpc/client.h"

#include <map>
#include <utility>
#include <vector>

#include "proto/ttrpc/ttrpc.pb.h"
#include "rpc/expiry.h"
#include "rpc/payload.h"
#include "ttrpc/channel.h"
#include "ttrpc/wire.h"
#include "wasmoor/os/unix_socket.h"

namespace wasmoor::ttrpc {
namespace {

// Of ttrpc.Request.
constexpr int kPayloadField = 3;
// A stream id of 32 bits, which rises.
constexpr uint32_t kLastStream = UINT32_MAX;

// A call that waits for its response.
struct Waiting {
  std::string name;  // "containerd.task.v2.Task/Create"
  std::optional<Clock::time_point> deadline;
  Client::Callback done;
};

Code CodeOf(int code) {
  const bool known = code > 0 && code <= static_cast<int>(Code::kUnauthenticated);
  return known ? static_cast<Code>(code) : Code::kUnknown;
}

Result<std::string> ResponseIn(const Frame& frame, const std::string& name) {
  if (frame.oversized) return tl::unexpected(TooLong(name + ": the answer", frame.header.length));
  ::ttrpc::Response response;
  if (frame.header.type != static_cast<uint8_t>(FrameType::kResponse) ||
      !Parse(frame.payload, &response))
    return Fail(Code::kInternal, "{}: the server's answer is no response of ttrpc", name);
  if (response.status().code() != 0)
    return tl::unexpected(Error(CodeOf(response.status().code()),
                                std::move(*response.mutable_status()->mutable_message())));
  return std::move(*response.mutable_payload());
}

}  // namespace

class Client::Calls : public Channel::Handler, public std::enable_shared_from_this<Calls> {
 public:
  explicit Calls(loop::Loop& loop)
      : loop_(loop), expiry_(loop, [this](Clock::time_point now) { OnTime(now); }) {}

  Status Open(os::Fd connection) {
    channel_ = TRY(Channel::Open(loop_, std::move(connection), *this));
    return {};
  }

  void Call(std::string_view service, std::string_view method, const rpc::Payload& payload,
            const CallOptions& options, Callback done) {
    std::string name = fmt::format("{}/{}", service, method);
    ::ttrpc::Request head;
    head.set_service(std::string(service));
    head.set_method(std::string(method));
    head.set_timeout_nano(options.timeout.count());
    for (const auto& [key, value] : options.metadata) {
      auto* pair = head.add_metadata();
      pair->set_key(key);
      pair->set_value(value);
    }
    const size_t head_size = head.ByteSizeLong();
    const size_t frame_size = head_size + FieldSize(payload.size());
    if (frame_size > kMostInFrame)
      return FailSoon(TooLong(name + ": the request", frame_size), std::move(done));
    if (next_stream_ >= kLastStream)
      return FailSoon(Error(Code::kUnavailable, name + ": the connection has served 2^31 calls"),
                      std::move(done));
    char* room = channel_->Append(next_stream_, FrameType::kRequest, frame_size);
    if (room == nullptr)
      return FailSoon(Error(Code::kUnavailable, name + ": the connection is lost"),
                      std::move(done));
    // Fields may come in any order (protobuf's encoding), so the payload is written behind the rest
    // and not copied through it.
    head.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(room));
    payload.Write(WriteFieldHead(kPayloadField, payload.size(), room + head_size));

    auto call = std::make_unique<Waiting>();
    call->name = std::move(name);
    call->done = std::move(done);
    if (options.timeout.count() > 0) {
      call->deadline = Clock::now() + options.timeout;
      expiry_.Add(*call->deadline);
    }
    waiting_.emplace(next_stream_, std::move(call));
    next_stream_ += 2;
  }

  void Close() {
    channel_->Close();
    waiting_.clear();
    on_lost_ = nullptr;
    closed_ = true;
  }

  bool connected() const { return channel_->open(); }
  size_t open_calls() const { return waiting_.size(); }
  void OnLost(std::function<void()> work) { on_lost_ = std::move(work); }

 private:
  void FailSoon(Error error, Callback done) {
    loop_.Post([calls = weak_from_this(), error = std::move(error), done = std::move(done)] {
      const auto self = calls.lock();
      if (self && !self->closed_) done(tl::unexpected(error));
    });
  }

  void OnFrame(const Frame& frame) override {
    const auto found = waiting_.find(frame.header.stream);
    // The answer to a call whose time was up.
    if (found == waiting_.end()) return;
    const auto self = shared_from_this();
    const auto call = std::move(found->second);
    waiting_.erase(found);
    call->done(ResponseIn(frame, call->name));
  }

  void OnLost(const Error& why) override {
    const auto self = shared_from_this();
    for (const auto& [stream, call] : std::exchange(waiting_, {})) {
      if (closed_) return;
      call->done(Fail(Code::kUnavailable, "{}: {}", call->name, why.message()));
    }
    if (const auto work = std::exchange(on_lost_, nullptr)) work();
  }

  void OnTime(Clock::time_point now) {
    const auto self = shared_from_this();
    std::vector<std::unique_ptr<Waiting>> late;
    if (const auto next = rpc::TakeDue(now, &waiting_, &late)) expiry_.Add(*next);
    for (const auto& call : late) {
      if (closed_) return;
      call->done(Fail(Code::kDeadlineExceeded, "{}: no answer in time", call->name));
    }
  }

  loop::Loop& loop_;
  std::shared_ptr<Channel> channel_;
  rpc::Expiry expiry_;
  std::map<uint32_t, std::unique_ptr<Waiting>> waiting_;  // By stream.
  std::function<void()> on_lost_;
  uint32_t next_stream_ = 1;
  bool closed_ = false;
};

Client::Client(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {}
Client::~Client() { calls_->Close(); }

Result<std::unique_ptr<Client>> Client::Connect(loop::Loop& loop, const std::string& path) {
  return Adopt(loop, TRY(os::ConnectUnixAtOnce(path)));
}

Result<std::unique_ptr<Client>> Client::Adopt(loop::Loop& loop, os::Fd connection) {
  auto calls = std::make_shared<Calls>(loop);
  TRY(calls->Open(std::move(connection)));
  return std::unique_ptr<Client>(new Client(std::move(calls)));
}

void Client::Call(std::string_view service, std::string_view method, std::string_view payload,
                  const CallOptions& options, Callback done) {
  calls_->Call(service, method, rpc::Payload(payload), options, std::move(done));
}

void Client::Call(std::string_view service, std::string_view method,
                  const google::protobuf::MessageLite& request, const CallOptions& options,
                  Callback done) {
  calls_->Call(service, method, rpc::Payload(request), options, std::move(done));
}

bool Client::connected() const { return calls_->connected(); }
size_t Client::open_calls() const { return calls_->open_calls(); }
void Client::OnLost(std::function<void()> work) { calls_->OnLost(std::move(work)); }

}  // namespace wasmoor::ttrpc
