#include <random>

#include "conformance/engine_suite/support.h"

namespace wasmoor::suite {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kAnswer = R"((module
  (memory (export "memory") 1)
  (data (i32.const 8) "\2a\00\00\00")
  (func (export "answer") (result i32) (i32.load (i32.const 8)))
  (func (export "_start")))
)";

// kAnswer in binary, by hand: the suite has no compiler but the engine's.
const std::string& AnswerInBinary() {
  static constexpr unsigned char kBytes[] = {
      0x00, 'a',  's',  'm',  0x01, 0x00, 0x00, 0x00,              // preamble
      0x01, 0x08, 0x02, 0x60, 0x00, 0x01, 0x7f, 0x60, 0x00, 0x00,  // types () -> i32, () -> ()
      0x03, 0x03, 0x02, 0x00, 0x01,                                // functions
      0x05, 0x03, 0x01, 0x00, 0x01,                                // one memory of one page
      0x07, 0x1c, 0x03,                                            // exports
      0x06, 'm',  'e',  'm',  'o',  'r',  'y',  0x02, 0x00,        //
      0x06, 'a',  'n',  's',  'w',  'e',  'r',  0x00, 0x00,        //
      0x06, '_',  's',  't',  'a',  'r',  't',  0x00, 0x01,        //
      0x0a, 0x0c, 0x02,                                            // code
      0x07, 0x00, 0x41, 0x08, 0x28, 0x02, 0x00, 0x0b, 0x02, 0x00, 0x0b, 0x0b,
      0x0a, 0x01, 0x00, 0x41, 0x08, 0x0b, 0x04, 0x2a, 0x00, 0x00, 0x00,  // data
  };
  static const std::string binary(reinterpret_cast<const char*>(kBytes), sizeof(kBytes));
  return binary;
}

using CompileTest = EngineTest;
INSTANTIATE_TEST_SUITE_P(Engines, CompileTest, testing::ValuesIn(EveryWay()), WayName);

TEST_P(CompileTest, TextCompilesLoadsAndRuns) {
  Guest guest = New(kAnswer);
  EXPECT_THAT(guest.Invoke("answer"), Returned("42"));
  EXPECT_THAT(Run(kAnswer), ExitedWith(0));
}

TEST_P(CompileTest, BinaryCompilesLoadsAndRuns) {
  ASSERT_TRUE(wasm::LooksLikeModule(BytesOf(AnswerInBinary())));
  EXPECT_THAT(New(AnswerInBinary()).Invoke("answer"), Returned("42"));
}

TEST_P(CompileTest, CodeSaysHowItWasMade) {
  const auto code = Must(engine().Compile(BytesOf(kAnswer), GetParam().tier));
  EXPECT_EQ(code.info().tier, GetParam().tier);
  EXPECT_FALSE(code.info().is_component);
  EXPECT_FALSE(code.in_file());
  const auto component = Must(engine().Compile(BytesOf("(component)"), GetParam().tier));
  EXPECT_TRUE(component.info().is_component);
}

TEST_P(CompileTest, ACommandOfARealCompilerRuns) {
  if (const auto why = WhyMissing("hello"); !why.empty()) GTEST_SKIP() << why;
  Pipe output;
  GuestOptions options;
  options.grants.arguments = {"hello"};
  options.grants.standard_output = std::move(output.write);
  EXPECT_THAT(Run(GuestFile("hello"), std::move(options)), ExitedWith(0));
  EXPECT_EQ(output.Drain(), "Hello from wasm!\n");
}

TEST_P(CompileTest, AModuleCutOffAnywhereIsRefusedWithAnOffset) {
  const std::string& whole = AnswerInBinary();
  for (size_t length = 8; length < whole.size(); ++length) {
    const auto code = engine().Compile(BytesOf(whole.substr(0, length)), GetParam().tier);
    // An empty module, types alone, and a module without its data are whole.
    if (length == 8 || length == 18 || length == 72) {
      EXPECT_TRUE(code) << length << " bytes: " << code.error().message();
      continue;
    }
    EXPECT_THAT(code, FailsWith(Code::kInvalidArgument, HasSubstr("offset"))) << length << " bytes";
  }
}

