#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <span>
#include <string>

#include "cmd/wasmoor/command.h"

namespace wasmoor::cmd {

// How `--help` of a command is laid out, alike for all.
void SetHelpStyle(const Command& command, CLI::App& app);
std::string OverviewText(std::span<const std::unique_ptr<Command>> commands);
std::string VersionText();  // wasmoor's own version and its engines'.

}  // namespace wasmoor::cmd
