"""The law of the source tree, held against the files: who may include whom, and what may be written where.

    law.py ROOT    prints each violation as file:line: sentence, and ends with status 1 if there is one

The rooms and what each may include stand in ROOT/cmake/rooms.txt, which CMake reads too.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

MAX_LINES = 600
SOURCE = (".h", ".cc", ".c")

# What may stand only in some files below src/: (pattern, where it may, why). Tests of a room (x_test.cc) may
# do what the room itself may not, as they drive it from outside.
RESERVED = [
    (r"\bthrow\b", [],
     "errors are Result<T>: unwinding through Rust and C frames is undefined"),
    (r"\b(?:v?fork|clone|clone3|unshare|setns)\s*\(", ["src/jail/spawn_*.cc"],
     "one place forks, so that no process forks while it has a second thread"),
    (r"\bos::(?:Clone|Unshare|EnterNamespace)\s*\(", ["src/jail/spawn_*.cc"],
     "one place forks, so that no process forks while it has a second thread"),
    (r"\bos::SeparateThreadFiles\s*\(", ["src/jail/spawn_*.cc"],
     "a thread with descriptors of its own shares none that the others open"),
    (r"\bsyscall\s*\(", ["src/os/*"],
     "the room os wraps the kernel's raw interface once"),
    (r"\bstd::(?:j?thread|async)\b|\bpthread_create\b",
     ["src/wasm/wasmtime/*", "src/wasm/cache/*", "src/serve/*", "src/host/*", "src/function/lanes/*", "src/cmd/*"],
     "a host function works on the guest's own thread, which may be jailed by itself"),
    (r"#include [<\"]wasm(?:\.h|time)", ["src/wasm/wasmtime/*"],
     "an engine is known to its own room only"),
]

# Nothing in the tree may depend on where a developer keeps it.
MACHINE_PATH = re.compile(r"(?<![\w.*])/(?:work|root)/|/home/[a-z]+/(?!user)")
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<(wasmoor/[^>]+)>)')
CODE_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


class Law:
    """One reading of one tree. Check() returns the violations, sorted."""

    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.found = []
        self.rooms = {}  # Name to the set of rooms it may include, itself among them.
        self.files = sorted(self.list_files())

    def list_files(self):
        # What git tracks or would track; a tree without git is taken whole.
        if (self.root / ".git").exists():
            command = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others",
                       "--exclude-standard"]
            names = subprocess.run(command, check=True, capture_output=True).stdout.decode()
            paths = [name for name in names.split("\0") if name]
        else:
            paths = [str(p.relative_to(self.root)) for p in self.root.rglob("*")]
        return [path for path in paths if (self.root / path).is_file()]

    def blame(self, path, line, sentence):
        self.found.append(f"{path}:{line}: {sentence}")

    def check(self):
        self.read_rooms()
        for path in self.files:
            text = self.read_text(path)
            if text is None:
                continue
            self.check_any(path, text)
            if path.startswith(("src/", "include/wasmoor/")) and path.endswith(SOURCE):
                self.check_includes(path, text)
                self.check_reserved(path, text)
        return sorted(self.found)

    def read_text(self, path):
        data = (self.root / path).read_bytes()
        if b"\0" in data:
            return None
        return data.decode(errors="replace")

    def read_rooms(self):
        table = "cmake/rooms.txt"
        for number, line in enumerate((self.root / table).read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, colon, uses = line.partition(":")
            name = name.strip()
            if not colon or not name or name in self.rooms:
                self.blame(table, number, f"'{line}' is not a line 'room: rooms' for one more room")
                continue
            for used in uses.split():
                if used not in self.rooms:
                    self.blame(table, number, f"room '{name}' uses '{used}', which does not stand above "
                               "it in the table: the table goes from the bottom up")
            self.rooms[name] = set(uses.split()) | {name}

    def room_of(self, path):
        """The longest room that is a prefix of `path`, which is relative to src/ or include/wasmoor/."""
        best = None
        for room in self.rooms:
            if path.startswith(room + "/") and (best is None or len(room) > len(best)):
                best = room
        return best

    def check_any(self, path, text):
        lines = text.splitlines()
        if len(lines) > MAX_LINES and not path.endswith((".lock", "LICENSE", ".json")):
            self.blame(path, MAX_LINES + 1, f"has {len(lines)} lines; {MAX_LINES} is the most: split it by "
                       "what it knows")
        for number, line in enumerate(lines, 1):
            if MACHINE_PATH.search(line):
                self.blame(path, number, "names a path of one machine")
            if UNFINISHED.search(line):
                self.blame(path, number, "marks unfinished work: finish it or file an issue")

    def check_includes(self, path, text):
        public = path.startswith("include/wasmoor/")
        own = self.room_of(path.removeprefix("include/wasmoor/").removeprefix("src/"))
        if own is None:
            if path.endswith("CMakeLists.txt"):
                return
            self.blame(path, 1, "is in no room of cmake/rooms.txt")
            return
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            included = match.group(1) or match.group(2)
            room = self.room_of_include(path, included)
            if room == "":
                continue
            if room is None:
                self.blame(path, number, f"includes {included}, which is in no room")
            elif room not in self.rooms[own]:
                self.blame(path, number, f"room '{own}' may not include room '{room}' ({included}); "
                           "cmake/rooms.txt is the law")
            elif public and not included.startswith("wasmoor/"):
                self.blame(path, number, f"a public header includes {included}, which is not installed")

    def room_of_include(self, path, included):
        """The room of an included file; None if it has none; "" for a test's own helpers."""
        if included.startswith("wasmoor/"):
            return self.room_of(included.removeprefix("wasmoor/"))
        generated = re.fullmatch(r"(proto/.*)\.(pb|ttrpc)\.h", included)
        if generated and (self.root / f"{generated.group(1)}.proto").is_file():
            # Messages are nobody's; services are the room's that they are made for.
            return "" if generated.group(2) == "pb" else "ttrpc"
        if (self.root / "src" / included).is_file():
            return self.room_of(included)
        beside = str(pathlib.PurePosixPath(path).parent / included)
        if beside.startswith("src/") and (self.root / beside).is_file():
            return self.room_of(beside.removeprefix("src/"))
        if is_test(path) and (self.root / "tests" / included).is_file():
            return ""
        return None

    def check_reserved(self, path, text):
        if is_test(path):
            return
        # Comments and strings become blanks of the same lines, but an include keeps its name.
        code = CODE_NOISE.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)
        for pattern, places, reason in RESERVED:
            if any(fnmatch.fnmatch(path, place) for place in places):
                continue
            searched = text if pattern.startswith("#include") else code
            for match in re.finditer(pattern, searched):
                where = f"only {', '.join(places)} may" if places else "nothing in src/ may"
                self.blame(path, searched.count("\n", 0, match.start()) + 1,
                           f"'{match.group(0).strip()}': {where}: {reason}")


def is_test(path):
    return re.search(r"_(?:test|bench|fuzz)\.(?:cc|h)$", path) is not None


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    law = Law(sys.argv[1])
    found = law.check()
    for violation in found:
        print(violation)
    print(f"law: {len(law.rooms)} rooms, {len(law.files)} files, {len(found)} violations")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
