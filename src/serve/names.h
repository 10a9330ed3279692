#pragma once

#include <resolv.h>

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "wasmoor/wasm/http.h"

namespace wasmoor::serve {

// Looks names up as the resolver of the C library does: in /etc/hosts and then by DNS, with the
// servers and search domains of /etc/resolv.conf. Both files are read when this is made. Where the
// program is linked statically, getaddrinfo(3) would want libraries of the file system it runs in.
// Thread-safe.
class Names {
 public:
  using Addresses = std::vector<wasm::HttpHost::Address>;
  Names();
  Names(const Names&) = delete;
  Names& operator=(const Names&) = delete;
  ~Names();

  // Blocks for as long as the servers let it.
  Addresses Find(std::string_view name);

 private:
  // So many are asked for at once.
  static constexpr size_t kClients = 4;
  struct Client {
    std::mutex mutex;
    struct __res_state state = {};
  };
  Addresses Ask(Client& client, const std::string& name, int type);

  std::map<std::string, Addresses, std::less<>> hosts_;
  std::array<Client, kClients> clients_;
};

}  // namespace wasmoor::serve
