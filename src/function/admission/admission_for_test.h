#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "wasmoor/function/admission/admission.h"

namespace wasmoor::function {

// A clock that goes when it is told to.
class HandClock {
 public:
  void Pass(std::chrono::nanoseconds time) { now_ += time; }
  AdmissionOptions Options(std::chrono::nanoseconds patience = std::chrono::seconds(1)) {
    return {.patience = patience, .now = [this] { return now_; }};
  }

 private:
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
};

// A ticket that notes what it is told in a list that it shares with others.
class Client : public Waiter {
 public:
  using Notes = std::vector<std::string>;
  Client(std::string name, Tenant& tenant, Ask ask, Notes* notes)
      : name(std::move(name)), ticket(tenant, ask, *this), notes_(notes) {}

  void OnAdmitted() override {
    notes_->push_back(name);
    if (then) then();
  }
  void OnRefused(const Verdict& verdict) override {
    refusal = verdict;
    notes_->push_back("no " + name);
    if (then) then();
  }

  const std::string name;
  Ticket ticket;
  Verdict refusal;
  std::function<void()> then;  // Within the call.

 private:
  Notes* const notes_;
};

}  // namespace wasmoor::function
