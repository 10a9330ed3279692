#include "function/operator_page.h"

#include <algorithm>
#include <utility>

#include "function/head.h"
#include "function/page/invocation.h"

#include "wasmoor/base/ascii.h"

namespace wasmoor::function {
namespace {

// As a client that got there by one of the server's addresses would say it.
std::string HostOf(const std::vector<std::string>& addresses) {
  const auto found = std::find_if(addresses.begin(), addresses.end(), [](const auto& address) {
    return !address.starts_with("unix:");
  });
  return found == addresses.end() ? "localhost" : *found;
}

}  // namespace

OperatorPage::OperatorPage(Overview::Sources sources, std::vector<InnerCalls*> calls,
                           std::vector<std::string> hosts)
    : overview_(std::move(sources)),
      host_(HostOf(overview_.addresses())),
      calls_(std::move(calls)),
      page_({.snapshot = [this] { return overview_.Now(); },
             .detail = [this](std::string_view name) { return overview_.DetailOf(name); },
             .call =
                 [this](page::CallRequest request, InnerCalls::Done done) {
                   const auto is_host = [](const auto& field) {
                     return IsSameName(field.first, "host");
                   };
                   auto& fields = request.fields;
                   if (std::none_of(fields.begin(), fields.end(), is_host))
                     fields.emplace(fields.begin(), "host", host_);
                   return calls_[next_++ % calls_.size()]->Begin(
                       std::move(request), page::kMostReplyBody, std::move(done));
                 },
             .hosts = std::move(hosts)}) {}

}  // namespace wasmoor::function
