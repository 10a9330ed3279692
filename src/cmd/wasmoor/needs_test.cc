#include "cmd/wasmoor/needs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasmoor/program/program.h"

namespace wasmoor::cmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wasm::Extern;
using wasm::ExternKind;
using wasm::ModuleKind;

wasm::Outline Empty(ModuleKind kind) {
  wasm::Outline outline;
  outline.kind = kind;
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures())
    outline.features.*feature.member = false;
  return outline;
}

Extern Function(std::string module, std::string name) {
  return {.module = std::move(module), .name = std::move(name), .kind = ExternKind::kFunction};
}

Extern Interface(std::string name) {
  return {.name = std::move(name), .kind = ExternKind::kInstance};
}

Needs Of(const wasm::Outline& outline) { return NeedsOf(outline, *program::NewHost().table); }

std::string WorldOfExport(ModuleKind kind, const Extern& item) {
  wasm::Outline outline = Empty(kind);
  outline.exports = {item};
  return Of(outline).world;
}

TEST(NeedsTest, TheWorldFollowsFromTheExports) {
  EXPECT_EQ(Of(Empty(ModuleKind::kCore)).world, "library");
  EXPECT_EQ(WorldOfExport(ModuleKind::kCore, Function("", "_start")), "command");
  EXPECT_EQ(WorldOfExport(ModuleKind::kCore, Function("", "_initialize")), "reactor");
  EXPECT_EQ(WorldOfExport(ModuleKind::kComponent, Interface("wasi:cli/run@0.2.3")), "command");
  EXPECT_EQ(WorldOfExport(ModuleKind::kComponent, Interface("wasi:http/incoming-handler@0.2.0")),
            "proxy");
  EXPECT_EQ(WorldOfExport(ModuleKind::kComponent, Interface("my:own/api")), "library");
}

TEST(NeedsTest, TheVersionOfWasiFollowsFromTheImports) {
  wasm::Outline outline = Empty(ModuleKind::kCore);
  EXPECT_EQ(Of(outline).wasi, "none");
  outline.imports = {Function("wasi_unstable", "fd_write")};
  EXPECT_EQ(Of(outline).wasi, "0.0");
  outline.imports.push_back(Function("wasi_snapshot_preview1", "fd_write"));
  EXPECT_EQ(Of(outline).wasi, "0.1");
  wasm::Outline component = Empty(ModuleKind::kComponent);
  component.imports = {Interface("wasi:io/streams@0.2.12"), Interface("my:own/thing@7.0.0")};
  EXPECT_EQ(Of(component).wasi, "0.2");
  component.imports.push_back(Interface("wasi:io/streams@0.3.0-rc1"));
  EXPECT_EQ(Of(component).wasi, "0.2, 0.3");
  component.imports = {Interface("wasi:@"), Interface("wasi:io@.")};
  EXPECT_FALSE(Of(component).can_run());
}

TEST(NeedsTest, WhatNothingProvidesMakesItUnableToRun) {
  wasm::Outline outline = Empty(ModuleKind::kCore);
  outline.imports = {Function("env", "emscripten_sleep"), Function("env", "emscripten_exit")};
  const Needs needs = Of(outline);
  EXPECT_FALSE(needs.can_run());
  EXPECT_THAT(needs.missing, SizeIs(2));
  EXPECT_THAT(needs.providers, SizeIs(1));  // Said once.
}

TEST(NeedsTest, AComponentThatHandlesHttpIsToldSo) {
  wasm::Outline outline = Empty(ModuleKind::kComponent);
  outline.imports = {Interface("wasi:http/types@0.2.0"), Interface("wasi:io/streams@0.2.0")};
  const Needs needs = Of(outline);
  EXPECT_THAT(needs.missing, SizeIs(1));
  EXPECT_THAT(
      needs.providers,
      ElementsAre("it handles or makes HTTP requests, which 'wasmoor run' does not provide"));
}

TEST(NeedsTest, MemoryThatNoNumberHoldsIsTheLargestNumber) {
  wasm::Outline outline = Empty(ModuleKind::kCore);
  outline.memories.resize(2);
  outline.memories[0].pages.minimum = 2;
  EXPECT_EQ(Of(outline).memory_bytes, 2U << 16);
  outline.memories[1].pages.minimum = UINT64_MAX;
  EXPECT_EQ(Of(outline).memory_bytes, UINT64_MAX);
  EXPECT_THAT(Of(outline).features_off, IsEmpty());
}

}  // namespace
}  // namespace wasmoor::cmd
