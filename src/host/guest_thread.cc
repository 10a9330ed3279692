#include "host/guest_thread.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "container/limits.h"
#include "wasmoor/os/scheduling.h"
#include "wasmoor/os/signal.h"
#include "wasmoor/os/thread.h"

namespace wasmoor::host {
namespace {

// Beside what the guest may use: host functions, and making the jail.
constexpr uint64_t kOwnStack = 512 << 10;
constexpr uint32_t kSignalStatus = 128;

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Making the jail took more of the stack than sleeping does.
void GiveStackBack() {
  constexpr uintptr_t kPage = 4096, kKept = 2 * kPage;
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return;
  void* lowest = nullptr;
  size_t size = 0;
  ::pthread_attr_getstack(&attributes, &lowest, &size);
  ::pthread_attr_destroy(&attributes);
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) & ~(kPage - 1);
  const auto low = reinterpret_cast<uintptr_t>(lowest);
  if (here > low + kKept) ::madvise(lowest, here - kKept - low, MADV_DONTNEED);
}

}  // namespace

GuestThread::GuestThread(const Common& common, GuestOrder order,
                         std::shared_ptr<wasm::MemoryPool> pool)
    : common_(common),
      guest_(order.guest),
      pool_(std::move(pool)),
      order_(std::make_unique<GuestOrder>(std::move(order))) {}

GuestThread::~GuestThread() {
  if (!joined_) ::pthread_join(handle_, nullptr);
}

Result<std::unique_ptr<GuestThread>> GuestThread::Begin(const Common& common, GuestOrder order,
                                                        std::shared_ptr<wasm::MemoryPool> pool,
                                                        uint64_t stack_bytes) {
  std::unique_ptr<GuestThread> guest(new GuestThread(common, std::move(order), std::move(pool)));
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, stack_bytes + kOwnStack);
  // The process's signals are for its first thread; the engine's traps are the guest's own.
  const os::SignalsHeld held(os::SignalsHeld::But::kFaults);
  // A new thread would wait for the end of a turn of one that spins, before it makes its jail.
  static_cast<void>(os::TakeTurnsOf(os::kShortTurns, os::Children::kSame));
  const int failed = ::pthread_create(&guest->handle_, &attributes, Enter, guest.get());
  static_cast<void>(os::TakeTurnsOf(os::kShortTurns, os::Children::kUsual));
  ::pthread_attr_destroy(&attributes);
  if (failed != 0) {
    guest->joined_ = true;
    return FailErrno(failed,
                     "a thread for the guest (how many there may be is said by ulimit -u, "
                     "pids.max and kernel.threads-max)");
  }
  return guest;
}

void* GuestThread::Enter(void* self) {
  static_cast<GuestThread*>(self)->Live();
  return nullptr;
}

void GuestThread::Live() {
  number_ = ::gettid();
  auto ready = Prepare();
  if (!ready) {
    Note note = NoteOf(guest_);
    if (ready.error().code() == Code::kUnimplemented)
      note.set_needs_process(TextOf(ready.error().message()));
    else
      SetFailure(ready.error(), note.mutable_not_made());
    return common_.notes.Post(std::move(note));
  }
  if (*ready) Run(**std::move(ready));
}

Result<std::optional<ReadyGuest>> GuestThread::Prepare() {
  const auto setup = std::make_unique<GuestSetup>(common_, std::move(*order_));
  order_.reset();
  auto ready = setup->Run(this, pool_.get());
  if (ready && !*ready) AskForModule(*std::move(setup->wanted()));
  return ready;
}

void GuestThread::AskForModule(ModuleWanted wanted) {
  std::string message(reinterpret_cast<const char*>(&guest_), sizeof(guest_));
  message.append(reinterpret_cast<const char*>(wanted.hash.data()), wanted.hash.size());
  message += wanted.source.name;
  const std::array file = {&std::as_const(wanted.source.file)};
  const Status sent = os::SendMessage(common_.wanted.theirs, message, file);
  if (sent) return;
  Note note = NoteOf(guest_);
  SetFailure(sent.error(), note.mutable_not_made());
  common_.notes.Post(std::move(note));
}

bool GuestThread::WaitForStart() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return started_ || stop_signal_ != 0; });
  return stop_signal_ == 0;
}

