# shellcheck shell=bash
# Starts services for tests of their API, read-only or writable, with copies of their
# db.json. Other scripts source this. The services end with the script.

services=(services/*/)
services=("${services[@]%/}")
services=("${services[@]#services/}")
# The service's own key of writable services.
token=a-token-for-the-tester
work=$(mktemp -d)
stop() {
    # shellcheck disable=SC2046  # one word per job
    kill $(jobs -p) 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap stop EXIT

# start NAME MODE: runs a service with a copy of its db.json. Puts its address into $addr. A writable service
# also takes user tokens: the files $work/NAME-writable/user and moderator hold one each.
start() {
    local dir=$work/$1-$2 settings
    mkdir "$dir"
    cp "services/$1/db.json" "$dir"
    touch "$dir/log"
    local env=(HOST=127.0.0.1 PORT=0 DB_PATH="$dir/db.json")
    if [[ $2 == writable ]]; then
        target/debug/examples/tokens "$dir"
        mapfile -t settings <"$dir/settings"
        # A tester writes as often as it likes.
        env+=(WRITE_TOKEN="$token" USER_WRITES_PER_MINUTE=1000000 "${settings[@]}")
    fi
    env -i "${env[@]}" "target/debug/$1" >"$dir/log" &
    # A service listens before it is ready. Until then it answers 503.
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
cargo build --quiet --locked --package=testkit --example=tokens
