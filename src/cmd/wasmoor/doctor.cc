#include "cmd/wasmoor/doctor.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cmd/line/json_text.h"
#include "cmd/line/text.h"
#include "cmd/wasmoor/findings.h"
#include "wasmoor/os/features.h"

namespace wasmoor::cmd {
namespace {

constexpr int kCannotRun = 1;
constexpr std::string_view kAsNobody = "nobody";

Words TryNamespacesWords() { return {"self", kAsNobody}; }

Style StyleOf(const Finding& finding) {
  switch (finding.state) {
    case Finding::State::kOk: return Style::kGreen;
    case Finding::State::kOff: return Style::kYellow;
    case Finding::State::kMissing: return finding.required ? Style::kRed : Style::kYellow;
  }
  return Style::kPlain;
}

std::string TextOf(const Findings& findings, bool can_run) {
  std::string_view section;
  Table table(2);
  for (const Finding& finding : findings) {
    if (finding.section != section) table.AddHeading(std::string(finding.section));
    section = finding.section;
    std::string detail = finding.detail;
    if (!finding.advice.empty()) detail += (detail.empty() ? "" : ". ") + finding.advice;
    table.Add({{std::string(StateName(finding.state)), StyleOf(finding)},
               {finding.name},
               {Printable(detail)}});
  }
  return ForStandardOutput(table) +
         (can_run ? "WebAssembly programs run here.\n"
                  : "No WebAssembly program runs here: see what is missing under \"Running\".\n");
}

std::string JsonOf(const Findings& findings, bool can_run) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"section", finding.section},
                    {"name", finding.name},
                    {"state", StateName(finding.state)},
                    {"detail", finding.detail},
                    {"advice", finding.advice},
                    {"required", finding.required}});
  }
  return JsonLine({{"can_run", can_run},
                   {"kernel", os::KernelRelease()},
                   {"version", WASMOOR_VERSION},
                   {"findings", std::move(list)}});
}

}  // namespace

void DoctorCommand::Configure(Options& options) {
  options.About(
      "Asks this machine what wasmoor, and containers that run WebAssembly, can use of it, and "
      "says what to "
      "do about what is missing or switched off. It changes nothing. What stands under \"Running\" "
      "is what a "
      "program needs; the rest is for container runtimes.");
  options.Section("Output");
  options.Flag("--json", json_, "One JSON object");
  options.Section("Code");
  options.Value("--cache-dir", cache_directory_, "DIR", "Folder of the compiled modules")
      .Complete(Completes::kDirectories);
  options
      .Value(kTryNamespaces, try_namespaces_, "WHO", "Try namespaces on this process, print errnos")
      .OneOf(TryNamespacesWords)
      .Hide();
  options.ExitStatus("0", "WebAssembly programs run here");
  options.ExitStatus("1", "They do not");
  options.Example("wasmoor doctor", "Everything, for a person.");
  options.Example("wasmoor doctor --json | jq '.findings[] | select(.state != \"ok\")'",
                  "What is missing or off, for a script.");
}

Result<int> DoctorCommand::Run() {
  if (!try_namespaces_.empty()) {
    puts(TryNamespacesHere(try_namespaces_ == kAsNobody).c_str());
    return 0;
  }
  Findings findings = AskAboutRunning(cache_directory_);
  for (auto* ask : {AskAboutKernel, AskAboutResources, AskAboutContainers}) {
    for (Finding& finding : ask()) findings.push_back(std::move(finding));
  }
  const bool can_run = CanRun(findings);
  fputs((json_ ? JsonOf : TextOf)(findings, can_run).c_str(), stdout);
  return can_run ? 0 : kCannotRun;
}

}  // namespace wasmoor::cmd
