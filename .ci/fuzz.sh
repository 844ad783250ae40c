#!/bin/bash
# .ci/fuzz.sh SECONDS [TARGET...]: builds the fuzzer and runs each target (or those named) for that long, one at a time.
#
# What a run finds interesting is kept in the cache and is where the next one begins; the committed inputs are
# tests/fuzz/corpus/TARGET and tests/fixtures/ha.d. An input that fails a property is left in target/fuzz/TARGET-crash-*:
# it belongs into tests/fuzz/corpus/TARGET, where `cargo test -p ovzha-host --test fuzz_corpus` replays it.
# The ledger (CACHE/fuzz/ledger) has a line for each run: date, target, seconds, executions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ovzha/fuzz
seconds=${1:-60}
shift || true
TRIPLE=$(rustc -vV | awk '/^host:/ { print $2 }')
LEDGER=$CACHE/ledger
# The counters and comparisons that libFuzzer reads; all of it works with a stable compiler.
COVERAGE="-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
-C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
-C llvm-args=-sanitizer-coverage-trace-compares"

# The versions fuzzed are the versions shipped. --target keeps the flags away from build scripts.
cp Cargo.lock tests/fuzz/Cargo.lock
(cd tests/fuzz && RUSTFLAGS=$COVERAGE CARGO_TARGET_DIR=$ROOT/target/fuzz nice -n 19 \
    cargo build --quiet --release --target "$TRIPLE")
fuzzer=$ROOT/target/fuzz/$TRIPLE/release/ovzha-fuzz

mkdir -p "$CACHE"
OVZHA_FUZZ=words "$fuzzer" >"$CACHE/words" 2>/dev/null
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ $# -gt 0 ] || mapfile -t names < <(OVZHA_FUZZ=list "$fuzzer" 2>/dev/null)
[ $# -gt 0 ] && names=("$@")
for name in "${names[@]}"; do
    mkdir -p "$CACHE/corpus/$name"
    log=$ROOT/target/fuzz/$name.log
    code=0
    OVZHA_FUZZ=$name TMPDIR=$scratch nice -n 19 "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
        -max_len=8192 -dict="$CACHE/words" -artifact_prefix="$ROOT/target/fuzz/$name-" -print_final_stats=1 \
        "$CACHE/corpus/$name" "tests/fuzz/corpus/$name" tests/fixtures/ha.d >"$log" 2>&1 || code=$?
    runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
    covered=$(grep -o 'cov: [0-9]*' "$log" | tail -1 || true)
    if [ $code -ne 0 ]; then
        tail -40 "$log"
        echo "fuzz: $name failed; the log is $log, the input target/fuzz/$name-*"
        exit 1
    fi
    printf '%s\t%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$name" "$seconds" "$runs" >>"$LEDGER"
    awk -F'\t' -v name="$name" -v runs="$runs" -v covered="$covered" '$2 == name { total += $4; time += $3 }
        END { printf "%-12s %12d executions, %13d in all (%d s)   %s\n", name, runs, total, time, covered }' "$LEDGER"
done
