#include "wasmoor/sandbox/find_module.h"

#include <utility>

#include "wasmoor/oci/bundle.h"

namespace wasmoor::sandbox {

void FindModuleInstead(const FindModule& find, const std::string& id, const std::string& bundle,
                       Error why, Done<os::Fd> done) {
  const auto opened = oci::Bundle::Open(bundle);
  const bool named = opened && opened->spec.process && !opened->spec.process->args.empty();
  if (!named) return done(tl::unexpected(std::move(why)));
  find(id, opened->spec.process->args.front(),
       [why = std::move(why), done = std::move(done)](Result<os::Fd> found) {
         if (found) return done(std::move(found));
         const Error& error = found.error();
         if (error.code() == Code::kInvalidArgument || error.code() == Code::kFailedPrecondition)
           return done(std::move(found));
         done(Fail(why.code(), "{}; {}", why.message(), error.message()));
       });
}

}  // namespace wasmoor::sandbox
