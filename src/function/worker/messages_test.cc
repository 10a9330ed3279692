#include "function/worker/messages.h"

#include <gtest/gtest.h>

#include "function/worker/wire.h"

namespace wasmoor::function {
namespace {

// Each that is cut off, or has something more, is nonsense.
template <typename Read>
void ExpectWhole(const std::string& bytes, Read read) {
  EXPECT_TRUE(read(bytes));
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(read(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(read(bytes + "x"));
}

// And one with any byte changed is read, or not, and harms nobody.
template <typename Read>
void ReadDamaged(const std::string& bytes, Read read) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char other : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[at] = other;
      static_cast<void>(read(damaged));
    }
  }
}

RunResult Trapped() {
  RunResult result;
  result.exit->kind = wasm::Exit::Kind::kTrapped;
  result.exit->trap = {.code = wasm::TrapCode::kUnreachable,
                       .message = "it trapped",
                       .frames = {{.function = "main", .function_index = 3, .module_offset = 77}},
                       .backtrace = "0: main\n1: _start\n"};
  result.cpu_time = std::chrono::nanoseconds(1234);
  result.wall_time = std::chrono::nanoseconds(5678);
  result.usage = {.memory_bytes = 65536, .table_elements = 2, .memory_refusals = 1};
  return result;
}

TEST(MessagesTest, TellsHowARunEnded) {
  std::string bytes;
  Write(Trapped(), &bytes);
  const auto read = ReadRunResult(bytes);
  ASSERT_TRUE(read);
  ASSERT_TRUE(read->exit);
  EXPECT_EQ(read->exit->kind, wasm::Exit::Kind::kTrapped);
  EXPECT_EQ(read->exit->trap.code, wasm::TrapCode::kUnreachable);
  EXPECT_EQ(read->exit->trap.backtrace, "0: main\n1: _start\n");
  ASSERT_EQ(read->exit->trap.frames.size(), 1u);
  EXPECT_EQ(read->exit->trap.frames[0].function, "main");
  EXPECT_EQ(read->exit->trap.frames[0].module_offset, 77u);
  EXPECT_EQ(read->cpu_time.count(), 1234);
  EXPECT_EQ(read->usage.memory_refusals, 1u);
  ExpectWhole(bytes, [](std::string_view part) { return ReadRunResult(part).has_value(); });
  ReadDamaged(bytes, [](std::string_view part) { return ReadRunResult(part); });
}

TEST(MessagesTest, TellsWhyARunWasNone) {
  RunResult result;
  result.exit = Fail(Code::kResourceExhausted, "no room");
  std::string bytes;
  Write(result, &bytes);
  const auto read = ReadRunResult(bytes);
  ASSERT_TRUE(read);
  ASSERT_FALSE(read->exit);
  EXPECT_EQ(read->exit.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(read->exit.error().message(), "no room");
}

TEST(MessagesTest, CutsATrapThatIsTooLong) {
  RunResult result = Trapped();
  result.exit->trap.frames.resize(100'000, result.exit->trap.frames[0]);
  result.exit->trap.backtrace.assign(10 << 20, 'x');
  std::string bytes;
  Write(result, &bytes);
  EXPECT_LT(bytes.size(), size_t{1} << 20);
  EXPECT_TRUE(ReadRunResult(bytes));
}

TEST(MessagesTest, BelievesNoCount) {
  std::string bytes;
  WireWriter writer(&bytes);
  writer.Number(200);
  writer.Number(uint64_t{1} << 60);  // Fields.
  EXPECT_FALSE(ReadHead(bytes));
}

TEST(MessagesTest, TellsTheHeadOfAResponse) {
  std::string bytes;
  Write(ReplyHead{.status = 404, .fields = {{"a", "b"}, {"c", ""}}}, &bytes);
  const auto read = ReadHead(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, 404u);
  EXPECT_EQ(read->fields.size(), 2u);
  ExpectWhole(bytes, [](std::string_view part) { return ReadHead(part).has_value(); });
  ReadDamaged(bytes, [](std::string_view part) { return ReadHead(part); });
}

TEST(MessagesTest, TakesNoFieldThatCouldBeMore) {
  using Field = std::pair<std::string, std::string>;
  for (const Field& field :
       {Field{"a", "b\r\nc: d"}, Field{"a\n", "b"}, Field{"a", std::string("b\0", 2)},
        Field{"", "b"}, Field{"a b", "c"}, Field{"a:", "c"}}) {
    std::string bytes;
    Write(ReplyHead{.status = 200, .fields = {field}}, &bytes);
    EXPECT_FALSE(ReadHead(bytes)) << field.first;
  }
  for (const unsigned status : {0u, 99u, 1000u}) {
    std::string bytes;
    Write(ReplyHead{.status = status}, &bytes);
    EXPECT_FALSE(ReadHead(bytes)) << status;
  }
}

TEST(MessagesTest, TellsAFunctionAndItsDirectories) {
  Ready function;
  function.function = "acme/hello";
  function.tenant = "acme";
  function.name = "hello";
  function.kind = Kind::kHttp;
  auto manifest = std::make_shared<Manifest>();
  manifest->arguments = {"--fast"};
  manifest->reuse = {.requests = 9, .idle = std::chrono::milliseconds(1500)};
  auto granted = std::make_shared<Granted>();
  granted->environment = {{"LEVEL", "3"}};
  granted->outgoing = {{.host = "*.example.com", .port = 443}};
  function.manifest = manifest;
  function.granted = granted;
  std::string bytes;
  Write(function, &bytes);
  const auto read = ReadFunction(bytes);
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->function, "acme/hello");
  EXPECT_EQ(read->kind, Kind::kHttp);
  EXPECT_EQ(read->manifest->arguments, manifest->arguments);
  EXPECT_EQ(read->manifest->reuse, manifest->reuse);
  EXPECT_EQ(read->granted->environment, granted->environment);
  EXPECT_EQ(read->granted->outgoing[0].port, 443);
  ExpectWhole(bytes, [](std::string_view part) { return ReadFunction(part) != nullptr; });

  wasi::Preopen directory;
  directory.host = "/srv";
  directory.guest = "/data";
  directory.access = wasi::Access::kReadOnly;
  std::string text;
  Write(directory, &text);
  const auto same = ReadDirectory(text);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->guest, "/data");
  EXPECT_EQ(same->access, wasi::Access::kReadOnly);
}

TEST(MessagesTest, TellsHowAWorkerIsToBe) {
  WorkerSetup setup{.key = "acme/",
                    .guests = 7,
                    .memory_bytes = 1 << 30,
                    .idle_memory_bytes = 1 << 20,
                    .groups = Groups::kOff,
                    .jail = false,
                    .asks_others = true};
  setup.features.gc = false;
  std::string bytes;
  Write(setup, &bytes);
  const auto read = ReadWorkerSetup(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key, "acme/");
  EXPECT_EQ(read->features, setup.features);
  EXPECT_EQ(read->idle_memory_bytes, 1u << 20);
  EXPECT_EQ(read->groups, Groups::kOff);
  EXPECT_FALSE(read->jail);
  EXPECT_TRUE(read->asks_others);
}

}  // namespace
}  // namespace wasmoor::function
