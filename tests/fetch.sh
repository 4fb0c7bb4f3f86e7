# For scripts, which stand in the repository's root: what they need and is missing.

sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo

# Installs packages of Debian's.
install_packages() {
  command -v apt-get >/dev/null || { echo "install $* with your system's packages" >&2; exit 1; }
  echo "installing: $*" >&2
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Takes a program out of Debian's package into target/tools. It is not installed, since that would start
# it.
#
#   fetch PACKAGE PATH
download() { apt-get download -qq "$1" >/dev/null 2>&1; }

fetch() {
  local folder=$PWD/target/tools
  [ -e "$folder/$2" ] || command -v "$(basename "$2")" >/dev/null && return
  mkdir -p "$folder"
  (
    cd "$folder" || exit
    download "$1" || { $sudo apt-get update -qq && download "$1"; } || exit
    dpkg-deb --extract "$1"_*.deb . && rm "$1"_*.deb
  ) || echo "$1 cannot be fetched" >&2
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
