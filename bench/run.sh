#!/bin/sh
# make bench: everything in bench/README.md, side by side with HAProxy and nginx, in one run.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -eq 0 ] || shift
ninja -C "$build" --quiet bench/bench-tokens bench/bench-upstream bench/bench-idle \
    bench/bench-rate bench/bench-codec src/ingress/bench-decision src/ingress/bench-ingress all
HOMERUN="$PWD/$build/homerun" exec python3 bench/run.py --build "$build" "$@"
