#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "function/page/call.h"
#include "function/page/snapshot.h"
#include "wasmoor/http/server.h"

namespace wasmoor::function::page {

// What an operator looks at in a browser, made here whole and kept up to date by a little script:
//
//     GET /               functions; /tenants, /failures, /function?name=acme/hello
//     GET /status.json    what these show, for machines: ?view=tenants and the same queries
//     POST /invoke        calls a function (invocation.h)
//
// Where there are many rows, a query has part of them (view.h). On the thread of the server that
// asks it.
class Page : public http::Handler {
 public:
  static constexpr size_t kMostCalls = 8;  // At once.

  struct Options {
    std::function<std::shared_ptr<const Snapshot>()> snapshot;
    std::function<std::optional<Detail>(std::string_view function)> detail;
    Caller call;
    std::vector<std::string> hosts;  // Names under which it is known (guard.h).
  };
  explicit Page(Options options) : options_(std::move(options)) {}

  std::unique_ptr<http::Work> Begin(const http::Head& head, http::Exchange& exchange) override;

 private:
  struct Answer;
  Answer Show(std::string_view path, std::string_view query) const;

  const Options options_;
  size_t calls_ = 0;  // Under way.
};

}  // namespace wasmoor::function::page
