#include "function/front.h"

#include <utility>

#include "function/request.h"

namespace wasmoor::function {
namespace {

// The connection's hold on a request.
class RequestWork : public http::Work {
 public:
  explicit RequestWork(std::shared_ptr<Request> request) : request_(std::move(request)) {}
  ~RequestWork() override { request_->Leave(); }

  void Run() override { request_->Start(); }
  void OnBody(std::string_view part) override { request_->OnBody(part); }
  void OnBodyEnd(http::Fields) override { request_->OnBodyEnd(); }
  void OnBodyBroken() override { request_->OnBodyBroken(); }
  void OnWritable() override { request_->OnWritable(); }

 private:
  const std::shared_ptr<Request> request_;
};

}  // namespace

std::unique_ptr<http::Work> Front::Begin(const http::Head& head, http::Exchange& exchange) {
  return std::make_unique<RequestWork>(std::make_shared<Request>(*this, head, exchange));
}

Front::Named& Front::At(const std::string& name) { return *entries_.try_emplace(name).first; }

Front::Named* Front::Find(std::string_view name) {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &*found;
}

void Front::Set(const std::string& name, Served served) {
  if (served.ready == nullptr) {
    Named* const named = Find(name);
    if (named == nullptr) return;
    named->second.ready = nullptr;
    named->second.handler = nullptr;
    named->second.reuse = nullptr;
    return;
  }
  Entry& entry = At(name).second;
  if (entry.tenant == nullptr) entry.tenant = common_.TenantOf(served.ready->tenant);
  entry.ready = std::move(served.ready);
  entry.handler = std::move(served.handler);
  entry.reuse = std::move(served.reuse);
}

void Front::Changed(Named& entry) {
  if (std::exchange(entry.second.changed, true)) return;
  changed_.push_back(&entry);
}

std::vector<std::pair<std::string, Numbers>> Front::TakeNews() {
  std::vector<std::pair<std::string, Numbers>> news;
  news.reserve(changed_.size());
  for (Named* named : changed_) {
    named->second.changed = false;
    news.emplace_back(named->first, named->second.numbers);
  }
  changed_.clear();
  return news;
}

}  // namespace wasmoor::function
