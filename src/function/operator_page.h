#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "function/inner_calls.h"
#include "function/overview.h"
#include "function/page/page.h"

namespace wasmoor::function {

// The page of a server, at its admin addresses: what it shows, and how it calls functions. On the
// keeper's thread.
class OperatorPage {
 public:
  // Calls go to each of `calls` in turn, which outlive it.
  OperatorPage(Overview::Sources sources, std::vector<InnerCalls*> calls,
               std::vector<std::string> hosts);
  OperatorPage(const OperatorPage&) = delete;
  OperatorPage& operator=(const OperatorPage&) = delete;

  void Tick() { overview_.Tick(); }  // Each second.
  http::Handler& handler() { return page_; }

 private:
  Overview overview_;
  const std::string host_;  // What called functions are told that they are called by.
  const std::vector<InnerCalls*> calls_;
  size_t next_ = 0;
  page::Page page_;
};

}  // namespace wasmoor::function
