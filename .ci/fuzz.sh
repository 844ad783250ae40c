#!/bin/bash
# .ci/fuzz.sh SECONDS [TARGET...]: builds the fuzzer and runs each target (or those named) for that long, one at a time.
#
# What a run finds interesting is kept in the cache and is where the next one begins; the committed inputs are
# tests/fuzz/corpus/TARGET and tests/fixtures/ha.d. An input that fails a property is left in target/fuzz/TARGET-crash-*:
# it belongs into tests/fuzz/corpus/TARGET, where `cargo test -p ovzha-tests --test fuzz_corpus` replays it.
#
# OVZHA_FUZZER names a fuzzer that was built before; else it is built.
#
# The ledger (CACHE/fuzz/ledger) has a line for each run and is never rewritten, so that executions and seconds add up:
#   time=2026-11-28T02:00:00Z commit=854474f target=frame seconds=300 executions=1234 crashes=0
# A commit that ends in + had changes beside it. One line a target and one for all of them say what this run did, and
# with total_ what the ledger has of all commits:
#   fuzz: target=frame executions=1234 seconds=300 crashes=0 total_executions=5678 total_seconds=1200
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

fuzzer=${OVZHA_FUZZER:-}
if [ -z "$fuzzer" ]; then
    # The versions fuzzed are the versions shipped. --target keeps the flags away from build scripts.
    cp Cargo.lock tests/fuzz/Cargo.lock
    (cd tests/fuzz && RUSTFLAGS=$COVERAGE CARGO_TARGET_DIR=$ROOT/target/fuzz nice -n 19 \
        cargo build --quiet --release --target "$TRIPLE")
    fuzzer=$ROOT/target/fuzz/$TRIPLE/release/ovzha-fuzz
fi

mkdir -p "$CACHE" "$ROOT/target/fuzz"
OVZHA_FUZZ=words "$fuzzer" >"$CACHE/words" 2>/dev/null
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
commit=$(git rev-parse --short HEAD 2>/dev/null || echo none)
[ -z "$(git status --porcelain -- core host tests/world tests/fuzz/src 2>/dev/null)" ] || commit+=+
[ $# -gt 0 ] || mapfile -t names < <(OVZHA_FUZZ=list "$fuzzer" 2>/dev/null)
[ $# -gt 0 ] && names=("$@")

# The value of NAME in what libFuzzer says at its end; 0 where it ended without.
stat() { awk -v name="stat::$1:" '$1 == name { value = $2 } END { print value + 0 }' "$log"; }

# sums WORDS PATTERN: a line for machines: what this run did, and what the whole ledger has.
sums() {
    awk -v words="$1" -v target="$2" -v first="$known" '
        function of(name, i, pair) {
            for (i = 1; i <= NF; i++) { split($i, pair, "="); if (pair[1] == name) return pair[2] }
            printf "fuzz: line %d of the ledger has no %s\n", NR, name > "/dev/stderr"
            exit bad = 1
        }
        target != "" && of("target") != target { next }
        { all += of("executions"); time += of("seconds") }
        NR > first { runs += of("executions"); seconds += of("seconds"); crashes += of("crashes") }
        END {
            if (bad) exit 1
            printf "fuzz: %s executions=%d seconds=%d crashes=%d total_executions=%d total_seconds=%d\n", words, runs,
                seconds, crashes, all, time
        }' "$LEDGER"
}

touch "$LEDGER"
if [ -n "$(tail -c 1 "$LEDGER")" ]; then
    # the last run ended while it wrote
    sed -i '$d' "$LEDGER"
fi
known=$(wc -l <"$LEDGER")
ran=0
for name in "${names[@]}"; do
    mkdir -p "$CACHE/corpus/$name"
    own=()
    [ -d "tests/fuzz/corpus/$name" ] && own=("tests/fuzz/corpus/$name")
    # files are best tried short first; a row of choices is worth little until it is long
    case $name in
        world) shape=(-max_len=400 -len_control=0) ;;
        cluster) shape=(-max_len=4096 -len_control=0) ;;
        *) shape=(-max_len=8192) ;;
    esac
    log=$ROOT/target/fuzz/$name.log
    code=0
    from=$EPOCHSECONDS
    OVZHA_FUZZ=$name TMPDIR=$scratch nice -n 19 "$fuzzer" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
        "${shape[@]}" -dict="$CACHE/words" -artifact_prefix="$ROOT/target/fuzz/$name-" -print_final_stats=1 \
        "$CACHE/corpus/$name" "${own[@]}" tests/fixtures/ha.d >"$log" 2>&1 || code=$?
    # libFuzzer's own code for an interrupt: it counts, and it found nothing
    crashes=$((code != 0 && code != 72))
    printf 'time=%s commit=%s target=%s seconds=%d executions=%d crashes=%d\n' "$(date -u +%FT%TZ)" "$commit" "$name" \
        $((EPOCHSECONDS - from)) "$(stat number_of_executed_units)" $crashes >>"$LEDGER"
    ran=$((ran + 1))
    sums "target=$name" "$name"
    if [ $code -eq 72 ]; then
        echo "fuzz: $name was interrupted"
        exit 1
    elif [ $code -ne 0 ]; then
        tail -40 "$log"
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
        echo "fuzz: $name failed (code $code); the log is $log, the input ${input:-in the log}"
        echo "fuzz: to repeat it: OVZHA_FUZZ=$name $fuzzer ${input:-INPUT}"
        exit 1
    fi
done
sums "targets=$ran" ""