TEST_P(CompileTest, LessThanAPreambleIsNeitherBinaryNorText) {
  for (size_t length = 1; length < 8; ++length) {
    EXPECT_THAT(engine().Compile(BytesOf(AnswerInBinary().substr(0, length)), GetParam().tier),
                FailsWith(Code::kInvalidArgument, HasSubstr("neither")))
        << length << " bytes";
  }
}

TEST_P(CompileTest, EverySingleByteMayBeWrong) {
  // Each of these is refused with a sentence, or is a module, which must then load.
  std::string bytes = AnswerInBinary();
  for (size_t at = 0; at < bytes.size(); ++at) {
    const char before = bytes[at];
    for (const int flip : {0x01, 0x40, 0x80, 0xff}) {
      bytes[at] = static_cast<char>(before ^ flip);
      const auto code = engine().Compile(BytesOf(bytes), GetParam().tier);
      if (code) {
        EXPECT_TRUE(engine().Load(*code)) << "byte " << at << " flipped by " << flip;
      } else {
        EXPECT_THAT(code.error().code(),
                    testing::AnyOf(Code::kInvalidArgument, Code::kUnimplemented))
            << "byte " << at << " flipped by " << flip << ": " << code.error().message();
        EXPECT_NE(code.error().message(), "");
      }
    }
    bytes[at] = before;
  }
}

TEST_P(CompileTest, RandomBytesAreRefused) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (round % 2 == 0) bytes.insert(0, AnswerInBinary().substr(0, 8));
    if (bytes.size() == 8) continue;
    EXPECT_THAT(engine().Compile(BytesOf(bytes), GetParam().tier),
                FailsWith(Code::kInvalidArgument, Not(testing::IsEmpty())));
  }
}

TEST_P(CompileTest, HugeLengthsAreRefusedWithoutBeingBelieved) {
  const std::string preamble = AnswerInBinary().substr(0, 8);
  const std::string huge = "\xff\xff\xff\xff\x0f";  // 4294967295 in LEB128.
  for (char section = 0; section < 14; ++section) {
    EXPECT_THAT(engine().Compile(BytesOf(preamble + section + huge), GetParam().tier),
                FailsWith(Code::kInvalidArgument, HasSubstr("offset")))
        << "section " << int{section} << " that is 4 GiB long";
    // A section of six bytes that says it holds four billion items.
    EXPECT_THAT(
        engine().Compile(BytesOf(preamble + section + "\x06" + huge + "\x00"), GetParam().tier),
        FailsWith(Code::kInvalidArgument, HasSubstr("offset")))
        << "section " << int{section} << " of 4 billion items";
  }
}

TEST_P(CompileTest, AFunctionWithFourBillionLocalsIsRefused) {
  using namespace std::string_literals;
  const std::string module = AnswerInBinary().substr(0, 8) + "\x01\x04\x01\x60\x00\x00"s +
                             "\x03\x02\x01\x00"s +
                             "\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b"s;
  EXPECT_THAT(engine().Compile(BytesOf(module), GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("offset")));
}

TEST_P(CompileTest, NothingAndBrokenTextAreRefused) {
  EXPECT_THAT(engine().Compile({}, GetParam().tier), FailsWith(Code::kInvalidArgument));
  EXPECT_THAT(engine().Compile(
                  BytesOf("(module (func $f (result i32) i32.const 1) (export \"f\" (func $g)))"),
                  GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("$g")));
  EXPECT_THAT(engine().Compile(BytesOf("#!/bin/sh\necho hello\n"), GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("neither")));
}

TEST_P(CompileTest, ValidTextOfAnInvalidModuleIsRefused) {
  EXPECT_THAT(
      engine().Compile(BytesOf("(module (func (result i32) i64.const 1))"), GetParam().tier),
      FailsWith(Code::kInvalidArgument, HasSubstr("type mismatch")));
}

