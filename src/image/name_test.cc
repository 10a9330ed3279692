#include "wasmoor/image/name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wasmoor::image {
namespace {

using ::testing::HasSubstr;

std::string Full(std::string_view text) {
  const auto name = FullName(text);
  return name ? *name : "refused: " + name.error().message();
}

TEST(NameTest, ShortNamesAreThoseOfTheUsualRegistry) {
  EXPECT_EQ(Full("app"), "docker.io/library/app:latest");
  EXPECT_EQ(Full("app:1.2"), "docker.io/library/app:1.2");
  EXPECT_EQ(Full("me/app"), "docker.io/me/app:latest");
  EXPECT_EQ(Full("docker.io/app"), "docker.io/library/app:latest");
}

TEST(NameTest, ARegistryIsKnownByItsDotPortOrName) {
  EXPECT_EQ(Full("ghcr.io/me/app:v1"), "ghcr.io/me/app:v1");
  EXPECT_EQ(Full("localhost/app"), "localhost/app:latest");
  EXPECT_EQ(Full("registry:5000/a/b_c/d__e/f---g"), "registry:5000/a/b_c/d__e/f---g:latest");
  EXPECT_EQ(Full("docker.io/library/wasmtest:latest"), "docker.io/library/wasmtest:latest");
}

TEST(NameTest, WhatBreaksTheRulesIsRefusedWithTheRule) {
  for (const char* name : {"", "App", "a//b", "/a", "a/", "a..b", "a___b", "-a", "a-", "a b", "ä"})
    EXPECT_THAT(Full(name), HasSubstr("lower case")) << name;
  for (const char* name : {"a:", "a:-b", "a:b:c", "a: "})
    EXPECT_THAT(Full(name), HasSubstr("a tag has")) << name;
  for (const char* name : {"-x.io/a", "x..io/a", "x:port/a", "a:b/c", "x:/a", "a_b.io/a"})
    EXPECT_THAT(Full(name), HasSubstr("registry")) << name;
  EXPECT_THAT(Full("a@sha256:0"), HasSubstr("digest"));
  EXPECT_THAT(Full(std::string(300, 'a')), HasSubstr("255"));
  EXPECT_THAT(Full("a:" + std::string(129, 'a')), HasSubstr("128"));
  EXPECT_THAT(Full("\x1b[2J"), HasSubstr("\\x1b"));
}

TEST(PlatformTest, HasTwoOrThreeParts) {
  EXPECT_EQ(*ParsePlatform("wasi/wasm"), (Platform{"wasi", "wasm", ""}));
  EXPECT_EQ(ToString(*ParsePlatform("linux/arm/v7")), "linux/arm/v7");
  for (const char* text : {"", "linux", "linux/", "/amd64", "a/b/c/d", "a b/c", "linux/amd64/"})
    EXPECT_FALSE(ParsePlatform(text)) << text;
}

}  // namespace
}  // namespace wasmoor::image
