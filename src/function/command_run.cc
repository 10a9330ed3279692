#include "function/command_run.h"

#include <utility>

#include "function/preopens.h"

namespace wasmoor::function {

CommandRun::CommandRun(CommandPlan plan, Station& station, Listener& listener)
    : function::Run(station, listener),
      plan_(std::move(plan)),
      errors_([this](std::string_view lines) { listener_.OnError(lines); }) {}

void CommandRun::Stop(int signal) {
  const std::lock_guard lock(mutex_);
  stop_signal_ = signal;
  // One that is held back could not end.
  if (limited_ != nullptr) limited_->Limit(0);
  if (instance_ != nullptr) instance_->Stop(signal);
}

void CommandRun::OnTick() {
  const auto taken = watch_.Look();
  if (!lane_->leads()) return lane_->Pace();
  if (taken >= kSlice) StepAside();
}

void CommandRun::OnWait() {
  watch_.Look();
  if (lane_->leads()) StepAside();
}

void CommandRun::StepAside() {
  lane_->StepAside(plan_.allowance.millicores);
  {
    const std::lock_guard lock(mutex_);
    limited_ = lane_;
  }
  listener_.OnAside();
}

Result<wasm::Exit> CommandRun::RunGuest() {
  wasi::Grants grants;
  grants.arguments = std::move(plan_.arguments);
  grants.late_environment = plan_.environment;
  grants.input_stream = &input_;
  grants.output_stream = &output_;
  grants.error_stream = &errors_;
  grants.on_wait = this;
  if (plan_.granted != nullptr) {
    for (const wasi::Preopen& one : plan_.granted->preopens)
      grants.preopens.push_back(TRY(CopyOf(one)));
  }
  const std::unique_ptr<wasi::Context> context = TRY(wasi::Context::Create(std::move(grants)));
  wasm::InstanceOptions options;
  options.limits.memory_bytes = plan_.allowance.memory_bytes;
  options.on_tick = this;
  options.bindings.Bind(plan_.host.wasi, *context);
  const std::unique_ptr<wasm::Instance> instance =
      TRY(plan_.module.NewInstance(std::move(options)));
  {
    const std::lock_guard lock(mutex_);
    instance_ = instance.get();
    if (stop_signal_ != 0) instance->Stop(stop_signal_);
  }
  auto exit = instance->Run(plan_.invocation);
  {
    const std::lock_guard lock(mutex_);
    instance_ = nullptr;
    limited_ = nullptr;
  }
  result_.usage = instance->usage();
  return exit;
}

void CommandRun::Run(Lane& lane) {
  lane_ = &lane;
  watch_.Begin(plan_.until);
  if (!lane.leads()) StepAside();
  result_.exit = RunGuest();
  const Stopwatch::Time time = watch_.End();
  result_.cpu_time = time.cpu;
  result_.wall_time = time.wall;
}

}  // namespace wasmoor::function
