#include "function/handlers.h"

#include "function/preopens.h"
#include "wasmoor/serve/server.h"

namespace wasmoor::function {
namespace {

// What the guests of one function reach.
class Reach : public wasm::HttpHost {
 public:
  Reach(std::string function, std::vector<serve::Destination> allowed, Handlers::Say say,
        std::shared_ptr<serve::Names> names)
      : function_(std::move(function)), say_(std::move(say)), names_(std::move(names)) {
    settings_.allowed = std::move(allowed);
  }

  void Log(int, std::string_view lines) override { say_(function_, lines); }
  bool MayAsk(std::string_view host, uint16_t port) override {
    return settings_.MayAsk(host, port);
  }
  std::vector<Address> Resolve(std::string_view name) override { return names_->Find(name); }

 private:
  const std::string function_;
  serve::Settings settings_;
  const Handlers::Say say_;
  const std::shared_ptr<serve::Names> names_;
};

Result<wasi::Grants> GrantsOf(const Ready& ready) {
  wasi::Grants grants;
  grants.arguments.push_back("/" + ready.function);
  const auto& own = ready.manifest->arguments;
  grants.arguments.insert(grants.arguments.end(), own.begin(), own.end());
  grants.environment = ready.granted->environment;
  for (const wasi::Preopen& one : ready.granted->preopens)
    grants.preopens.push_back(TRY(CopyOf(one)));
  return grants;
}

}  // namespace

Result<Served> Handlers::Of(const std::shared_ptr<const Ready>& ready) {
  // Its streams are descriptors, which guests here have none of.
  if (ready->kind == Kind::kCommand && ready->module->kind() == wasm::ModuleKind::kComponent) {
    return Fail(Code::kFailedPrecondition,
                "function {}: a component that is a program (wasi:cli) cannot be served: build it "
                "for wasi:http, or as a module of WASI 0.1",
                ready->function);
  }
  const Manifest::Reuse& reuse = ready->manifest->reuse;
  if (ready->kind != Kind::kHttp) {
    if (reuse.requests == 1) return Served{.ready = ready, .handler = nullptr, .reuse = nullptr};
    return Fail(Code::kFailedPrecondition,
                "function {}: only a component of wasi:http can serve several requests, and this "
                "ends with each: leave [reuse] out of its manifest",
                ready->function);
  }
  const auto found = made_.find(ready->function);
  if (found != made_.end() && found->second.ready == ready) return found->second;
  const wasi::Grants grants = TRY_AS(GrantsOf(*ready), "function {}", ready->function);
  wasm::HttpOptions options;
  options.process = wasm::HttpOptions::Process::kPooled;
  options.files_where_polled = !grants.preopens.empty();
  options.grants = &grants;
  options.host = std::make_shared<Reach>(ready->function, ready->granted->outgoing, say_, names_);
  Served served{
      .ready = ready,
      .handler = TRY_AS(ready->module->NewHttpHandler(options), "function {}", ready->function),
      .reuse = nullptr};
  if (reuse.requests > 1)
    served.reuse = std::make_shared<Reuse>(idle_, served.handler, reuse.requests, reuse.idle);
  made_[ready->function] = served;
  return served;
}

}  // namespace wasmoor::function
