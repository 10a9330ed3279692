#include "conformance/engine_suite/support.h"

namespace wasmoor::suite {
namespace {

using testing::HasSubstr;
using wasm::Features;

// A module that needs one proposal, exports "f" and returns `result` from it.
struct Example {
  std::string_view feature;  // As AllFeatures() has it.
  std::string_view wat;
  std::string_view result;
  std::vector<std::string_view> without;  // Other features that build on it and go off with it.
};

const std::vector<Example>& Examples() {
  static const std::vector<Example> examples = {
      {"simd",
       R"((module (func (export "f") (result i32)
         (i32x4.extract_lane 2 (i32x4.add (i32x4.splat (i32.const 40)) (i32x4.splat (i32.const 2)))))))",
       "42",
       {"relaxed-simd"}},
      {"relaxed-simd",
       R"((module (func (export "f") (result f32)
         (f32x4.extract_lane 0 (f32x4.relaxed_madd (f32x4.splat (f32.const 2)) (f32x4.splat (f32.const 3))
           (f32x4.splat (f32.const 4)))))))",
       "10",
       {}},
      {"bulk-memory",
       R"((module (memory 1) (func (export "f") (result i32)
         (memory.fill (i32.const 0) (i32.const 7) (i32.const 4))
         (memory.copy (i32.const 8) (i32.const 0) (i32.const 4))
         (i32.load8_u (i32.const 11)))))",
       "7",
       {"reference-types", "function-references", "gc", "exceptions"}},
      {"multi-value",
       R"((module (func (export "f") (result i32 i64) (i32.const 1) (i64.const 2))))",
       "1\n2",
       {}},
      {"reference-types",
       R"((module (table $t 2 externref) (func (export "f") (result i32)
         (table.size $t))))",
       "2",
       {"function-references", "gc", "exceptions"}},
      {"multi-memory",
       R"((module (memory $a 1) (memory $b 1) (func (export "f") (result i32)
         (i32.store $a (i32.const 0) (i32.const 1)) (i32.store $b (i32.const 0) (i32.const 5))
         (i32.load $b (i32.const 0)))))",
       "5",
       {}},
      {"memory64",
       R"((module (memory i64 1) (func (export "f") (result i64)
         (i64.store (i64.const 65528) (i64.const 9)) (i64.load (i64.const 65528)))))",
       "9",
       {}},
      {"tail-call",
       R"((module
         (func $count (param i32 i32) (result i32)
           (if (result i32) (i32.eqz (local.get 0)) (then (local.get 1))
             (else (return_call $count (i32.sub (local.get 0) (i32.const 1))
                                       (i32.add (local.get 1) (i32.const 1))))))
         (func (export "f") (result i32) (call $count (i32.const 1000000) (i32.const 0)))))",
       "1000000",
       {}},
      {"function-references",
       R"((module (type $t (func (result i32)))
         (func $g (result i32) (i32.const 12)) (elem declare func $g)
         (func (export "f") (result i32) (call_ref $t (ref.func $g)))))",
       "12",
       {"gc"}},
      {"gc",
       R"((module (type $p (struct (field i32) (field i32)))
         (func (export "f") (result i32) (local $p (ref null $p))
           (local.set $p (struct.new $p (i32.const 3) (i32.const 4)))
           (i32.add (struct.get $p 0 (local.get $p)) (struct.get $p 1 (local.get $p))))))",
       "7",
       {}},
      {"exceptions",
       R"((module (tag $e (param i32))
         (func $thrower (throw $e (i32.const 31)))
         (func (export "f") (result i32)
           (block $caught (result i32) (try_table (catch $e $caught) (call $thrower)) (i32.const 0)))))",
       "31",
       {}},
      {"custom-page-sizes",
       R"((module (memory 3 (pagesize 1)) (func (export "f") (result i32) (memory.size))))",
       "3",
       {}},
      {"wide-arithmetic",
       R"((module (func (export "f") (result i64 i64)
         (i64.mul_wide_u (i64.const -1) (i64.const 2)))))",
       "-2\n1",
       {}},
  };
  return examples;
}

// The threads proposal is apart: shared memories are not for pools.
constexpr std::string_view kAtomics = R"((module (memory 1)
  (func (export "f") (result i32)
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 5)))
    (i32.atomic.load (i32.const 0)))))";
constexpr std::string_view kSharedMemory = R"((module
  (import "test" "number" (func $number (param i32) (result i32)))
  (memory (export "memory") 1 2 shared)
  (func (export "f") (result i32)
    (i32.store (i32.const 16) (i32.const 77))
    (call $number (i32.const 16)))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))))";

