# shellcheck shell=bash
# The services as tests of their API start them: on copies of their db.json,
# read-only or writable. Sourced; all that it starts ends with the script.

services=(services/*/)
services=("${services[@]%/}")
services=("${services[@]#services/}")
# The token of writable services.
token=a-token-for-the-tester
work=$(mktemp -d)
stop() {
    # shellcheck disable=SC2046  # one word per job
    kill $(jobs -p) 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap stop EXIT

# start NAME MODE: runs a service on a copy of its db.json, and leaves its address in $addr.
start() {
    local dir=$work/$1-$2
    mkdir "$dir"
    cp "services/$1/db.json" "$dir"
    touch "$dir/log"
    local env=(HOST=127.0.0.1 PORT=0 DB_PATH="$dir/db.json")
    [[ $2 == read-only ]] || env+=(WRITE_TOKEN="$token")
    env -i "${env[@]}" "target/debug/$1" >"$dir/log" &
    # It listens before it is ready, and answers 503 in between.
    for _ in {1..600}; do
        if grep -q '"message":"ready"' "$dir/log"; then
            # shellcheck disable=SC2034  # for the script that sources this
            addr=$(sed -n 's/.*"message":"listening","addr":"\([^"]*\)".*/\1/p' "$dir/log")
            return
        fi
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    echo "$1 did not become ready within a minute; it logged:" >&2
    cat "$dir/log" >&2
    exit 1
}

cargo build --quiet --locked "${services[@]/#/--package=}"
