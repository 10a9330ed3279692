// man(7): requests begin with a dot at the start of a line; \- is the dash that can be copied.
#include "cmd/line/help.h"
#include "cmd/line/pages.h"

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

std::string Title(const About& about, std::string_view name) {
  return fmt::format(".TH {} {} \"\" \"wasmoor {}\" \"{}\"\n", Upper(Escaped(name)),
                     about.manual_section, WASMOOR_VERSION, about.manual_heading);
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
    text += Heading(action->FullPath());
    text += fmt::format("{}.\n", Escaped(WithoutStop(action->summary())));
    for (const Option& option : action->options()) text += Entry(LabelOf(option), option.help);
  }
  return text;
}

std::string Environment(const About& about) {
  std::string text = Heading("Environment");
  for (const auto& [name, meaning] : about.environment) text += Entry(name, meaning);
  return text + Entry("NO_COLOR", "If it is set, no colours on a terminal");
}

// `self`: the command whose page it stands on; empty: the executable's.
std::string SeeAlso(const About& about, std::string_view self) {
  std::string list;
  const auto add = [&](std::string_view page) {
    list += fmt::format("{}\\fB{}\\fR({})", list.empty() ? "" : ",\n", Escaped(page),
                        about.manual_section);
  };
  if (!self.empty()) add(about.name);
  for (const CommandEntry& entry : about.commands)
    if (entry.name != self) add(fmt::format("{}-{}", about.name, entry.name));
  return Heading("See also") + list + "\n";
}

}  // namespace

std::string ManPage(Executable& executable, const Options& options) {
  const About& about = executable.about();
  const std::string name = fmt::format("{}-{}", about.name, options.path());
  std::string text = Title(about, name) + Heading("Name") +
                     fmt::format("{} \\- {}\n", Escaped(name), Escaped(options.summary()));
  text += Heading("Synopsis") + ".nf\n\\fB" + Escaped(SynopsisOf(options)) + "\\fR\n.fi\n";
  if (!options.about().empty()) text += Heading("Description");
  bool first = true;
  for (std::string_view paragraph : options.about()) {
    text += (first ? "" : ".PP\n") + Escaped(paragraph) + "\n";
    first = false;
  }
  text += OptionsPart(options) + Heading("Exit status");
  for (const auto& [status, meaning] : StatusesOf(executable, options))
    text += Entry(status, meaning);
  text += Environment(about);
  if (!options.examples().empty()) text += Heading("Examples");
  for (const auto& [command, meaning] : options.examples())
    text += Entry(command, WithoutStop(meaning));
  return text + SeeAlso(about, options.path());
}

std::string OverviewManPage(Executable& executable) {
  const About& about = executable.about();
  std::string text = Title(about, about.name) + Heading("Name") +
                     fmt::format("{} \\- {}\n", Escaped(about.name), Escaped(about.purpose)) +
                     Heading("Synopsis");
  text += fmt::format(".nf\n\\fB{}\n{} \\-\\-version [\\-\\-json]\\fR\n.fi\n",
                      Escaped(OverviewSynopsis(executable)), Escaped(about.name));
  text += Heading("Description") + Escaped(about.description) + "\n" + Heading("Commands");
  for (const CommandEntry& entry : about.commands)
    text += Entry(fmt::format("{} {}", about.name, entry.name), entry.summary);
  return text + OptionsPart(DescribeGlobals(executable)) + Environment(about) + SeeAlso(about, "");
}

}  // namespace wasmoor::cmd
