#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "function/front.h"
#include "serve/names.h"
#include "wasmoor/wasm/http.h"

namespace wasmoor::function {

// What serves the functions that are components of wasi:http: made by a thread that may open what
// they are granted, once for each that is in force.
class Handlers {
 public:
  using Say = std::function<void(std::string_view function, std::string_view lines)>;
  explicit Handlers(Say say) : say_(std::move(say)) {}

  // An error if it cannot be served; it names the function.
  Result<Served> Of(const std::shared_ptr<const Ready>& ready);
  void Forget(const std::string& function) { made_.erase(function); }

 private:
  const Say say_;
  const std::shared_ptr<serve::Names> names_ = std::make_shared<serve::Names>();
  std::map<std::string, Served, std::less<>> made_;
};

}  // namespace wasmoor::function
