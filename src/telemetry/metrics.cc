#include "wasmoor/telemetry/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <type_traits>
#include <utility>

#include "wasmoor/base/check.h"
#include "wasmoor/base/printable.h"

namespace wasmoor::telemetry {
namespace {

constexpr double kMostExact = 1LL << 53;  // Beyond it a double does not have every integer.
constexpr std::string_view kOther = "other";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Of metrics and of labels, for both of which the colon is better left to recording rules.
bool IsName(std::string_view text) {
  return !text.empty() && IsLetter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLetter(c) || (c >= '0' && c <= '9'); });
}

// At most so many bytes of it, and no part of a character.
std::string_view Cut(std::string_view text) {
  if (text.size() <= kMostLabelBytes) return text;
  constexpr size_t kMostContinuation = 3;
  size_t end = kMostLabelBytes;
  while (end > kMostLabelBytes - kMostContinuation && (text[end] & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

// A label's value as it is kept. What is clean stays as it is.
std::string Clean(std::string_view value) { return std::string(Cut(Printable(Cut(value)))); }

void AppendEscaped(std::string_view text, bool quotes, std::string* out) {
  for (const char c : text) {
    if (c == '\n') {
      *out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) *out += '\\';
    *out += c;
  }
}

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (std::trunc(value) == value && std::abs(value) < kMostExact)
    return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{}", value);
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kCounter: return "counter";
    case Kind::kGauge: return "gauge";
    case Kind::kHistogram: return "histogram";
  }
  return "untyped";
}

template <typename T>
constexpr Kind kKindOf = Kind::kGauge;
template <>
constexpr Kind kKindOf<Counter> = Kind::kCounter;
template <>
constexpr Kind kKindOf<Histogram> = Kind::kHistogram;

}  // namespace

void Histogram::Observe(double value) {
  // Not a number is beyond all bounds.
  const auto bound = std::find_if(bounds_.begin(), bounds_.end(),
                                  [value](double upper) { return value <= upper; });
  ++counts_[bound - bounds_.begin()];
  sum_ += value;
}

void Page::Begin(Kind kind, std::string_view name, std::string_view help) {
  CHECK(IsName(name));
  // All lines of a metric stand together; two that tell of the same would be refused as a whole.
  CHECK(begun_.emplace(name, true).second);
  name_ = name;
  series_ = 0;
  text_.append("# HELP ").append(name).append(" ");
  AppendEscaped(help, /*quotes=*/false, &text_);
  text_.append("\n# TYPE ").append(name).append(" ").append(KindName(kind)).append("\n");
}

void Page::Add(std::span<const Label> labels, double value) {
  if (++series_ <= kMostSeries) Line({}, labels, value);
}

void Page::Line(std::string_view suffix, std::span<const Label> labels, double value) {
  text_.append(name_).append(suffix);
  char before = '{';
  for (const Label& label : labels) {
    CHECK(IsName(label.name));
    text_ += before;
    text_.append(label.name).append("=\"");
    AppendEscaped(Clean(label.value), /*quotes=*/true, &text_);
    text_ += '"';
    before = ',';
  }
  if (before == ',') text_ += '}';
  text_.append(" ").append(NumberText(value)).append("\n");
}

void Page::Add(std::span<const Label> labels, std::span<const double> bounds,
               std::span<const uint64_t> counts, double sum) {
  if (++series_ <= kMostSeries) Write(labels, bounds, counts, sum);
}

void Page::Write(std::span<const Label> labels, std::span<const double> bounds,
                 std::span<const uint64_t> counts, double sum) {
  std::vector<Label> with_bound(labels.begin(), labels.end());
  with_bound.push_back({});
  uint64_t count = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    const bool is_last = i == bounds.size();
    const std::string bound = is_last ? "+Inf" : NumberText(bounds[i]);
    with_bound.back() = {"le", bound};
    Line("_bucket", with_bound, static_cast<double>(count));
  }
  Line("_sum", labels, sum);
  Line("_count", labels, static_cast<double>(count));
}

template <typename T>
Family<T>::Family(std::string name, std::string help, std::vector<std::string> labels,
                  std::vector<double> bounds)
    : name_(std::move(name)),
      help_(std::move(help)),
      labels_(std::move(labels)),
      bounds_(std::move(bounds)) {
  CHECK(IsName(name_));
  CHECK(std::adjacent_find(bounds_.begin(), bounds_.end(), std::greater_equal<>()) ==
        bounds_.end());
  // One without labels has one series, which is there from the start: so it is seen to be zero.
  if (labels_.empty()) With({});
}

template <typename T>
T Family<T>::Make() const {
  if constexpr (std::is_same_v<T, Histogram>) {
    return Histogram(bounds_);
  } else {
    return T();
  }
}

template <typename T>
T& Family<T>::With(std::initializer_list<std::string_view> values) {
  CHECK(values.size() == labels_.size());
  std::vector<std::string> clean;
  std::string key;
  const auto note = [&](std::string value) {
    key.append(value).push_back('\0');
    clean.push_back(std::move(value));
  };
  for (const std::string_view value : values) note(Clean(value));
  if (const auto found = series_.find(key); found != series_.end()) return found->second.metric;
  if (series_.size() >= kMostSeries - 1) {
    clean.clear();
    key.clear();
    for (size_t i = 0; i < labels_.size(); ++i) note(std::string(kOther));
  }
  Series made = {.values = std::move(clean), .metric = Make()};
  return series_.try_emplace(std::move(key), std::move(made)).first->second.metric;
}

template <typename T>
void Family<T>::WriteTo(Page* page) const {
  page->Begin(kKindOf<T>, name_, help_);
  for (const auto& [key, series] : series_) {
    std::vector<Label> labels;
    for (size_t i = 0; i < labels_.size(); ++i) labels.push_back({labels_[i], series.values[i]});
    if constexpr (std::is_same_v<T, Histogram>) {
      page->Write(labels, series.metric.bounds(), series.metric.counts(), series.metric.sum());
    } else {
      page->Add(labels, series.metric.value());
    }
  }
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

Family<Counter>& Registry::Counters(std::string name, std::string help,
                                    std::vector<std::string> labels) {
  auto* family = new Family<Counter>(std::move(name), std::move(help), std::move(labels), {});
  families_.emplace_back(family);
  return *family;
}

Family<Gauge>& Registry::Gauges(std::string name, std::string help,
                                std::vector<std::string> labels) {
  auto* family = new Family<Gauge>(std::move(name), std::move(help), std::move(labels), {});
  families_.emplace_back(family);
  return *family;
}

Family<Histogram>& Registry::Histograms(std::string name, std::string help,
                                        std::vector<double> bounds,
                                        std::vector<std::string> labels) {
  auto* family =
      new Family<Histogram>(std::move(name), std::move(help), std::move(labels), std::move(bounds));
  families_.emplace_back(family);
  return *family;
}

void Registry::Collect(std::function<void(Page&)> collector) {
  collectors_.push_back(std::move(collector));
}

std::string Registry::Scrape() const {
  Page page;
  for (const auto& family : families_) family->WriteTo(&page);
  for (const auto& collector : collectors_) collector(page);
  return page.Take();
}

std::vector<double> SecondsBounds() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

}  // namespace wasmoor::telemetry
