#!/bin/bash
# .ci/survivors.sh FILE...: what cargo-mutants can change in a source file of core without a test of core, a scenario or one
# of 300 seeds that notices. tests/mutants/SURVIVORS.md explains those that are known. A file takes 5 to 60 minutes.
# Needs cargo-mutants (`cargo install --locked cargo-mutants`). The outcome of core/src/pings.rs is in target/survivors/pings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
command -v cargo-mutants >/dev/null || { echo "$0: cargo-mutants is not installed" >&2; exit 1; }
mkdir -p target/survivors
# Its baseline would look for the tests of one package in the other; .ci/run test is the baseline.
for file; do
    code=0
    OVZHA_SEEDS="--count 300" XDG_CACHE_HOME=$PWD/target/survivors/cache nice -n 15 cargo mutants --colors never --no-times --cap-lints true -j1 --baseline=skip --timeout 150 \
        --profile mutants -o "target/survivors/$(basename "$file" .rs)" -f "$file" \
        --test-package ovzha-core,ovzha-tests -- --locked --lib \
        --test auth --test decide --test frame --test message --test pings --test serial --test scenarios --test seeds || code=$?
    # 2: some were missed, 3: some ran out of time
    [ $code -eq 0 ] || [ $code -eq 2 ] || [ $code -eq 3 ] || exit $code
done
