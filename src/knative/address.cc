#include "knative/address.h"

#include "wasmoor/base/printable.h"

namespace wasmoor::knative {

Result<Address> ParseAddress(std::string_view text, uint16_t port) {
  constexpr std::string_view kScheme = "ws://", kSecure = "wss://";
  if (text.starts_with(kSecure))
    return Fail(Code::kInvalidArgument,
                "'{}': the queue-proxy is in the same pod and has no TLS: "
                "write ws://127.0.0.1",
                Printable(text));
  if (port == 0)
    return Fail(Code::kInvalidArgument, "0 is not the port of a queue-proxy: it has 9096");
  std::string_view name = text;
  if (name.starts_with(kScheme)) name.remove_prefix(kScheme.size());
  if (name.ends_with('/')) name.remove_suffix(1);
  if (name == "localhost") name = "127.0.0.1";
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  if (const auto socket = os::NumericAddress(name, port)) {
    const bool is_v6 = socket->storage.ss_family == AF_INET6;
    return Address{.socket = *socket,
                   .authority = fmt::format(fmt::runtime(is_v6 ? "[{}]:{}" : "{}:{}"), name, port)};
  }
  return Fail(Code::kInvalidArgument,
              "'{}' is not the address of a queue-proxy: write ws://127.0.0.1, or another IP "
              "address; names are not looked up",
              Printable(text));
}

}  // namespace wasmoor::knative
