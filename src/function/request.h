#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "function/cgi.h"
#include "function/front.h"
#include "function/head.h"
#include "function/reply.h"
#include "function/run.h"
#include "function/target.h"
#include "function/traces.h"

namespace wasmoor::function {

// One request to a function, from its head to the last word about it. It outlives its client, who
// may leave, as long as its guest runs. Belongs to the thread that leads its loop, but for what the
// guest's thread calls.
class Request final : public std::enable_shared_from_this<Request>,
                      private Run::Listener,
                      private wasi::LateEnvironment,
                      private Waiter {
 public:
  Request(Front& front, const http::Head& head, http::Exchange& exchange);
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() override;

  // As http::Work has them.
  void Start();
  void OnBody(std::string_view part);
  void OnBodyEnd();
  void OnBodyBroken();
  void OnWritable();

  // The exchange is over: its client has all of it, or is gone.
  void Leave();

 private:
  using Clock = std::chrono::steady_clock;

  // ---- On its way to its guest.
  bool FindHere();
  void Look();
  void Use(Front::Named& entry, size_t named);
  uint64_t MostOfBody() const;
  std::string BodyTooLarge() const;
  bool WaitsForTurn();
  void Ask();
  void OnAdmitted() override;
  void OnRefused(const Verdict& verdict) override;
  void Turn(const Verdict& verdict);
  void Begin();
  std::vector<std::string> Arguments() const;
  wasm::Invocation Call();
  bool takes_whole_body() const { return function_->kind == Kind::kBindgen; }
  std::shared_ptr<Run> MakeRun();

  // ---- Of its guest.
  void OnAside() override;
  void OnWait() override;
  void OnOutput() override;
  void OnWanted() override;
  void OnError(std::string_view lines) override;
  void Ended() override;
  void AddTo(Variables* environment) override;

  // ---- The response.
  void Carry();
  bool AnswerBegin(bool ended);
  void AnswerWith(const ReplyHead& head);
  void AnswerEnd();
  bool HasBrokenOff();
  void AccountTold();
  void AnswerFailure(End end, unsigned status, std::string_view problem,
                     std::string_view backtrace = {});
  void AddUsage(std::vector<http::Field>* fields);
  void Refuse(unsigned status, std::string_view text, std::string_view retry_after = {});
  void RefuseFor(const Error& error);
  void Write(std::string_view part);
  void Flush();
  void SetDeadline();
  void StreamSoon();
  void TimeOut();
  void Account(End end, std::string_view problem, std::string_view backtrace);

  Front& front_;
  http::Exchange* exchange_;  // Null after Leave.
  const Head head_;
  Target target_;
  size_t named_ = 0;  // Segments of the target that name the function.
  Front::Named* entry_ = nullptr;
  std::shared_ptr<const Ready> function_;  // The entry's, as it was then.
  Allowance allowance_;
  Reply form_ = Reply::kAuto;
  std::string body_;  // Before there is a guest.
  uint64_t body_read_ = 0;
  std::string body_size_;  // Its Content-Length, for the guest.
  bool body_over_ = false, body_broken_ = false;
  std::optional<RequestTrace> trace_;
  std::optional<Ticket> ticket_;
  std::shared_ptr<Run> run_;
  std::shared_ptr<Request> self_;  // While its guest runs.
  loop::Timer deadline_, streaming_;
  const Clock::time_point came_ = Clock::now();
  Clock::time_point began_{};
  std::string unsent_;  // Of the guest's output.
  uint64_t sent_ = 0;
  unsigned status_ = 0;
  bool answered_ = false, ended_ = false, timed_out_ = false, cold_ = false, aside_ = false;
  bool accounted_ = false;
  bool waits_for_turn_ = false;  // With a worker that has enough at hand.
  bool told_ = false;            // The client has the whole of the response; the guest may go on.
  std::string usage_text_;
  std::vector<std::pair<std::string, std::string>> wasmbox_fields_;
};

}  // namespace wasmoor::function
