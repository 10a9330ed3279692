#include "host/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "wasmoor/base/printable.h"

namespace wasmoor::host {

Mailbox::Mailbox(os::Fd bell) : notes_(std::make_unique<Notes>()), bell_(std::move(bell)) {}

Result<Mailbox> Mailbox::Create() {
  os::Fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid()) return FailErrno(errno, "eventfd");
  return Mailbox(std::move(bell));
}

void Mailbox::Post(Note note) {
  {
    const std::lock_guard lock(notes_->mutex);
    notes_->waiting.push_back(std::move(note));
  }
  const uint64_t once = 1;
  [[maybe_unused]] const ssize_t rung = ::write(bell_.get(), &once, sizeof(once));
}

std::vector<Note> Mailbox::Take() {
  uint64_t times = 0;
  [[maybe_unused]] const ssize_t got = ::read(bell_.get(), &times, sizeof(times));
  const std::lock_guard lock(notes_->mutex);
  return std::exchange(notes_->waiting, {});
}

Note NoteOf(uint64_t guest) {
  Note note;
  note.set_guest(guest);
  return note;
}

std::string TextOf(std::string_view message) {
  // Far below what one message takes, whatever the shortest escape makes of each byte.
  constexpr size_t kMost = 4096;
  std::string text = Printable(message.substr(0, kMost), Lines::kMany);
  if (message.size() > kMost) text += " ...";
  return text;
}

void SetFailure(const Error& error, Failure* failure) {
  failure->set_code(static_cast<int32_t>(error.code()));
  failure->set_error_number(error.error_number());
  failure->set_message(TextOf(error.message()));
}

}  // namespace wasmoor::host
