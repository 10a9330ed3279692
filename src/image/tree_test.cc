#include "image/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/result.h"
#include "support/scratch.h"

namespace wasmoor::image {
namespace {

using test::Must;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TreeTest : public ::testing::Test {
 protected:
  TreeTest() {
    recipe.program = {0, 'a', 's', 'm'};
    recipe.path = "/bin/app.wasm";
  }

  std::string Refusal() const {
    const auto tree = CollectTree(recipe);
    return tree ? "not refused" : tree.error().message();
  }
  std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : Must(CollectTree(recipe))) paths.push_back(path);
    return paths;
  }

  const test::ScratchDirectory scratch;
  Recipe recipe;
};

TEST_F(TreeTest, FoldersComeBeforeWhatIsInThem) {
  scratch.Write("notes", "text");
  recipe.files = {{(scratch / "notes").native(), "/usr/share//./notes/"}};
  EXPECT_THAT(Paths(), ElementsAre("bin", "bin/app.wasm", "usr", "usr/share", "usr/share/notes"));
}

TEST_F(TreeTest, ADirectoryComesWithAllThatIsInIt) {
  std::filesystem::create_directories(scratch / "data/empty");
  scratch.Write("data/tool", "#!");
  std::filesystem::permissions(scratch / "data/tool", std::filesystem::perms(0700));
  std::filesystem::create_symlink("/elsewhere", scratch / "data/link");
  recipe.files = {{(scratch / "data").native(), "/"}};
  EXPECT_THAT(Paths(), ElementsAre("bin", "bin/app.wasm", "empty", "link", "tool"));
  const Tree tree = Must(CollectTree(recipe));
  EXPECT_EQ(tree.at("tool").entry.mode, S_IFREG | 0755);
  EXPECT_EQ(tree.at("link").entry.target, "/elsewhere");
  EXPECT_EQ(tree.at("empty").entry.mode, S_IFDIR | 0755);
}

TEST_F(TreeTest, ALinkThatIsNamedItselfIsFollowed) {
  scratch.Write("file", "text");
  std::filesystem::create_symlink("file", scratch / "link");
  recipe.files = {{(scratch / "link").native(), "/copy"}};
  EXPECT_EQ(Must(CollectTree(recipe)).at("copy").entry.mode, S_IFREG | 0644);
}

TEST_F(TreeTest, TwoThingsAtOnePathAreRefused) {
  scratch.Write("file", "text");
  const std::string file = (scratch / "file").native();
  recipe.files = {{file, "/bin/app.wasm"}};
  EXPECT_EQ(Refusal(), "/bin/app.wasm: is put into the image twice");
  recipe.files = {{file, "/bin/app.wasm/below"}};
  EXPECT_THAT(Refusal(), HasSubstr("a folder and a file at once"));
  recipe.files = {{file, "/bin"}};
  EXPECT_EQ(Refusal(), "/bin: is put into the image twice");
}

TEST_F(TreeTest, PathsStayInTheImage) {
  for (const char* path : {"", "relative", "/a/../../etc", "/.."}) {
    recipe.path = path;
    EXPECT_FALSE(CollectTree(recipe)) << path;
  }
  recipe.path = "//";
  EXPECT_THAT(Refusal(), HasSubstr("no path for a program"));
  recipe.path = "/app.wasm";
  scratch.Write("file", "text");
  recipe.files = {{(scratch / "file").native(), "/"}};
  EXPECT_THAT(Refusal(), HasSubstr("only a directory"));
}

TEST_F(TreeTest, WhatIsNeitherFileNorDirectoryIsNamed) {
  const std::string fifo = (scratch / "fifo").native();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  recipe.files = {{fifo, "/fifo"}};
  EXPECT_EQ(Refusal(), fifo + ": is neither a file nor a directory");
  recipe.files = {{(scratch / "nothing").native(), "/x"}};
  EXPECT_THAT(Refusal(), HasSubstr("nothing: No such file"));
}

}  // namespace
}  // namespace wasmoor::image
