#include "serve/worker.h"

#include <utility>

namespace wasmoor::serve {
namespace {

constexpr std::chrono::milliseconds kCountEvery{500};

}  // namespace

Result<std::unique_ptr<Worker>> Worker::Create(const Parts& parts) {
  auto loop = TRY(loop::Loop::Create());
  return std::unique_ptr<Worker>(new Worker(parts, std::move(loop)));
}

void Worker::Run() {
  guests_ = std::make_unique<Guests>(*loop_, parts_.handler, parts_.settings, parts_.at_once,
                                     parts_.name, parts_.say);
  server_ = std::make_unique<http::Server>(*loop_, *guests_, parts_.settings.http);
  Count();
  loop_->Run();
  server_.reset();
  guests_.reset();
}

// What others go by, without asking this thread. The timer keeps the loop going, too, while nobody
// is connected.
void Worker::Count() {
  if (!parts_.is_counted) return;
  connections_.store(server_->connections(), std::memory_order_relaxed);
  counting_ = loop_->After(kCountEvery, [this] { Count(); });
}

void Worker::Take(os::Fd connection) {
  connections_.fetch_add(1, std::memory_order_relaxed);
  // A callback can be copied, and a descriptor cannot.
  loop_->Post([this, held = std::make_shared<os::Fd>(std::move(connection))] {
    server_->Serve(std::move(*held));
  });
}

void Worker::Drain(std::function<void()> drained) {
  loop_->Post([this, drained = std::move(drained)]() mutable {
    server_->Drain([this, drained = std::move(drained)] { guests_->OnIdle(drained); });
  });
}

}  // namespace wasmoor::serve
