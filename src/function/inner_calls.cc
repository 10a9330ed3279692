#include "function/inner_calls.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

namespace wasmoor::function {

using page::CallReply;
using page::CallRequest;

// One request, seen from who answers it: what a connection is to it otherwise.
class InnerCalls::Exchange : public http::Exchange {
 public:
  Exchange(InnerCalls& calls, uint64_t number, CallRequest request, size_t most_reply, Done done)
      : calls_(calls),
        number_(number),
        request_(std::move(request)),
        most_reply_(most_reply),
        done_(std::move(done)) {}

  // May destroy this, as every Flush may.
  void Begin();

  void Respond(unsigned status, http::Fields fields) override {
    reply_.status = status;
    for (const http::Field& field : fields) reply_.fields.emplace_back(field.name, field.value);
  }
  bool responded() const override { return reply_.status != 0; }
  void Write(std::string_view part) override {
    if (request_.method == "HEAD") return;
    const size_t room = most_reply_ - reply_.body.size();
    reply_.body += part.substr(0, room);
    if (part.size() > room) EndWith(CallReply::End::kCut);
  }
  void Finish(http::Fields) override { EndWith(CallReply::End::kWhole); }
  void Abort() override { EndWith(CallReply::End::kBroken); }
  bool CanWrite() const override { return !over_; }
  void ReadBody() override { wanted_ = true; }
  void Flush() override {
    if (!in_work_) Advance();  // Else whoever called the work goes on from there.
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kPart = 64 << 10;

  void EndWith(CallReply::End end) {
    if (std::exchange(over_, true)) return;
    reply_.end = end;
  }
  void Feed();
  void Advance();

  InnerCalls& calls_;
  const uint64_t number_;
  const CallRequest request_;
  const size_t most_reply_;
  const Done done_;
  const Clock::time_point began_ = Clock::now();
  CallReply reply_;
  size_t given_ = 0;  // Of the request's body.
  bool wanted_ = false, body_over_ = false, over_ = false, in_work_ = false;
  std::unique_ptr<http::Work> work_;
};

void InnerCalls::Exchange::Begin() {
  std::vector<http::Field> fields;
  for (const auto& [name, value] : request_.fields) fields.push_back({name, value});
  const std::string size = std::to_string(request_.body.size());
  if (!request_.body.empty()) fields.push_back({"content-length", size});
  const http::Head head{.method = request_.method,
                        .target = request_.target,
                        .fields = fields,
                        .has_body = !request_.body.empty()};
  in_work_ = true;
  work_ = calls_.handler_.Begin(head, *this);
  work_->Run();
  in_work_ = false;
  Advance();
}

void InnerCalls::Exchange::Feed() {
  wanted_ = false;
  in_work_ = true;
  if (given_ < request_.body.size()) {
    const std::string_view part = std::string_view(request_.body).substr(given_, kPart);
    given_ += part.size();
    work_->OnBody(part);
  } else {
    body_over_ = true;
    work_->OnBodyEnd({});
  }
  in_work_ = false;
}

void InnerCalls::Exchange::Advance() {
  while (wanted_ && !body_over_ && !over_) Feed();
  if (!over_) return;
  reply_.took = Clock::now() - began_;
  calls_.keeper_.Post([done = done_, reply = std::move(reply_)] { done(reply); });
  calls_.End(number_);
}

// Who asked for a call. What is told of it is told while this is there.
class InnerCalls::Handle : public page::Call {
 public:
  Handle(InnerCalls& calls, uint64_t number, Done done)
      : calls_(calls), number_(number), done_(std::make_shared<Done>(std::move(done))) {}
  ~Handle() override {
    calls_.loop_.Post([&calls = calls_, number = number_] { calls.End(number); });
  }
  std::weak_ptr<const Done> done() const { return done_; }

 private:
  InnerCalls& calls_;
  const uint64_t number_;
  const std::shared_ptr<const Done> done_;  // The keeper's: others only point to it.
};

InnerCalls::InnerCalls(loop::Loop& loop, loop::Loop& keeper, http::Handler& handler)
    : loop_(loop), keeper_(keeper), handler_(handler) {}
InnerCalls::~InnerCalls() = default;

void InnerCalls::End(uint64_t number) { exchanges_.erase(number); }

std::unique_ptr<page::Call> InnerCalls::Begin(CallRequest request, size_t most_reply, Done done) {
  const uint64_t number = made_++;
  auto handle = std::make_unique<Handle>(*this, number, std::move(done));
  Done tell = [told = handle->done()](page::CallReply reply) {
    // The call is destroyed by what it is told, perhaps.
    if (const auto now = told.lock()) (*now)(std::move(reply));
  };
  loop_.Post([this, number, most_reply, request = std::move(request), tell = std::move(tell)] {
    const auto at =
        exchanges_
            .emplace(number, std::make_unique<Exchange>(*this, number, request, most_reply, tell))
            .first;
    at->second->Begin();
  });
  return handle;
}

}  // namespace wasmoor::function
