#pragma once

#include <memory>
#include <span>

#include "wasmoor/base/result.h"
#include "wasmoor/hostcall/function.h"
#include "wasmoor/wasi/grants.h"

namespace wasmoor::wasi {

class DescriptorTable;

// The WASI 0.1 state of one guest: its grants and its descriptor table. Bound to one instance, used on
// that guest's thread only, destroyed after it. Destruction closes every descriptor the guest holds.
class Context {
 public:
  // Takes the grants over. kInvalidArgument for a grant that cannot be expressed (NUL in an argument,
  // '=' in a variable's name), naming it.
  static Result<std::unique_ptr<Context>> Create(Grants grants);
  ~Context();

  const Grants& grants() const { return grants_; }
  DescriptorTable& descriptors() { return *descriptors_; }

 private:
  explicit Context(Grants grants);
  Grants grants_;
  std::unique_ptr<DescriptorTable> descriptors_;
};

// The 46 functions of module wasi_snapshot_preview1, for hostcall::Table::Add<Context>. Source of every
// rule: the witx text of WASI snapshot preview 1.
std::span<const hostcall::Function> Preview1();

}  // namespace wasmoor::wasi
