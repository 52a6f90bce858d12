#!/bin/sh
# Builds the program alone, for `make up`; what the build itself needs is installed already:
#   packaging/up.sh BUILD SECTION…
# The packages of the SECTIONs and of the console come from the network while the compiler works. As another user than
# root, where sudo may ask for a password, they come before.
set -eu
build=$1
shift

configure() {
    meson setup "$@" "$build" >/dev/null || { meson setup "$@" "$build"; exit 1; }
}

compile() {
    if [ -t 1 ]; then ninja -C "$build" src/homerun.link; else ninja -C "$build" --quiet src/homerun.link; fi
}

fetch() {
    packaging/install.sh "$@" && make --silent console/node_modules/esbuild
}

modules_there() {
    [ console/node_modules/esbuild -nt console/package-lock.json ]
}

begin() {
    [ -f "$build/build.ninja" ] || { echo "Configuring the build in $build."; configure; }
}

# A build that was configured before the console's packages were there has no console.
add_console() {
    if modules_there && ! grep -q console_assets "$build/build.ninja"; then
        echo "Adding the console."
        configure --reconfigure
        compile
    fi
}

if modules_there || [ "$(id -u)" != 0 ]; then
    fetch "$@"
    begin
    echo "Building Homerun in $build."
    compile
    add_console
    exit
fi

begin
told=$(mktemp)
trap 'rm -f "$told"' EXIT
echo "Building Homerun in $build, and fetching what else it needs meanwhile."
fetch "$@" >"$told" 2>&1 &
fetching=$!
compiled=0
compile || compiled=$?
fetched=0
wait "$fetching" || fetched=$?
cat "$told"
[ "$compiled" = 0 ] || exit "$compiled"
[ "$fetched" = 0 ] || exit "$fetched"
add_console
