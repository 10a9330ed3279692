#include "function/wasmbox_form.h"

#include <gtest/gtest.h>

namespace wasmoor::function {
namespace {

TEST(WasmboxFormTest, FindsTheParameterOfAnObject) {
  EXPECT_EQ(WasmboxParameter(R"({"parameter": "a\nb"})"), "a\nb");
  EXPECT_EQ(WasmboxParameter(R"(  {"x": 1, "parameter": ""})"), "");
}

TEST(WasmboxFormTest, LeavesEveryOtherBodyAsItIs) {
  for (const std::string_view body : {"", "text", "{", "{}", "[]", R"({"parameter": 1})",
                                      R"({"parameter": "a"} more)", "{\"parameter\": \"\xff\"}"})
    EXPECT_FALSE(WasmboxParameter(body)) << body;
}

}  // namespace
}  // namespace wasmoor::function
