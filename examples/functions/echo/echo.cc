// Gives the body of the request back as what it said that it is, a part at a time: as much of it is
// in memory as fits into the buffer. The header lines are not for looks: without them a body that
// begins like some would be taken for them.
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

// Not on the stack, of which a program has 64 KiB.
std::array<char, 65536> buffer;

bool WriteAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

int main() {
  const char* type = std::getenv("CONTENT_TYPE");
  const bool has_type = type != nullptr && *type != '\0';
  const std::string head =
      std::string("Content-Type: ") + (has_type ? type : "application/octet-stream") + "\n\n";
  if (!WriteAll(head)) return 1;

  ssize_t got = 0;
  while ((got = read(STDIN_FILENO, buffer.data(), buffer.size())) > 0) {
    if (!WriteAll({buffer.data(), static_cast<size_t>(got)})) return 1;
  }
  return got == 0 ? 0 : 1;
}
