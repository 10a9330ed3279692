#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>

// Numbers as people read them, in columns: short, and nothing where there is nothing.
namespace wasmoor::function::page {

std::string CountText(double count);      // "12,345"
std::string RateText(double per_second);  // "0", "<0.1", "3.4", "12,345"
std::string CpusText(double cpus);        // "0", "0.25"
std::string TimeText(double seconds);     // "1.2 ms", "45 µs"; kNone is "–", kBeyond ">30 s"
std::string SpanText(double seconds);     // "0", "12.3 s", "4 h 5 min"
std::string AgoText(std::chrono::nanoseconds age);  // "just now", "12 s ago"
std::string SizeText(double bytes);                 // "1.5 MiB", "200 MiB"; "–" for none
std::string MillicoresText(double millicores);
std::string ClockText(std::chrono::system_clock::time_point time);  // "2031-02-03 04:05:06 UTC"

// Where a part `share` (0.99) of what was counted is below: counts[i] are those up to bounds[i] and
// above the bound before, in which they are taken to be spread evenly; the last are those beyond
// all bounds. kNone where nothing was counted, kBeyond where it lies beyond.
double Quantile(std::span<const double> bounds, std::span<const uint64_t> counts, double share);

}  // namespace wasmoor::function::page
