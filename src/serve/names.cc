#include "serve/names.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>

#include <cstring>
#include <fstream>
#include <sstream>

namespace wasmoor::serve {
namespace {

using Address = wasm::HttpHost::Address;

constexpr size_t kAnswerBytes = 4096;
constexpr size_t kIpv4Bytes = 4, kIpv6Bytes = 16;
constexpr int kTries = 2, kSeconds = 3;

// ::ffff:1.2.3.4 (RFC 4291, 2.5.5.2).
Address Mapped(const uint8_t* ipv4) {
  Address address = {};
  address[10] = address[11] = 0xff;
  std::memcpy(address.data() + address.size() - kIpv4Bytes, ipv4, kIpv4Bytes);
  return address;
}

bool ParseAddress(const std::string& text, Address* out) {
  std::array<uint8_t, kIpv4Bytes> ipv4;
  if (::inet_pton(AF_INET, text.c_str(), ipv4.data()) == 1) {
    *out = Mapped(ipv4.data());
    return true;
  }
  return ::inet_pton(AF_INET6, text.c_str(), out->data()) == 1;
}

}  // namespace

Names::Names() {
  // hosts(5): an address, and the names that it has.
  std::ifstream file("/etc/hosts");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string text, name;
    Address address;
    if (!(words >> text) || !ParseAddress(text, &address)) continue;
    while (words >> name) hosts_[name].push_back(address);
  }
  if (hosts_.find("localhost") == hosts_.end()) {
    constexpr std::array<uint8_t, kIpv4Bytes> kLoopback = {127, 0, 0, 1};
    hosts_["localhost"].push_back(Mapped(kLoopback.data()));
  }
  for (Client& client : clients_) {
    ::res_ninit(&client.state);
    client.state.retry = kTries;
    client.state.retrans = kSeconds;
  }
}

Names::~Names() {
  for (Client& client : clients_) ::res_nclose(&client.state);
}

Names::Addresses Names::Find(std::string_view name) {
  if (const auto known = hosts_.find(name); known != hosts_.end()) return known->second;
  // One that is free, or else the last.
  Client* client = nullptr;
  std::unique_lock<std::mutex> lock;
  for (Client& one : clients_) {
    lock = std::unique_lock(one.mutex, std::try_to_lock);
    client = &one;
    if (lock.owns_lock()) break;
  }
  if (!lock.owns_lock()) lock = std::unique_lock(client->mutex);
  const std::string text(name);
  Addresses found = Ask(*client, text, ns_t_a);
  return found.empty() ? Ask(*client, text, ns_t_aaaa) : found;
}

Names::Addresses Names::Ask(Client& client, const std::string& name, int type) {
  Addresses found;
  std::array<unsigned char, kAnswerBytes> answer;
  const int size =
      ::res_nsearch(&client.state, name.c_str(), ns_c_in, type, answer.data(), answer.size());
  ns_msg message;
  if (size <= 0 || static_cast<size_t>(size) > answer.size() ||
      ::ns_initparse(answer.data(), size, &message) != 0)
    return found;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (::ns_parserr(&message, ns_s_an, i, &record) != 0 || ns_rr_type(record) != type) continue;
    if (type == ns_t_a && ns_rr_rdlen(record) == kIpv4Bytes)
      found.push_back(Mapped(ns_rr_rdata(record)));
    if (type == ns_t_aaaa && ns_rr_rdlen(record) == kIpv6Bytes) {
      found.emplace_back();
      std::memcpy(found.back().data(), ns_rr_rdata(record), kIpv6Bytes);
    }
  }
  return found;
}

}  // namespace wasmoor::serve
