"""The law finds what it is there to find, in trees made up for it, and nothing in a lawful one."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import law

TABLE = "# a comment\nbase:\nos: base\nwasm: os base\nwasm/cache: wasm os base\ncmd: wasm/cache wasm os base\n"


class LawTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.write("cmake/rooms.txt", TABLE)
        self.write("include/wasmoor/base/error.h", "#include <string>\n")
        self.write("include/wasmoor/wasm/cache.h", '#include "wasmoor/base/error.h"\n')
        self.write("src/os/fd.h", '#include "wasmoor/base/error.h"\n')
        self.write("src/wasm/cache/entry.h", "\n")
        self.write("src/wasm/cache/entry.cc",
                   '#include "wasm/cache/entry.h"\n\n#include <vector>\n\n#include "os/fd.h"\n'
                   '#include "wasmoor/wasm/cache.h"\n')

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def violations(self):
        return law.Law(self.root).check()

    def assert_only(self, *parts):
        found = self.violations()
        self.assertEqual(len(found), 1, found)
        for part in parts:
            self.assertIn(part, found[0])

    def test_a_lawful_tree_has_no_violation(self):
        self.assertEqual(self.violations(), [])

    def test_a_room_may_not_include_one_above_it(self):
        self.write("src/os/bad.cc", '\n#include "wasmoor/wasm/cache.h"\n')
        self.assert_only("src/os/bad.cc:2:", "room 'os' may not include room 'wasm'")

    def test_a_subfolder_is_a_room_of_its_own(self):
        self.write("src/wasm/bad.cc", '#include "wasm/cache/entry.h"\n')
        self.assert_only("src/wasm/bad.cc:1:", "room 'wasm' may not include room 'wasm/cache'")

    def test_an_include_relative_to_the_file_counts_too(self):
        self.write("src/wasm/bad.cc", '#include "cache/entry.h"\n')
        self.assert_only("room 'wasm' may not include room 'wasm/cache'")

    def test_any_room_may_include_messages_that_are_in_proto(self):
        self.write("proto/some/task.proto", 'syntax = "proto3";\n')
        self.write("src/os/good.cc", '#include "proto/some/task.pb.h"\n')
        self.assertEqual(self.violations(), [])
        self.write("src/os/bad.cc", '#include "proto/some/other.pb.h"\n')
        self.assert_only("src/os/bad.cc:1:", "which is in no room")

    def test_services_of_ttrpc_are_of_its_room(self):
        self.write("proto/some/task.proto", 'syntax = "proto3";\n')
        self.write("src/os/bad.cc", '#include "proto/some/task.ttrpc.h"\n')
        self.assert_only("src/os/bad.cc:1:", "room 'os' may not include room 'ttrpc'")

    def test_a_public_header_in_angle_brackets_counts_too(self):
        self.write("src/base/bad.cc", "#include <wasmoor/wasm/cache.h>\n")
        self.assert_only("room 'base' may not include room 'wasm'")

    def test_a_public_header_may_not_include_a_private_one(self):
        self.write("include/wasmoor/wasm/bad.h", '#include "os/fd.h"\n')
        self.assert_only("include/wasmoor/wasm/bad.h:1:", "not installed")

    def test_a_file_in_no_room_is_found(self):
        self.write("src/attic/old.cc", "\n")
        self.assert_only("src/attic/old.cc:1:", "in no room")

    def test_an_include_of_no_room_is_found(self):
        self.write("src/os/bad.cc", '#include "elsewhere/x.h"\n')
        self.assert_only("elsewhere/x.h, which is in no room")

    def test_a_test_may_include_the_helpers_of_tests(self):
        self.write("tests/support/scratch.h", "\n")
        self.write("src/os/fd_test.cc", '#include "support/scratch.h"\n')
        self.assertEqual(self.violations(), [])

    def test_the_table_may_not_name_a_room_that_stands_below(self):
        self.write("cmake/rooms.txt", "base: os\nos: base\nwasm: os base\nwasm/cache: wasm os base\n")
        self.assert_only("cmake/rooms.txt:1:", "'base' uses 'os'")

    def test_reserved_words_are_found_outside_their_places(self):
        for path, code in (("src/os/a.cc", "throw 1;"), ("src/os/a.cc", "fork();"),
                           ("src/os/a.cc", "unshare (0);"), ("src/os/a.cc", "setns(1, 0);"),
                           ("src/os/a.cc", "clone3(&a, 8);"), ("src/base/a.cc", "syscall(1);"),
                           ("src/os/a.cc", "std::thread t;"), ("src/os/a.cc", "#include <wasmtime.h>")):
            with self.subTest(code):
                self.write("src/base/a.cc", "\n")
                self.write("src/os/a.cc", "\n")
                self.write(path, f"\n\n{code}\n")
                self.assert_only(f"{path}:3:", code.split("(")[0].split(" ")[0])

    def test_reserved_words_are_allowed_in_their_places_comments_and_strings(self):
        self.write("src/os/a.cc", 'syscall(1);\n// no throw, no fork()\nauto s = "fork() \\" throw";\n')
        self.write("src/os/a_test.cc", "auto p = fork();\n")
        self.assertEqual(self.violations(), [])

    def test_a_long_file_is_found_wherever_it_is(self):
        self.write("docs/long.md", "a\n" * 601)
        self.assert_only("docs/long.md:601:", "601 lines")

    def test_a_machine_path_is_found(self):
        self.write("docs/a.md", "see /wo" + "rk/tree/x\n")
        self.assert_only("docs/a.md:1:", "path of one machine")

    def test_unfinished_work_is_found(self):
        self.write("src/os/a.cc", "// TO" + "DO: later\n")
        self.assert_only("src/os/a.cc:1:", "unfinished")

    def test_the_program_ends_with_status_1_and_names_the_violation(self):
        program = [sys.executable, law.__file__, str(self.root)]
        self.assertEqual(subprocess.run(program, capture_output=True).returncode, 0)
        self.write("src/os/bad.cc", "throw 1;\n")
        done = subprocess.run(program, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("src/os/bad.cc:1:", done.stdout)


if __name__ == "__main__":
    unittest.main()
