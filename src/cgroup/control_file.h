#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"

// The files of a control group: small texts that the kernel makes at each read and parses at each
// write. Errors have the kernel's errno and name the file.
namespace wasmoor::cgroup {

// A group's directory, and one that is made if it is not there.
Result<os::Fd> OpenGroup(const std::string& path);
Result<os::Fd> MakeGroup(const std::string& path);

// The paths of the groups right below one; none if it is not there.
std::vector<std::string> GroupsIn(const std::string& path);
// Removes a group and all below it, but for those that have members, or groups that have.
void RemoveEmpty(const std::string& path);

// One write(2): the kernel takes each as one value.
Status WriteControl(const os::Fd& group, const std::string& file, std::string_view value);
Result<std::string> ReadControl(const os::Fd& group, const std::string& file);
bool HasControl(const os::Fd& group, const std::string& file);

// A number; "max" and v1's largest multiple of a page are kUnlimited of stats.h, -1 too.
Result<uint64_t> ReadNumber(const os::Fd& group, const std::string& file);
// For statistics, where what a kernel lacks is not told.
uint64_t ReadNumberOr(const os::Fd& group, const std::string& file, uint64_t otherwise);
std::string ReadControlOrNothing(const os::Fd& group, const std::string& file);

// A number as the files have it; kUnlimited if it is larger than 64 bits, 0 if it is none.
uint64_t ToNumber(std::string_view text);

// Takes the part of `*text` before the first `separator` away, which it returns; the rest is empty
// in the end.
std::string_view TakeUntil(std::string_view* text, char separator);

// Calls with the key and the rest of each line ("nr_periods 12").
template <typename Function>
void EachLine(std::string_view text, Function function) {
  while (!text.empty()) {
    std::string_view line = TakeUntil(&text, '\n');
    const std::string_view key = TakeUntil(&line, ' ');
    if (!key.empty()) function(key, line);
  }
}

// The value of a line of "key value" lines; 0 if there is none.
uint64_t NumberOf(std::string_view text, std::string_view key);

}  // namespace wasmoor::cgroup