void GuestThread::Run(ReadyGuest ready) {
  // Destroyed with this, by the thread whose descriptors it has.
  module_ = ready.loaded;
  {
    const std::lock_guard lock(mutex_);
    running_ = ready.run.get();
    memory_limit_ = ready.memory_limit;
    if (changed_limit_) LimitRunning(*changed_limit_);
    share_ = std::move(ready.share);
    if (stop_signal_ != 0) running_->Stop(stop_signal_);
  }
  Note made = NoteOf(guest_);
  made.mutable_made()->set_thread(number_);
  common_.notes.Post(std::move(made));
  GiveStackBack();
  container::GuestEnd end;
  if (WaitForStart()) {
    end = ready.run->Run();
  } else {
    end.status = static_cast<int>(kSignalStatus) + stop_signal_;
  }
  {
    const std::lock_guard lock(mutex_);
    running_ = nullptr;
    final_usage_ = ready.run->usage();
    other_time_ = ready.run->other_time();
  }
  ready.run.reset();
  final_time_ = os::OwnThreadTime().count();
  Note ended = NoteOf(guest_);
  ended.mutable_ended()->set_status(static_cast<uint32_t>(end.status));
  ended.mutable_ended()->set_out_of_memory(end.out_of_memory);
  ended.mutable_ended()->set_at(Now());
  const bool unread = ready.streams.End();
  ended.mutable_ended()->set_unread(unread);
  common_.notes.Post(std::move(ended));
  if (unread) WaitForReaders();
}

void GuestThread::WaitForReaders() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return let_go_; });
}

void GuestThread::Start() {
  const std::lock_guard lock(mutex_);
  started_ = true;
  changed_.notify_all();
}

void GuestThread::Stop(int signal) {
  const std::lock_guard lock(mutex_);
  if (stop_signal_ == 0) stop_signal_ = signal;
  if (running_ != nullptr) running_->Stop(signal);
  changed_.notify_all();
}

void GuestThread::Nudge() { ::pthread_kill(handle_, SIGURG); }

void GuestThread::Pause() {
  const std::lock_guard lock(mutex_);
  paused_ = true;
}

void GuestThread::Resume() {
  const std::lock_guard lock(mutex_);
  paused_ = false;
  changed_.notify_all();
}

void GuestThread::LetGo() {
  const std::lock_guard lock(mutex_);
  let_go_ = true;
  changed_.notify_all();
}

void GuestThread::OnTick() {
  std::unique_lock lock(mutex_);
  const auto may_go_on = [this] { return !paused_ || stop_signal_ != 0; };
  if (share_ && share_->is_by_clock()) {
    const std::chrono::nanoseconds run =
        os::OwnThreadTime() + (running_ != nullptr ? running_->other_time() : other_time_);
    const std::chrono::nanoseconds owed = share_->Owed(run - std::exchange(counted_, run));
    if (owed.count() > 0) changed_.wait_for(lock, owed, [this] { return stop_signal_ != 0; });
  }
  changed_.wait(lock, may_go_on);
}

void GuestThread::Change(const Update& update) {
  const std::shared_ptr<CpuShare> share = this->share();
  oci::CpuResources cpu;
  if (update.has_cpu_quota()) cpu.quota = update.cpu_quota();
  if (update.has_cpu_period()) cpu.period = update.cpu_period();
  if (update.has_cpu_shares()) cpu.shares = update.cpu_shares();
  if (share) static_cast<void>(share->Change(cpu));
  if (update.has_memory_bytes()) LimitMemory(update.memory_bytes());
}

void GuestThread::LimitMemory(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  changed_limit_ = bytes;
  if (running_ != nullptr) LimitRunning(bytes);
}

void GuestThread::LimitRunning(uint64_t bytes) {
  memory_limit_ = bytes;
  oci::Linux config;
  config.resources.emplace().memory.emplace().limit = static_cast<int64_t>(bytes);
  running_->LimitMemory(container::LimitsOf(config).memory_bytes);
}

std::shared_ptr<CpuShare> GuestThread::share() const {
  const std::lock_guard lock(mutex_);
  return share_;
}

std::chrono::nanoseconds GuestThread::cpu_time() const {
  const int64_t last = final_time_;
  const std::lock_guard lock(mutex_);
  const auto others = running_ != nullptr ? running_->other_time() : other_time_;
  if (last != 0) return others + std::chrono::nanoseconds(last);
  return number_ == 0 ? others : others + os::ThreadTime(number_);
}

wasm::Usage GuestThread::usage() const {
  const std::lock_guard lock(mutex_);
  return running_ != nullptr ? running_->usage() : final_usage_;
}

// Once it is known to be gone the kernel may give its number to the next thread.
bool GuestThread::IsGone(bool is_reused) {
  if (joined_) return true;
  if (number_ == 0 || (!is_reused && !os::IsThreadGone(number_))) return false;
  if (!joined_) ::pthread_join(handle_, nullptr);
  joined_ = true;
  return true;
}

}  // namespace wasmoor::host
