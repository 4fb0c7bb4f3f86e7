# For scripts, which stand in the repository's root: what they need and is missing.

sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo

# Installs packages of Debian's.
install() {
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

# Builds a cargo subcommand out of its crate into target/tools, once, and puts it before all others.
#
#   fetch_subcommand CRATE VERSION
fetch_subcommand() {
  local folder=$PWD/target/tools/cargo
  [[ $PATH == "$folder/bin:"* ]] || PATH=$folder/bin:$PATH
  cargo install --locked --quiet --root "$folder" "$1@$2"
}
