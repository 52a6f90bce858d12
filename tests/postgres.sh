#!/bin/sh
# A PostgreSQL server for tests, on a socket in DIR alone, as a user without rights. POSTGRES_ADDRESS in the environment
# names an address that it listens on besides.
#
#   tests/postgres.sh find              prints the folder of its programs; fails if there is none
#   tests/postgres.sh make DIR [args]   initdb, and start
#   tests/postgres.sh start DIR         waits until it answers
#   tests/postgres.sh stop DIR [MODE]   smart, fast (default) or immediate
#   tests/postgres.sh as COMMAND …      runs COMMAND as that user
#
# The URL is then postgresql:///postgres?host=DIR&user=postgres.
set -eu

bin=""
for folder in /usr/local/bin /usr/bin /usr/lib/postgresql/*/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ] && [ -x "$folder/psql" ]; then
        bin=$folder
    fi
done
[ -n "$bin" ] || { echo "PostgreSQL's server is not installed (postgresql)" >&2; exit 1; }

# The server refuses to run as root.
as_user() {
    if [ "$(id -u)" = 0 ]; then
        HOME=/ setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}

start() {
    as_user "$bin/pg_ctl" -D "$1/data" -w -t 60 -l "$1/log" \
        -o "-c listen_addresses='${POSTGRES_ADDRESS:-}' -c unix_socket_directories='$1'" start >/dev/null
}

case "$1" in
find) echo "$bin" ;;
make)
    dir=$2
    shift 2
    mkdir -p "$dir"
    [ "$(id -u)" != 0 ] || chown 65534:65534 "$dir"
    # A collation that is not by bytes, so that whatever relies on the database's fails.
    as_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync --locale=C.UTF-8 \
        --locale-provider=icu --icu-locale=en-US "$@" >/dev/null
    start "$dir"
    ;;
start) start "$2" ;;
stop) as_user "$bin/pg_ctl" -D "$2/data" -w -t 60 -m "${3:-fast}" stop >/dev/null ;;
as) shift; as_user "$@" ;;
*) echo "$0: what is $1?" >&2; exit 2 ;;
esac
