#!/bin/sh
# Installs what is missing of the sections of debian-packages.txt that are named:
#   packaging/install.sh build test
# Does nothing, and asks for no rights, where all is there.
set -eu
list=$(dirname "$0")/debian-packages.txt

# "package" or "package program" lines of the sections that are named.
wanted() {
    for section in "$@"; do
        sed -n "/^\[$section\]/,/^\[/{/^[a-z0-9]/p}" "$list"
    done
}

missing=$(wanted "$@" | while read -r package program; do
    [ -n "$program" ] && command -v "$program" >/dev/null && continue
    state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$state" = "install ok installed" ] || printf ' %s' "$package"
done)
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and installing them needs root:$missing" >&2
        exit 1
    fi
    as_root="sudo env DEBIAN_FRONTEND=noninteractive"
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
set -- $missing
echo "Installing $# packages with apt-get, which can take a minute or two:$missing"
# A list of packages may be there already, and new enough.
# shellcheck disable=SC2086
$as_root apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || {
    $as_root apt-get update -q >/dev/null
    $as_root apt-get install -y --no-install-recommends $missing >/dev/null
}
