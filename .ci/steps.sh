# shellcheck shell=bash
# Shared by .ci/run and .ci/long: runs the steps, and reports the time and the budget of each.

report=()
failed=0

as_root() { if ((EUID == 0)); then "$@"; else sudo "$@"; fi; }

# step NAME BUDGET COMMAND...: runs a command, which has a budget in seconds. The other steps run even when it fails.
step() {
    local name=$1 budget=$2 began=$SECONDS status=0 took verdict=
    shift 2
    printf '\n== %s (budget %d s)\n' "$name" "$budget"
    # Not in a condition, because bash would then ignore failures inside the command.
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    took=$((SECONDS - began))
    ((took <= budget)) || verdict="over budget"
    ((status == 0)) || verdict="FAILED"
    ((status == 0)) || failed=$((failed + 1))
    printf '== %s took %d s of %d s%s\n' "$name" "$took" "$budget" "${verdict:+: $verdict}"
    report+=("$(printf '%5d s of %5d s  %s%s' "$took" "$budget" "$name" "${verdict:+: $verdict}")")
}

# finish BUDGET: prints the time of every step. Fails when a step failed, or when all steps together took longer than the
# budget. A single step over its budget is no failure, because a machine may be busy for a while.
finish() {
    printf '\n== %d s of %d s\n' "$SECONDS" "$1"
    printf '%s\n' "${report[@]}"
    if ((failed > 0)); then
        echo "failed steps: $failed"
        exit 1
    elif ((SECONDS > $1)); then
        echo "all steps passed, but they took too long: move tests that take minutes to .ci/long"
        exit 1
    fi
    echo "all steps passed"
}
