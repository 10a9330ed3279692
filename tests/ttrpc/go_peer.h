#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "support/child.h"

namespace wasmoor::ttrpc::test {

// Go's side, which is not there where Go could not be had for the build.
inline bool HaveGoPeer() { return ::access(WASMOOR_GO_PEER, X_OK) == 0; }

inline wasmoor::test::Child GoPeer(const std::string& verb, const std::string& path,
                                   const std::string& name = "") {
  return wasmoor::test::Child([&] {
    // What it finds wrong goes to the output of the test.
    ::execl(WASMOOR_GO_PEER, WASMOOR_GO_PEER, verb.c_str(), path.c_str(),
            name.empty() ? nullptr : name.c_str(), nullptr);
    ::perror(WASMOOR_GO_PEER);
    return 127;
  });
}

}  // namespace wasmoor::ttrpc::test
