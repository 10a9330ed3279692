#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <functional>
#include <string>

#include "support/child.h"
#include "support/result.h"
#include "wasmoor/seccomp/program.h"

// What the tests of filters share: a process that puts one on itself.
namespace wasmoor::seccomp {

using test::InChild;
using test::Must;

constexpr int kNotInstalled = 250;

// How a process ends that runs `body` below a filter.
inline std::string Below(const Program& program, const std::function<int()>& body) {
  return InChild([&] {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const auto installed = Install(program);
    return installed ? body() : kNotInstalled;
  });
}

}  // namespace wasmoor::seccomp
