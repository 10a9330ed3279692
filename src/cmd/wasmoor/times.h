#pragma once

#include <chrono>
#include <string>

namespace wasmoor::cmd {

// "just now", "3 minutes ago", "12 days ago", for people. What lies ahead is "in the future".
std::string Ago(std::chrono::system_clock::time_point time,
                std::chrono::system_clock::time_point now);

}  // namespace wasmoor::cmd