constexpr std::string_view kStackSwitching = R"((module (type $f (func)) (type $c (cont $f))
  (func (export "f") (param (ref $c)) (resume $c (local.get 0)))))";

void Set(Features* features, std::string_view name, bool value) {
  for (const wasm::FeatureInfo& feature : wasm::AllFeatures()) {
    if (feature.name == name) features->*feature.member = value;
  }
}

using FeatureTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, FeatureTest, testing::ValuesIn(EveryWay()), WayName);

TEST_P(FeatureTest, EveryFeatureThatIsOnWorks) {
  for (const Example& example : Examples()) {
    wasm::EngineOptions options = Options();
    Set(&options.features, example.feature, true);
    const auto engine = NewEngine(options);
    Guest guest = New(*Load(*engine, example.wat));
    EXPECT_THAT(guest.Invoke("f"), Returned(example.result)) << example.feature;
  }
}

TEST_P(FeatureTest, AFeatureThatIsOffIsNamed) {
  for (const Example& example : Examples()) {
    wasm::EngineOptions options = Options();
    Set(&options.features, example.feature, false);
    for (const std::string_view other : example.without) Set(&options.features, other, false);
    const auto engine = NewEngine(options);
    EXPECT_THAT(
        engine->Compile(BytesOf(example.wat), GetParam().tier),
        FailsWith(Code::kInvalidArgument,
                  HasSubstr(fmt::format("needs the feature {}, which is off", example.feature))));
  }
}

TEST_P(FeatureTest, WhatIsNotFinishedIsOffUnlessAskedFor) {
  const Features features;
  EXPECT_FALSE(features.threads);
  EXPECT_FALSE(features.custom_page_sizes);
  EXPECT_FALSE(features.wide_arithmetic);
  EXPECT_FALSE(features.stack_switching);
  EXPECT_THAT(engine().Compile(BytesOf(kAtomics), GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("needs the feature threads")));
  EXPECT_THAT(engine().Compile(BytesOf(kStackSwitching), GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("needs the feature stack-switching")));
}

TEST_P(FeatureTest, ComponentsCanBeTurnedOff) {
  wasm::EngineOptions options = Options();
  options.features.component_model = false;
  const auto engine = NewEngine(options);
  EXPECT_THAT(engine->Compile(BytesOf("(component)"), GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("needs the feature component-model")));
}

TEST_P(FeatureTest, AtomicsWorkWithThreadsOn) {
  wasm::EngineOptions options = Options();
  options.features.threads = true;
  const auto engine = NewEngine(options);
  EXPECT_THAT(New(*Load(*engine, kAtomics)).Invoke("f"), Returned("5"));
}

TEST_P(FeatureTest, AHostFunctionReadsSharedMemory) {
  wasm::EngineOptions options = Options();
  options.features.threads = true;
  const auto engine = NewEngine(options);
  GuestOptions guest_options;
  uint64_t seen_size = 0;
  guest_options.hooks->number = [&](Call& call) {
    seen_size = call.memory.size();
    int32_t value = 0;
    if (!call.memory.Load(static_cast<uint32_t>(call.frame[0].i32), &value))
      return call.Trap("outside memory");
    return call.Return(value + 1);
  };
  const auto code = Must(engine->Compile(BytesOf(kSharedMemory), Tier::kOptimized));
  const auto module = engine->Load(code);
  if (many()) {
    // Its growth cannot be limited nor its waits be ended: refused with a sentence, not run.
    EXPECT_THAT(module, FailsWith(Code::kUnimplemented, HasSubstr("shared")));
    return;
  }
  Guest guest = New(*Must(module), std::move(guest_options));
  EXPECT_THAT(guest.Invoke("f"), Returned("78"));
  EXPECT_EQ(seen_size, 65536U);
  EXPECT_THAT(guest.Invoke("grow"), Returned("1"));
  EXPECT_THAT(guest.Invoke("f"), Returned("78"));
  EXPECT_EQ(seen_size, 2 * 65536U);
}

using BaselineTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, BaselineTest, testing::ValuesIn(EverySharing()), WayName);

TEST_P(BaselineTest, SaysWhenOnlyTheOtherTierCan) {
  for (const Example& example : Examples()) {
    wasm::EngineOptions options = Options();
    Set(&options.features, example.feature, true);
    const auto engine = NewEngine(options);
    const auto code = engine->Compile(BytesOf(example.wat), Tier::kBaseline);
    if (code) continue;
    EXPECT_THAT(code, FailsWith(Code::kUnimplemented)) << example.feature;
    EXPECT_TRUE(engine->Compile(BytesOf(example.wat), Tier::kOptimized)) << example.feature;
  }
}

}  // namespace
}  // namespace wasmoor::suite