TEST_P(CompileTest, AComponentThatIsNotValidIsRefused) {
  if (const auto why = WhyMissing("calc-component"); !why.empty()) GTEST_SKIP() << why;
  const std::string whole = GuestFile("calc-component");
  for (const size_t length : {size_t{9}, whole.size() / 3, whole.size() / 2, whole.size() - 1}) {
    EXPECT_THAT(engine().Compile(BytesOf(whole.substr(0, length)), GetParam().tier),
                FailsWith(Code::kInvalidArgument, ContainsRegex("offset|range [0-9]+")))
        << length << " bytes";
  }
}

TEST_P(CompileTest, ACoreModuleInsideAComponentsPreambleIsRefused) {
  std::string bytes = AnswerInBinary();
  bytes[4] = 0x0d;  // The component model's version and layer.
  bytes[6] = 0x01;
  EXPECT_THAT(engine().Compile(BytesOf(bytes), GetParam().tier),
              FailsWith(Code::kInvalidArgument, HasSubstr("offset")));
}

TEST_P(CompileTest, TheFingerprintTellsTiersAndOptionsApart) {
  const std::string mine = engine().Fingerprint(GetParam().tier);
  EXPECT_THAT(mine, AllOf(HasSubstr(std::string(engine().name())),
                          HasSubstr(std::string(engine().version())),
                          HasSubstr(std::string(wasm::TierName(GetParam().tier)))));
  EXPECT_NE(engine().Fingerprint(Tier::kOptimized), engine().Fingerprint(Tier::kBaseline));
  EXPECT_EQ(NewEngine(Options())->Fingerprint(GetParam().tier), mine);

  wasm::EngineOptions other = Options();
  other.sharing = many() ? wasm::Sharing::kOneGuest : wasm::Sharing::kManyGuests;
  EXPECT_NE(NewEngine(other)->Fingerprint(GetParam().tier), mine);
  other = Options();
  other.features.bulk_memory = !other.features.bulk_memory;
  other.features.threads = !other.features.threads;
  EXPECT_NE(NewEngine(other)->Fingerprint(GetParam().tier), mine);
}

TEST_P(CompileTest, CodeOfOneEngineRunsInAnotherOfTheSameFingerprint) {
  const auto code = Must(engine().Compile(BytesOf(kAnswer), GetParam().tier));
  wasm::EngineOptions options = Options();
  // What code does not depend on may differ.
  options.stack_bytes *= 2;
  options.pool.instances = 7;
  options.tick *= 2;
  options.parallel_compile = false;
  const auto other = NewEngine(options);
  ASSERT_EQ(other->Fingerprint(GetParam().tier), engine().Fingerprint(GetParam().tier));
  EXPECT_THAT(New(*Must(other->Load(code))).Invoke("answer"), Returned("42"));
}

TEST_P(CompileTest, CodeOfAnotherFingerprintIsRefused) {
  const auto code = Must(engine().Compile(BytesOf(kAnswer), GetParam().tier));
  wasm::EngineOptions other_sharing = Options();
  other_sharing.sharing = many() ? wasm::Sharing::kOneGuest : wasm::Sharing::kManyGuests;
  EXPECT_THAT(NewEngine(other_sharing)->Load(code), FailsWith(Code::kDataLoss));

  wasm::EngineOptions other_features = Options();
  other_features.features.simd = other_features.features.relaxed_simd = false;
  EXPECT_THAT(NewEngine(other_features)->Load(code), FailsWith(Code::kDataLoss));
}

TEST_P(CompileTest, EnginesOfBothSharingsWorkInOneProcess) {
  wasm::EngineOptions options = Options();
  options.sharing = many() ? wasm::Sharing::kOneGuest : wasm::Sharing::kManyGuests;
  const auto other = NewEngine(options);
  Guest mine = New(kAnswer);
  Guest theirs = New(*Load(*other, kAnswer));
  EXPECT_THAT(mine.Invoke("answer"), Returned("42"));
  EXPECT_THAT(theirs.Invoke("answer"), Returned("42"));
  EXPECT_THAT(New("(module (func (export \"_start\") unreachable))").Run().value(),
              TrappedBy(TrapCode::kUnreachable));
  EXPECT_THAT(New(*Load(*other, "(module (func (export \"_start\") unreachable))")).Run().value(),
              TrappedBy(TrapCode::kUnreachable));
}

}  // namespace
}  // namespace wasmoor::suite
