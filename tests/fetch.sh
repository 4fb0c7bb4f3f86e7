# For scripts, which stand in the repository's root: what they need and is missing.

sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo

# Installs packages of Debian's.
install_packages() {
  command -v apt-get >/dev/null || { echo "install $* with your system's packages" >&2; exit 1; }
  echo "installing: $*" >&2
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Takes a program out of Debian's package into target/tools, with what it needs and is not installed. Nor
# is the program, since that would start it.
#
#   fetch PACKAGE PATH
fetch() {
  local folder=$PWD/target/tools package
  [ -e "$folder/$2" ] || command -v "$(basename "$2")" >/dev/null && return
  rm -rf "$folder/packages"
  mkdir -p "$folder/packages/partial"
  # What is in the folder belongs together: a program is not there without its libraries.
  if download "$1" "$folder/packages" ||
    { $sudo apt-get update -qq && download "$1" "$folder/packages"; }; then
    for package in "$folder/packages"/*.deb; do dpkg-deb --extract "$package" "$folder"; done
  else
    echo "$1 cannot be fetched" >&2
  fi
  rm -rf "$folder/packages"
}

# By the names that this release of Debian or Ubuntu has for them; an ordinary user may do so.
download() {
  apt-get install -qq -y --no-install-recommends --download-only -o Debug::NoLocking=true \
    -o Dir::Cache::Archives="$2" "$1" >/dev/null 2>&1
}

# Puts packages of PyPI's into a Python of their own in target/tools, anew when the list is another.
#
#   fetch_python FOLDER PACKAGE...
fetch_python() {
  local folder=$PWD/target/tools/$1
  shift
  [ "$(cat "$folder/fetched" 2>/dev/null)" != "$*" ] || return 0
  python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
  rm -rf "$folder"
  python3 -m venv "$folder" &&
    "$folder/bin/pip" install -q --disable-pip-version-check "$@" &&
    echo "$*" >"$folder/fetched"
}

# Builds a program out of its crate into target/tools, once, and puts it before all others.
#
#   fetch_crate CRATE VERSION [argument for cargo install...]
fetch_crate() {
  local folder=$PWD/target/tools/cargo
  [[ $PATH == "$folder/bin:"* ]] || PATH=$folder/bin:$PATH
  cargo install --locked --quiet --root "$folder" "$1@$2" "${@:3}"
}
