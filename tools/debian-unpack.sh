# Sourced, after once.sh, by the tools that need what Debian packages hold without installing them.

# debian_version PACKAGE: the version that apt would install now.
debian_version() {
  apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1 | tr ':~' '--'
}

# debian_unpack DIR PACKAGE...: unpacks the packages into DIR, without those that they depend on.
debian_unpack() {
  unpack_dir=$1
  shift
  mkdir -p "$unpack_dir/.packages"
  # Run by root, apt-get fetches as a user who may not write here, does without, and says so.
  (cd "$unpack_dir/.packages" && apt-get -qq -o APT::Sandbox::User=root download "$@") || return 1
  for package in "$unpack_dir"/.packages/*.deb; do
    dpkg-deb -x "$package" "$unpack_dir" || return 1
  done
  rm -rf "$unpack_dir/.packages"
}
