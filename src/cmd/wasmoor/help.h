#pragma once

#include <string>
#include <string_view>

#include "cmd/wasmoor/command.h"

namespace wasmoor::cmd {

// The help of one command, for a terminal `width` columns wide.
std::string HelpText(const Options& options, size_t width, bool color);
std::string OverviewText(size_t width, bool color);
std::string VersionText(bool json);  // wasmoor's own version and its engines'.

// What help and man page share. "wasmoor run [OPTIONS] FILE [ARGS...]", one line each for its
// actions.
Words SectionsOf(const Options& options);  // In the order of their declaration.
std::string SynopsisOf(const Options& options);
std::string LabelOf(const Option& option);          // "-q, --quiet", "--dir HOST[::GUEST][:ro]"
Options::Pairs StatusesOf(const Options& options);  // Its own, and those that all commands have.

}  // namespace wasmoor::cmd
