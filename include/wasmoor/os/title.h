#pragma once

#include <span>
#include <string>

namespace wasmoor::os {

// Shows this process, which has become another program without an exec, as that: `words` as its
// command line, as far as the one of its start leaves room (proc_pid_cmdline(5)), the file name of
// words[0] as its name (proc_pid_comm(5)), and an empty environment (proc_pid_environ(5)). Who
// looks at it sees nothing any more of whoever started it, nor does the process itself: getenv(3)
// finds nothing. Once, with one thread.
void ShowAs(std::span<const std::string> words);

}  // namespace wasmoor::os
