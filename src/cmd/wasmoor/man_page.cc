// man(7): requests begin with a dot at the start of a line; \- is the dash that can be copied.
#include "cmd/wasmoor/help.h"
#include "cmd/wasmoor/pages.h"

namespace wasmoor::cmd {
namespace {

// Text as troff shows it unchanged.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool at_start = i == 0 || text[i - 1] == '\n';
    switch (text[i]) {
      case '\\': escaped += "\\e"; break;
      case '-': escaped += "\\-"; break;
      case '~': escaped += "\\(ti"; break;
      case '^': escaped += "\\(ha"; break;
      case '`': escaped += "\\(ga"; break;
      case '\'': escaped += "\\(aq"; break;
      case '.': escaped += at_start ? "\\&." : "."; break;
      default: escaped += text[i];
    }
  }
  return escaped;
}

std::string Upper(std::string_view text) {
  std::string upper;
  for (char c : text) upper += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return upper;
}

std::string Heading(std::string_view text) { return fmt::format(".SH {}\n", Upper(text)); }

// A label in bold, its text indented below.
std::string Entry(std::string_view label, std::string_view text) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}.\n", Escaped(label), Escaped(text));
}

std::string Title(std::string_view name) {
  return fmt::format(".TH {} 1 \"\" \"wasmoor {}\" \"User Commands\"\n", Upper(Escaped(name)),
                     WASMOOR_VERSION);
}

// Full stops stand at the end of some descriptions and not of others.
std::string_view WithoutStop(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  return text;
}

std::string OptionsPart(const Options& options) {
  std::string text;
  for (std::string_view section : SectionsOf(options)) {
    text += Heading(section);
    for (const Option& option : options.options()) {
      if (option.section == section && !option.hidden) text += Entry(LabelOf(option), option.help);
    }
  }
  for (const auto& action : options.actions()) {
    text += Heading(fmt::format("wasmoor {}", action->path()));
    text += fmt::format("{}.\n", Escaped(WithoutStop(action->summary())));
    for (const Option& option : action->options()) text += Entry(LabelOf(option), option.help);
  }
  return text;
}

std::string Environment() {
  return Heading("Environment") +
         Entry("WASMOOR_CACHE_DIR", "Folder of the compiled modules, an absolute path") +
         Entry("NO_COLOR", "If it is set, no colours on a terminal");
}

std::string SeeAlso(std::string_view self) {
  std::string text = Heading("See also");
  std::string list;
  if (!self.empty()) list = "\\fBwasmoor\\fR(1)";
  for (const CommandEntry& entry : AllCommands()) {
    if (entry.name == self) continue;
    list += fmt::format("{}\\fBwasmoor\\-{}\\fR(1)", list.empty() ? "" : ",\n", entry.name);
  }
  return text + list + "\n";
}

}  // namespace

std::string ManPage(const Options& options) {
  const std::string name = fmt::format("wasmoor-{}", options.path());
  std::string text = Title(name) + Heading("Name") +
                     fmt::format("{} \\- {}\n", Escaped(name), Escaped(options.summary()));
  text += Heading("Synopsis") + ".nf\n\\fB" + Escaped(SynopsisOf(options)) + "\\fR\n.fi\n";
  if (!options.about().empty()) text += Heading("Description");
  bool first = true;
  for (std::string_view paragraph : options.about()) {
    text += (first ? "" : ".PP\n") + Escaped(paragraph) + "\n";
    first = false;
  }
  text += OptionsPart(options) + Heading("Exit status");
  for (const auto& [status, meaning] : StatusesOf(options)) text += Entry(status, meaning);
  text += Environment();
  if (!options.examples().empty()) text += Heading("Examples");
  for (const auto& [command, meaning] : options.examples())
    text += Entry(command, WithoutStop(meaning));
  return text + SeeAlso(options.path());
}

std::string OverviewManPage() {
  std::string text =
      Title("wasmoor") + Heading("Name") +
      "wasmoor \\- run WebAssembly programs, each in a sandbox of its own\n" + Heading("Synopsis") +
      ".nf\n\\fBwasmoor COMMAND [OPTIONS] ...\n" + "wasmoor \\-\\-version [\\-\\-json]\\fR\n.fi\n" +
      Heading("Description") +
      "A program is granted nothing that no option names: no directory, no variable, no "
      "network. It is compiled once, into a cache that only its owner can write.\n";
  text += Heading("Commands");
  for (const CommandEntry& entry : AllCommands())
    text += Entry(fmt::format("wasmoor {}", entry.name), entry.summary);
  return text + Environment() + SeeAlso("");
}

}  // namespace wasmoor::cmd
