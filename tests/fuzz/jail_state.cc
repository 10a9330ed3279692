#include <sys/socket.h>

#include "fuzz/scratch.h"
#include "fuzz/targets.h"
#include "jail/channel.h"
#include "jail/store.h"
#include "wasmoor/base/check.h"
#include "wasmoor/os/file.h"

namespace wasmoor::fuzz {

// Whatever a container's record has become: it is refused as damaged, or it is one that can be
// written and read again, and none that names processes which nobody has.
void JailState(Bytes bytes) {
  const Scratch scratch;
  const auto store = jail::Store::Open(scratch.path() / "state");
  CHECK(store);
  auto place = store->Make("one");
  CHECK(place);
  const auto file = os::OpenAt(place->directory(), "state.json", O_WRONLY | O_CREAT, 0600);
  CHECK(file && os::WriteAll(*file, bytes));
  const auto record = place->Read();
  if (!record) {
    CHECK(record.error().code() == Code::kDataLoss || record.error().code() == Code::kOutOfRange);
    CHECK(record.error().message().starts_with("container \"one\""));
  } else {
    CHECK(record->init.pid >= 0);
    CHECK(place->Write(*record));
    const auto again = place->Read();
    CHECK(again && again->init == record->init && again->created == record->created);
  }
  CHECK(place->Remove());
  CHECK(store->List()->empty());
}

// Any message on the channel between a runtime and its child.
void ChannelMessage(Bytes bytes) {
  const auto ends = jail::Channel::MakePair();
  CHECK(ends);
  const bool sent = ::send(ends->first.socket().get(), bytes.data(), bytes.size(),
                           MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(bytes.size());
  if (!sent) return;
  const auto heard = ends->second.Receive();
  if (!heard) {
    CHECK(heard.error().code() != Code::kOk && CodeName(heard.error().code()) != "");
    return;
  }
  CHECK(heard->step > jail::Step::kFailed && heard->step <= jail::Step::kStart);
  CHECK(!heard->descriptor.valid() && heard->text.size() <= bytes.size());
}

}  // namespace wasmoor::fuzz
