#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wasmoor/base/result.h"

// The capabilities of the calling thread (capabilities(7)), as sets of bits: bit N is capability N.
namespace wasmoor::os {

struct CapabilitySets {
  uint64_t bounding = 0, effective = 0, inheritable = 0, permitted = 0, ambient = 0;
};

constexpr uint64_t CapabilityBit(int capability) { return uint64_t{1} << capability; }

// The number of "CAP_CHOWN". kInvalidArgument: nobody knows it; kUnimplemented: this kernel does
// not.
Result<int> ParseCapability(std::string_view name);
std::string CapabilityName(int capability);  // "CAP_CHOWN"; "capability 63" if it has no name.
int LastCapability();                        // The largest number that this kernel knows.

CapabilitySets GetCapabilities();

// Whether the process is root, and not only in a user namespace that has some of the ids.
bool IsRootOfMachine();

// The permitted set stays when the user changes from root to another (PR_SET_KEEPCAPS), until the
// next exec. The effective one does not, and comes back with SetCapabilities.
Status KeepCapabilities();

// Takes what is not in `keep` out of the bounding set, for good. Needs CAP_SETPCAP if there is
// something to take, so it comes before the other sets.
Status LimitBounding(uint64_t keep);

// The effective, permitted, inheritable and ambient sets. kPermissionDenied names what the thread
// would have to have. Ambient ones must be permitted and inheritable (kInvalidArgument).
Status SetCapabilities(const CapabilitySets& sets);

}  // namespace wasmoor::os
