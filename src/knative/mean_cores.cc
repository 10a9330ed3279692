#include "wasmoor/knative/mean_cores.h"

#include <algorithm>

namespace wasmoor::knative {

using std::chrono::duration;
using std::chrono::nanoseconds;
using Seconds = duration<double>;

MeanCores::MeanCores(nanoseconds window)
    : window_(
          std::clamp<nanoseconds>(window, std::chrono::milliseconds(1), std::chrono::hours(24))) {}

void MeanCores::Add(std::chrono::steady_clock::time_point now, nanoseconds cpu_time) {
  if (!readings_.empty() && cpu_time < readings_.back().cpu_time) readings_.clear();
  // The last reading stands for those that are closer to the one before it than that.
  const nanoseconds distance = window_ / (kMostReadings - 2);
  if (readings_.size() > 1 &&
      readings_.back().time - readings_[readings_.size() - 2].time < distance)
    readings_.pop_back();
  if (!readings_.empty() && now <= readings_.back().time) {
    readings_.back().cpu_time = cpu_time;
    return;
  }
  readings_.push_back({now, cpu_time});
  while (readings_.size() > 2 && now - readings_[1].time >= window_) readings_.pop_front();
}

double MeanCores::Mean() const {
  if (readings_.size() < 2) return 0;
  const Reading& last = readings_.back();
  Reading first = readings_.front();
  // What was used between the one reading before the window's begin and the first in it is taken as
  // even.
  const auto begin = last.time - window_;
  if (first.time < begin) {
    const Reading& second = readings_[1];
    const double part = Seconds(begin - first.time) / Seconds(second.time - first.time);
    first.cpu_time += nanoseconds(static_cast<nanoseconds::rep>(
        part * static_cast<double>((second.cpu_time - first.cpu_time).count())));
    first.time = begin;
  }
  return Seconds(last.cpu_time - first.cpu_time) / Seconds(last.time - first.time);
}

}  // namespace wasmoor::knative
