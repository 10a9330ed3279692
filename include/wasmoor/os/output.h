#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "wasmoor/base/result.h"
#include "wasmoor/os/fd.h"
#include "wasmoor/os/pending.h"

namespace wasmoor::os {

// The path of an executable file called `name` in one of the absolute folders of $PATH. Reads the
// environment.
std::optional<std::string> FindProgram(std::string_view name);

struct Output {
  int status = 0;    // As a shell has it: the exit status, or 128 + the signal.
  std::string text;  // Its standard output, as much of it as was asked for.
};
constexpr size_t kUsualOutput = 64 << 10;

// Runs a program and waits for it, with /dev/null as its standard input and standard error and with
// no other descriptor of this process. It is killed if it takes longer than `patience`
// (kDeadlineExceeded). arguments[0] is the name it goes by. Any thread.
Result<Output> ReadOutput(const std::string& program, std::span<const std::string> arguments,
                          std::chrono::milliseconds patience, size_t most_bytes = kUsualOutput);

// Starts this very program, whatever became of its name, with `input` as its standard input: its
// output and status are there when it has ended. Killed if that is not waited for.
Result<std::unique_ptr<Pending<Output>>> StartSelf(std::span<const std::string> arguments,
                                                   const Fd& input);

}  // namespace wasmoor::os
