#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "function/front.h"
#include "function/idle_instances.h"
#include "serve/names.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::function {

// What serves the functions that are components of wasi:http: made by a thread that may open what
// they are granted, once for each that is in force.
class Handlers {
 public:
  using Say = std::function<void(std::string_view function, std::string_view lines)>;
  Handlers(Say say, const IdleInstances::Most& idle)
      : say_(std::move(say)), idle_(std::make_shared<IdleInstances>(idle)) {}

  // An error if it cannot be served; it names the function.
  Result<Served> Of(const std::shared_ptr<const Ready>& ready);
  void Forget(const std::string& function) { made_.erase(function); }

  IdleInstances& idle() const { return *idle_; }

 private:
  const Say say_;
  const std::shared_ptr<serve::Names> names_ = std::make_shared<serve::Names>();
  const std::shared_ptr<IdleInstances> idle_;
  std::map<std::string, Served, std::less<>> made_;
};

}  // namespace wasmoor::function
