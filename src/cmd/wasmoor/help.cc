#include "cmd/wasmoor/help.h"

#include "cmd/engines.h"

namespace wasmoor::cmd {
namespace {

constexpr size_t kColumn = 34;

class Formatter : public CLI::Formatter {
 public:
  explicit Formatter(std::string usage) : usage_(std::move(usage)) {
    column_width(kColumn);
    label("REQUIRED", "");
    label("TEXT", "");
  }
  std::string make_usage(const CLI::App*, std::string) const override { return usage_; }
  std::string make_footer(const CLI::App* app) const override {
    return "\n" + app->get_footer() + "\n";
  }

 private:
  std::string usage_;
};

}  // namespace

void SetHelpStyle(const Command& command, CLI::App& app) {
  app.formatter(std::make_shared<Formatter>(
      fmt::format("Usage: wasmoor {} {}\n", command.name(), command.synopsis())));
}

std::string OverviewText(std::span<const std::unique_ptr<Command>> commands) {
  std::string text =
      "wasmoor runs WebAssembly programs, each in a sandbox of its own.\n\n"
      "Usage: wasmoor COMMAND [OPTIONS] ...\n\nCommands:\n";
  for (const auto& command : commands)
    text += fmt::format("  {:<12} {}\n", command->name(), command->summary());
  text +=
      "\n  wasmoor COMMAND --help   What a command takes, with examples\n"
      "  wasmoor --version        This program's version, and its engines'\n";
  return text;
}

std::string VersionText() {
  std::string text = "wasmoor " WASMOOR_VERSION "\n";
  for (const wasm::EngineFactory& engine : Engines())
    text += fmt::format("engine {} {}\n", engine.name, engine.version);
  return text;
}

}  // namespace wasmoor::cmd
