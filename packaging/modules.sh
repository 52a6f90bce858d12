#!/bin/sh
# Fetches what the console is made of, with npm:
#   packaging/modules.sh [--omit=dev]      --omit=dev: without what only its tests need
# Without npm, or without its registry, Homerun is built without its console: that is said, and is no failure.
set -eu
if ! command -v npm >/dev/null; then
    echo "npm is missing: Homerun is built without its browser console."
    exit 0
fi
echo "Fetching what the console is made of (npm ci)."
if npm ci --prefix console --no-audit --no-fund --loglevel=error --fetch-retries=1 --update-notifier=false "$@"; then
    # Newer than the lock file: make fetches anew once that changes.
    for one in console/node_modules/esbuild console/node_modules/typescript; do
        [ ! -d "$one" ] || touch "$one"
    done
else
    echo "npm ci failed: Homerun is built without its browser console. The next make tries again."
fi
