#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "function/capacity.h"
#include "function/numbers.h"
#include "function/page/snapshot.h"
#include "function/totals.h"
#include "wasmoor/function/admission/admission.h"
#include "wasmoor/function/catalog/catalog.h"
#include "wasmoor/function/lanes/lanes.h"
#include "wasmoor/function/server.h"

namespace wasmoor::function {

// What an operator is shown of a server (page/page.h): how it was in the last two minutes, and,
// when it is asked for, everything as it is. On the keeper's thread.
class Overview {
 public:
  using Sums = std::map<std::string, Numbers, std::less<>>;
  struct Sources {
    const ServerSettings& settings;
    const Supply& supply;
    const Capacity capacity;
    const Totals& totals;
    const Admission& admission;
    const Lanes& lanes;
    std::string cpu_limits;                   // How they are kept.
    std::vector<std::string> addresses;       // Where functions are called.
    std::function<const Catalog*()> catalog;  // Null: the server ends.
    std::function<Status()> ready;
    using Tenants = std::vector<std::pair<std::string, std::shared_ptr<const Tenant>>>;
    std::function<Tenants()> tenants;  // Those that have asked for something.
  };
  explicit Overview(Sources sources) : sources_(std::move(sources)) {}

  void Tick();  // Each second.

  // About a second old at most, so that several who watch cost no more than one.
  std::shared_ptr<const page::Snapshot> Now();
  std::optional<page::Detail> DetailOf(std::string_view function) const;
  const std::vector<std::string>& addresses() const { return sources_.addresses; }

 private:
  using Clock = std::chrono::steady_clock;
  // What had been counted at some time.
  struct Mark {
    Clock::time_point at = Clock::now();
    Sums sums;
  };
  struct Second {
    Numbers all;
    double memory = 0, waiting = 0;
  };

  using Tenants = std::map<std::string, page::TenantRow, std::less<>>;

  page::Snapshot Make() const;
  void AddServer(page::Snapshot* snapshot) const;
  void AddFunctions(Tenants* tenants, page::Snapshot* snapshot) const;
  void AddNumbers(Tenants* tenants, page::Snapshot* snapshot) const;
  void AddAdmitted(Tenants* tenants) const;
  void AddHistory(page::Snapshot* snapshot) const;
  Numbers Before(std::string_view function) const;
  double Window() const;  // Seconds that the last seconds are.

  const Sources sources_;
  const Clock::time_point began_ = Clock::now();
  Mark before_, later_;  // The last seconds are those since `before_`.
  std::deque<Second> seconds_;
  std::shared_ptr<const page::Snapshot> made_;
  Clock::time_point made_at_;
};

}  // namespace wasmoor::function
