#include "function/catalog/news.h"

namespace wasmoor::function {

void News::Tell(TreeListener& listener) {
  // What is added meanwhile comes after.
  while (!events_.empty()) {
    const auto [what, text] = std::move(events_.front());
    events_.pop_front();
    switch (what) {
      case What::kAppeared: listener.OnAppeared(text); break;
      case What::kChanged: listener.OnChanged(text); break;
      case What::kGone: listener.OnGone(text); break;
      case What::kNotice: listener.OnNotice(text); break;
    }
  }
}

std::vector<std::string> News::Settled() const {
  const auto now = Clock::now();
  std::vector<std::string> settled;
  for (const auto& [function, due] : settling_) {
    if (due <= now) settled.push_back(function);
  }
  return settled;
}

}  // namespace wasmoor::function
