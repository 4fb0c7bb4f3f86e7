# For scripts: takes a program out of Debian's package into target/tools where it is missing. It is not
# installed, since that would start it. Needs $sudo.
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
