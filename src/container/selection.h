#pragma once

#include <map>
#include <string>
#include <string_view>

#include "wasmoor/wasm/engine.h"

// Which containers are WebAssembly's. Pure functions of what the configuration says, and of the
// beginning of a file.
namespace wasmoor::container {

// What process.args[0] names: "path" or "path#export".
struct Entrypoint {
  std::string path;
  std::string function;  // Empty: the program's own beginning.
};
Entrypoint ParseEntrypoint(std::string_view word);

enum class Mark : uint8_t {
  kNone,    // Nothing is said: its program tells.
  kWasm,    // It is wasm, whatever its program is.
  kNative,  // It never is: the container that holds a pod's namespaces.
};

// What the annotations of a container say whose program is at `path`: Kata's
// io.katacontainers.platform.wasi/wasm32; crun's run.oci.handler and module.wasm.image/variant, of
// which the "smart" values mark a program by a name that ends in .wasm or .wat; containerd's and
// CRI-O's marks of sandboxes (docs/wasm-containers.md). An engine's name means WebAssembly,
// whichever it is.
Mark MarkOf(const std::map<std::string, std::string>& annotations, std::string_view path);

// The annotation that marks it, as "key=value", for messages; empty if none does.
std::string MarkingAnnotation(const std::map<std::string, std::string>& annotations,
                              std::string_view path);

// Is a file that begins like this WebAssembly? A binary module or component by its magic; the text
// format by its first word, if the file's name ends in .wat too. `head` may be cut at kHeadBytes.
bool LooksLikeWasm(std::string_view path, wasm::Bytes head);
constexpr size_t kHeadBytes = 4096;

}  // namespace wasmoor::container
