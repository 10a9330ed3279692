"""containerd's runc shim with wasmoor-runtime in the place of runc: containers of both kinds, over their lives.

    containerd_test.py debian|current RUNTIME GUESTS [TEST...]

`debian` is the machine's containerd, `current` that of tools/fetch-containerd. GUESTS is the folder with compiled
guests; without one (`-`) no wasm container is tried, which suits other runtimes. Exit status 77: cannot run here.
"""

import stand  # First: it says where the others are.

from lifecycle import NativeTest, WasmTest  # noqa: F401

if __name__ == "__main__":
    stand.main(__doc__)
