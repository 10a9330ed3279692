#include "function/capacity.h"

#include <unistd.h>

#include <algorithm>

#include "wasmoor/os/scheduling.h"

namespace wasmoor::function {
namespace {

constexpr uint64_t kMillicores = 1000;
// For the server itself: code, connections, what is kept of guests that have ended.
constexpr uint64_t kOwnMemory = 64 << 20;
constexpr uint64_t kLeastMemory = 16 << 20;
// Of a machine whose memory nobody has limited, so much is others'.
constexpr uint64_t kOthersPart = 4;
// Of the memory for guests, no more than so much is for those that wait for another request.
constexpr uint64_t kIdlePart = 4;

uint64_t MachineMemory() {
  return static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

uint64_t Times(uint64_t amount, double factor) {
  return static_cast<uint64_t>(static_cast<double>(amount) * factor);
}

}  // namespace

Supply FindSupply(const ServerSettings& settings, const cgroup::OwnLimits& limits) {
  Supply supply;
  supply.millicores = std::min(os::CpuCount() * kMillicores, limits.millicores);
  // A part of a CPU is a reason for a loop, too.
  supply.cpus = static_cast<uint32_t>((supply.millicores + kMillicores - 1) / kMillicores);
  if (settings.loops != 0) supply.cpus = settings.loops;
  const uint64_t machine = MachineMemory();
  const uint64_t own =
      limits.memory_bytes < machine ? limits.memory_bytes : machine - machine / kOthersPart;
  const uint64_t left = std::max(own, kOwnMemory + kLeastMemory) - kOwnMemory;
  const uint64_t all = settings.memory_bytes != 0 ? settings.memory_bytes : left;
  supply.idle_memory_bytes = std::min(settings.idle_memory_bytes, all / kIdlePart);
  supply.memory_bytes = settings.memory_bytes != 0 ? all : all - supply.idle_memory_bytes;
  supply.memory_bytes = std::max(supply.memory_bytes, kLeastMemory);
  return supply;
}

Capacity CapacityOf(const ServerSettings& settings, const Supply& supply) {
  Capacity capacity;
  capacity.running = {.millicores = Times(supply.millicores, settings.overcommit),
                      .memory_bytes = supply.memory_bytes,
                      .requests = settings.guests};
  capacity.waiting = {.millicores = Times(capacity.running.millicores, settings.queue_factor),
                      .memory_bytes = Times(capacity.running.memory_bytes, settings.queue_factor),
                      .requests = settings.queue_requests};
  return capacity;
}

Allowance MostOf(const ServerSettings& settings, const Supply& supply) {
  Allowance most = settings.most;
  if (most.millicores == 0) most.millicores = static_cast<uint32_t>(supply.millicores);
  if (most.memory_bytes == 0) most.memory_bytes = supply.memory_bytes;
  return most;
}

}  // namespace wasmoor::function
