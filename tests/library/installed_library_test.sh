#!/bin/sh
# Installs this build into an empty folder and builds examples/custom-host against it, outside the tree, once through
# CMake's find_package and once through pkg-config. Usage: installed_library_test.sh SOURCE BUILD
set -eu
source=$1
build=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/wasmoor-test-library.XXXXXX")
trap 'rm -rf "$work"' EXIT
expected="the guest left 55 in the ledger and exited with 55"

check() {
  output=$("$1" "$work/guest.wat")
  if [ "$output" != "$expected" ]; then
    echo "FAILED: $1 printed '$output', not '$expected'" >&2
    exit 1
  fi
}

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cp "$source"/examples/custom-host/* "$work/"
"$work/prefix/bin/wasmoor" --version

cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Release >"$work/configure.log"
cmake --build "$work/build" >"$work/build.log"
check "$work/build/custom-host"

pkgconfig=$(dirname "$(find "$work/prefix" -name wasmoor.pc)")
# --define-prefix: the folder is not the one that the build was configured for.
flags=$(PKG_CONFIG_PATH=$pkgconfig pkg-config --define-prefix --cflags --libs wasmoor)
# shellcheck disable=SC2086 # The flags are words.
c++ -o "$work/by-pkg-config" "$work/main.cc" $flags
check "$work/by-pkg-config"
echo "1 passed, 0 failed"
