#pragma once

#include <string>
#include <string_view>

#include "cmd/line/executable.h"

namespace wasmoor::cmd {

// The help of one command, for a terminal `width` columns wide; and of all of them.
std::string HelpText(const Executable& executable, const Options& options, size_t width,
                     bool color);
std::string OverviewText(Executable& executable, size_t width, bool color);

// What help and man page share. "wasmoor run [OPTIONS] FILE [ARGS...]", one line each for its
// actions.
Words SectionsOf(const Options& options);  // In the order of their declaration.
std::string SynopsisOf(const Options& options);
std::string LabelOf(const Option& option);  // "-q, --quiet", "--dir HOST[::GUEST][:ro]"
// Its own, and those that all commands have.
Options::Pairs StatusesOf(const Executable& executable, const Options& options);
// "wasmoor COMMAND [OPTIONS] ..."
std::string OverviewSynopsis(Executable& executable);

}  // namespace wasmoor::cmd
