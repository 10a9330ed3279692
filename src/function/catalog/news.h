#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace wasmoor::function {

// Hears of the functions in a directory. May call the tree that tells it.
class TreeListener {
 public:
  virtual ~TreeListener() = default;
  // There is one of this name. Its file may be in the middle of being written.
  virtual void OnAppeared(const std::string& function) = 0;
  // Its files are others than they were, or complete now.
  virtual void OnChanged(const std::string& function) = 0;
  virtual void OnGone(const std::string& function) = 0;
  virtual void OnNotice(const std::string& line) = 0;  // For an operator.
};

// What was seen and is to be told, in its order, when nobody is in the middle of looking; and what
// was seen to change and may go on to.
class News {
 public:
  using Clock = std::chrono::steady_clock;
  // A file that nobody says to be complete is taken to be when it has stayed as it is for so long.
  static constexpr std::chrono::milliseconds kSettleTime{100};

  void Appeared(std::string function) { Add(What::kAppeared, std::move(function)); }
  void Changed(const std::string& function) {
    settling_.erase(function);
    Add(What::kChanged, function);
  }
  void Gone(const std::string& function) {
    settling_.erase(function);
    Add(What::kGone, function);
  }
  void Notice(std::string line) { Add(What::kNotice, std::move(line)); }
  void Tell(TreeListener& listener);
  bool empty() const { return events_.empty(); }

  // What is there at the start is not news.
  void Settle(const std::string& function) {
    if (!starting_) settling_[function] = Clock::now() + kSettleTime;
  }
  void EndStart() { starting_ = false; }
  bool IsSettling(const std::string& function) const { return settling_.contains(function); }
  bool settling() const { return !settling_.empty(); }
  // Those that have had their time.
  std::vector<std::string> Settled() const;

 private:
  enum class What : uint8_t { kAppeared, kChanged, kGone, kNotice };
  void Add(What what, std::string text) { events_.emplace_back(what, std::move(text)); }

  std::deque<std::pair<What, std::string>> events_;
  std::map<std::string, Clock::time_point> settling_;
  bool starting_ = true;
};

}  // namespace wasmoor::function
