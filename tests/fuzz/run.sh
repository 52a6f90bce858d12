#!/bin/sh
# Builds the fuzz targets with clang and runs each for a while, one line per target.
#
#   tests/fuzz/run.sh [SECONDS [NAME…]]       default: 10 seconds each, all targets
#
# The seeds are copied, so that what a run finds does not end up among them. A crash leaves its input
# and the log in build-fuzz/found/, and the exit status is 1.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${FUZZ_BUILD:-$root/build-fuzz}
seconds=${1:-10}
[ $# -gt 0 ] && shift

# Quiet when it goes well, and with all its words when it does not.
configure() {
    log=$(mktemp)
    "$@" >"$log" 2>&1 || { cat "$log"; rm -f "$log"; exit 1; }
    rm -f "$log"
}

if [ ! -f "$build/build.ninja" ]; then
    # The rooms need the coverage instrumentation too; linking the fuzzer itself is the targets' part.
    CC=clang configure meson setup "$build" "$root" -Dfuzz=true -Dtests=false -Dwerror=false \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
else
    configure meson setup --reconfigure "$build" "$root" # finds targets that are new
fi

if [ $# -eq 0 ]; then
    set -- $(cd "$root/tests/fuzz" && ls ./*.c | sed 's|^\./||; s|\.c$||')
fi

found=$build/found
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT INT TERM
mkdir -p "$found"

# All at once, since each has to be linked; what does not build is named below, by its own try.
ninja -C "$build" -k 0 $(printf 'tests/fuzz/fuzz-%s ' "$@") >/dev/null 2>&1 || true

status=0
for name in "$@"; do
    if ! ninja -C "$build" "tests/fuzz/fuzz-$name" >"$found/$name.build" 2>&1; then
        echo "$name: does not build, see $found/$name.build"
        status=1
        continue
    fi
    mkdir "$corpus/$name"
    if [ -d "$root/tests/fuzz/seeds/$name" ]; then
        cp "$root/tests/fuzz/seeds/$name"/* "$corpus/$name/"
    fi
    echo "$name" >>"$corpus/.built"
done

# One target a processor: each is one thread, and has a corpus of its own.
export build seconds found corpus
if [ -f "$corpus/.built" ]; then
    xargs -n 1 -P "$(nproc)" sh -c '
        name=$1
        if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$build/tests/fuzz/fuzz-$name" \
            -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
            -artifact_prefix="$found/$name-" "$corpus/$name" >"$found/$name.log" 2>&1; then
            runs=$(sed -n "s/^stat::number_of_executed_units: *//p" "$found/$name.log")
            cover=$(sed -n "s/.* cov: \([0-9]*\) .*/\1/p" "$found/$name.log" | tail -n 1)
            echo "$name: ok, $runs inputs in ${seconds} s, coverage ${cover:-0}"
        else
            echo "$name: CRASH, see $found/$name.log"
            exit 1
        fi' one <"$corpus/.built" || status=1
fi
exit $status
