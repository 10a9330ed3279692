#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a process counts of itself, and how Prometheus reads it (its text format, version 0.0.4).
// Names are wasmoor_<room>_<what>_<unit>, those of counters with _total at their end; a name or a
// label that the format does not allow, and one that is there twice, is a defect of the program and
// ends it. What a series costs is paid once, so a label is for what has few values: where a metric
// has kMostSeries, further ones are counted as one whose labels are all "other". Everything here
// belongs to one thread.
namespace wasmoor::telemetry {

constexpr size_t kMostSeries = 1000;     // Of one metric.
constexpr size_t kMostLabelBytes = 128;  // Of a label's value; the rest is cut off.

enum class Kind : uint8_t { kCounter, kGauge, kHistogram };

// What only grows.
class Counter {
 public:
  void Add(double amount = 1) { value_ += amount; }  // Not negative.
  double value() const { return value_; }

 private:
  double value_ = 0;
};

// What goes up and down.
class Gauge {
 public:
  void Set(double value) { value_ = value; }
  void Add(double amount) { value_ += amount; }
  double value() const { return value_; }

 private:
  double value_ = 0;
};

// How values are spread: how many are no greater than each bound.
class Histogram {
 public:
  // Rising, and as long as this lives.
  explicit Histogram(std::span<const double> bounds)
      : bounds_(bounds), counts_(bounds.size() + 1) {}
  void Observe(double value);

  std::span<const double> bounds() const { return bounds_; }
  // Between each bound and the one before it; the last are those beyond all bounds.
  std::span<const uint64_t> counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  std::span<const double> bounds_;
  std::vector<uint64_t> counts_;
  double sum_ = 0;
};

struct Label {
  std::string_view name, value;
};

// The answer to one scrape, in the making.
class Page {
 public:
  // Begins a metric; all its series follow.
  void Begin(Kind kind, std::string_view name, std::string_view help);
  // One series of the metric begun. The caller takes care that no two have the same labels; after
  // kMostSeries of them the rest is left out.
  void Add(std::span<const Label> labels, double value);
  void Add(std::initializer_list<Label> labels, double value) {
    Add(std::span(labels.begin(), labels.size()), value);
  }

  // The same of kHistogram, as Histogram has them.
  void Add(std::span<const Label> labels, std::span<const double> bounds,
           std::span<const uint64_t> counts, double sum);

  std::string Take() { return std::move(text_); }

 private:
  template <typename T>
  friend class Family;
  void Line(std::string_view suffix, std::span<const Label> labels, double value);
  void Write(std::span<const Label> labels, std::span<const double> bounds,
             std::span<const uint64_t> counts, double sum);

  std::string text_, name_;
  size_t series_ = 0;
  std::map<std::string, bool, std::less<>> begun_;
};

class AnyFamily {
 public:
  virtual ~AnyFamily() = default;
  virtual void WriteTo(Page* page) const = 0;
};

// All series of one metric, which differ in the values of its labels. T: Counter, Gauge, Histogram.
template <typename T>
class Family : public AnyFamily {
 public:
  // The series with these values, one for each label in their order; it is made when it is asked
  // for first, and lives as long as the registry.
  T& With(std::initializer_list<std::string_view> values = {});

 private:
  friend class Registry;
  struct Series {
    std::vector<std::string> values;
    T metric;
  };
  Family(std::string name, std::string help, std::vector<std::string> labels,
         std::vector<double> bounds);
  void WriteTo(Page* page) const override;
  T Make() const;

  const std::string name_, help_;
  const std::vector<std::string> labels_;
  const std::vector<double> bounds_;
  std::map<std::string, Series, std::less<>> series_;  // By their values, with NUL between them.
};

// The metrics of a process. What is kept elsewhere anyway is asked for at a scrape, by a collector:
// it costs nothing in between.
class Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // `help` is a sentence. The family is the registry's.
  Family<Counter>& Counters(std::string name, std::string help,
                            std::vector<std::string> labels = {});
  Family<Gauge>& Gauges(std::string name, std::string help, std::vector<std::string> labels = {});
  // `bounds` rise; the one at infinity is there by itself.
  Family<Histogram>& Histograms(std::string name, std::string help, std::vector<double> bounds,
                                std::vector<std::string> labels = {});

  // Called at every scrape, while who scrapes waits. What it refers to outlives the registry.
  void Collect(std::function<void(Page&)> collector);

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";
  std::string Scrape() const;

 private:
  std::vector<std::unique_ptr<AnyFamily>> families_;
  std::vector<std::function<void(Page&)>> collectors_;
};

// Bounds for durations in seconds, from a millisecond to a minute.
std::vector<double> SecondsBounds();

}  // namespace wasmoor::telemetry
