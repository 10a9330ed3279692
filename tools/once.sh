# Sourced by the tools that bring in what a build or a test needs and Debian does not install.
#
# once NAME FUNCTION: prints the folder NAME of the tools cache, outside the tree and shared by all clones.
# If it is not there, FUNCTION fills an empty folder (its argument) first. Two callers at once make it
# once; a killed one leaves nothing that counts. NAME carries the version: another one, another folder.
tools_cache=${WASMOOR_TOOLS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wasmoor/tools}

once() {
  once_dir=$tools_cache/$1
  if [ ! -d "$once_dir" ]; then
    mkdir -p "$tools_cache"
    (
      flock 9
      if [ ! -d "$once_dir" ]; then
        rm -rf "$once_dir.tmp"
        mkdir "$once_dir.tmp"
        if ! "$2" "$once_dir.tmp" >&2; then
          rm -rf "$once_dir.tmp"
          echo "${0##*/}: cannot make $once_dir; the reason stands above" >&2
          exit 1
        fi
        mv "$once_dir.tmp" "$once_dir"
      fi
    ) 9>"$once_dir.lock" || return 1
  fi
  echo "$once_dir"
}

# pip_unpack DIR REQUIREMENT...: unpacks wheels of PyPI into DIR, without their dependencies and without
# installing anything. A REQUIREMENT is name==version.
pip_unpack() {
  pip_dir=$1
  shift
  python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: \
    --dest "$pip_dir/.wheels" "$@" || return 1
  for wheel in "$pip_dir"/.wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$pip_dir" || return 1
  done
  rm -rf "$pip_dir/.wheels"
}
