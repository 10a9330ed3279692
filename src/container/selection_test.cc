#include "container/selection.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace wasmoor::container {
namespace {

using Annotations = std::map<std::string, std::string>;

struct MarkCase {
  Annotations annotations;
  std::string path;
  Mark mark;
};

TEST(SelectionTest, AnnotationsSayWhichContainersAreWasm) {
  const std::string kata = "io.katacontainers.platform.wasi/wasm32";
  const std::string handler = "run.oci.handler", variant = "module.wasm.image/variant";
  const std::vector<MarkCase> cases = {
      {{}, "/app.wasm", Mark::kNone},
      {{{"other", "wasm"}}, "/app.wasm", Mark::kNone},
      {{{kata, "yes"}}, "/app", Mark::kWasm},
      {{{kata, "true"}}, "/app", Mark::kWasm},
      {{{kata, "no"}}, "/app", Mark::kNone},
      {{{kata, "YES"}}, "/app", Mark::kNone},
      {{{handler, "wasm"}}, "/app", Mark::kWasm},
      {{{handler, "wasmtime"}}, "/app", Mark::kWasm},
      {{{handler, "wasmedge"}}, "/app", Mark::kWasm},
      {{{handler, "wasmer"}}, "/app", Mark::kWasm},
      {{{handler, "wamr"}}, "/app", Mark::kWasm},
      {{{handler, "krun"}}, "/app.wasm", Mark::kNone},
      {{{handler, ""}}, "/app.wasm", Mark::kNone},
      {{{handler, "wasm-smart"}}, "/app", Mark::kNone},
      {{{handler, "wasm-smart"}}, "/app.wasm", Mark::kWasm},
      {{{handler, "wasm-smart"}}, "/app.wat", Mark::kWasm},
      {{{handler, "wasm-smart"}}, "/app.wasm.sh", Mark::kNone},
      {{{variant, "compat"}}, "/app", Mark::kWasm},
      {{{variant, "compat-smart"}}, "/app", Mark::kNone},
      {{{variant, "compat-smart"}}, "app.wasm", Mark::kWasm},
      {{{variant, "something"}}, "/app.wasm", Mark::kNone},
      {{{handler, "krun"}, {variant, "compat"}}, "/app", Mark::kWasm},
  };
  for (const MarkCase& one : cases) {
    const std::string said = one.annotations.empty() ? "" : one.annotations.begin()->second;
    EXPECT_EQ(MarkOf(one.annotations, one.path), one.mark) << said << " " << one.path;
    EXPECT_EQ(MarkingAnnotation(one.annotations, one.path).empty(), one.mark == Mark::kNone);
  }
}

TEST(SelectionTest, APodsSandboxIsNeverWasmWhateverThePodSays) {
  for (const auto& [key, value] : Annotations{{"io.kubernetes.cri.container-type", "sandbox"},
                                              {"io.kubernetes.cri-o.ContainerType", "sandbox"}}) {
    const Annotations annotations = {{key, value}, {"run.oci.handler", "wasm"}};
    EXPECT_EQ(MarkOf(annotations, "/pause"), Mark::kNative);
    EXPECT_EQ(MarkOf({{key, value}}, "/pause.wasm"), Mark::kNative);
    EXPECT_EQ(MarkOf({{key, "container"}, {"run.oci.handler", "wasm"}}, "/app"), Mark::kWasm);
  }
}

TEST(SelectionTest, TheMarkingAnnotationIsNamedForMessages) {
  EXPECT_EQ(MarkingAnnotation({{"run.oci.handler", "wasmedge"}, {"a", "b"}}, "/app"),
            "run.oci.handler=wasmedge");
}

TEST(SelectionTest, AnEntrypointIsAPathAndMaybeAnExport) {
  EXPECT_EQ(ParseEntrypoint("/a/b.wasm").path, "/a/b.wasm");
  EXPECT_EQ(ParseEntrypoint("/a/b.wasm").function, "");
  EXPECT_EQ(ParseEntrypoint("b.wasm#add").path, "b.wasm");
  EXPECT_EQ(ParseEntrypoint("b.wasm#add").function, "add");
  EXPECT_EQ(ParseEntrypoint("b.wasm#ns:pkg/i#f").function, "ns:pkg/i#f");
  EXPECT_EQ(ParseEntrypoint("b.wasm#").function, "");
}

bool Looks(std::string_view path, std::string_view text) {
  return LooksLikeWasm(path, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

TEST(SelectionTest, ABinaryIsKnownByItsMagicWhateverItsName) {
  const std::string module("\0asm\1\0\0\0rest", 12), component("\0asm\x0d\0\1\0rest", 12);
  EXPECT_TRUE(Looks("/bin/tool", module));
  EXPECT_TRUE(Looks("/bin/tool", component));
  EXPECT_FALSE(Looks("/app.wasm",
                     "\x7f"
                     "ELF\2\1\1"));
  EXPECT_FALSE(Looks("/app.wasm", module.substr(0, 4)));
  EXPECT_FALSE(Looks("/app.wasm", "#!/bin/sh\n"));
  EXPECT_FALSE(Looks("/app.wasm", ""));
}

TEST(SelectionTest, TextIsKnownByItsNameAndItsFirstWord) {
  for (const std::string_view text : {"(module)", " \n\t(module $x", ";; comment\n(module",
                                      "(; long\n ;)(; 2 ;) ( module", "(component", "(;;)(module"})
    EXPECT_TRUE(Looks("/a.wat", text)) << text;
  for (const std::string_view text :
       {"", "module", "(", "(;", "; (module)", "(mod)", "#!/bin/sh", ";; (module)"})
    EXPECT_FALSE(Looks("/a.wat", text)) << text;
  EXPECT_FALSE(Looks("/a.lisp", "(module)"));
}

}  // namespace
}  // namespace wasmoor::container
