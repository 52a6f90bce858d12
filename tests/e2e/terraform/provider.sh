#!/bin/sh
# Prints where the google provider is, a line for each version; builds what is missing, by name, from
# the Go module proxy. What cannot be had is said in one line, and is no failure.
#
#   provider.sh            builds PROVIDER_VERSION, unless it is in the cache
#   provider.sh --cached   looks into the cache alone: nothing is fetched, nothing built
#
# PROVIDER_VERSION   module queries, separated by spaces. The module's path has no /v7, so that its
#                    releases have no versions there: take a commit of a release (12 digits do), or
#                    the pseudo-version that Go makes of one.
# PROVIDER_JOBS, PROVIDER_MEMORY_MB, PROVIDER_SECONDS
#                    how much the build may take: 2 at a time, 8192 MB each, an hour.
set -u

module=github.com/hashicorp/terraform-provider-google
versions=${PROVIDER_VERSION:-v1.20.1-0.20260217183254-340083741c96}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/homerun/terraform-provider-google
jobs=${PROVIDER_JOBS:-2}
memory_mb=${PROVIDER_MEMORY_MB:-8192}
seconds=${PROVIDER_SECONDS:-3600}

skip() {
    echo "skipped: $1" >&2
}

# The proxy's own words are the last line of what Go says.
refused() {
    reason=$(grep -v '^$' "$log" | tail -n 1 | sed 's/^[[:space:]]*//' | cut -c 1-200)
    skip "the google provider $1 could not be $2 (${reason:-no reason given}); name another commit of $module in \
PROVIDER_VERSION, or a program that you have: make test-terraform PROVIDER=/path/to/terraform-provider-google"
}

bounded() {
    (
        ulimit -v $((memory_mb * 1024)) 2>/dev/null
        export GOMEMLIMIT="$((memory_mb * 3 / 4))MiB" GOTOOLCHAIN="${GOTOOLCHAIN:-auto}" GOWORK=off
        exec timeout "$seconds" nice "$@"
    ) >"$log" 2>&1
}

# Built beside its place and moved there whole: what is in the cache is complete.
build() {
    version=$1
    place=$cache/$version
    mkdir -p "$place" && work=$(mktemp -d "$place/build.XXXXXX") || return
    log=$work/log
    if ! (cd "$work" && bounded go mod download "$module@$version"); then
        refused "$version" fetched
    elif ! (cd "$work" && GOBIN=$work/bin bounded go install -p "$jobs" -trimpath -ldflags=-s \
        "$module@$version"); then
        refused "$version" built
    else
        mv "$work/bin/terraform-provider-google" "$place/terraform-provider-google"
    fi
    rm -rf "$work"
    rmdir "$place" 2>/dev/null
}

if [ "${1:-}" = --cached ]; then
    ls -1 "$cache"/*/terraform-provider-google 2>/dev/null
    exit 0
fi
for version in $versions; do
    case $version in
    -* | */* | *..*) skip "'$version' is no version of a module" && continue ;;
    esac
    program=$cache/$version/terraform-provider-google
    if [ ! -x "$program" ] && ! command -v go >/dev/null; then
        skip "the google provider is built by go, which is not installed"
        continue
    fi
    [ -x "$program" ] || build "$version"
    [ -x "$program" ] && echo "$program"
done
exit 0
