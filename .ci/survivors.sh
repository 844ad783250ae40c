#!/bin/bash
# .ci/survivors.sh FILE...: what cargo-mutants can change in a source file of core without a scenario, one of 300 seeds or a
# test of core that notices. tests/mutants/SURVIVORS.md explains those that are known. A change takes 5 to 15 seconds.
# Needs jq, patch and cargo-mutants (`cargo install --locked cargo-mutants`), which only lists the changes: they are built one
# after the other in one copy of the sources. The outcome of core/src/group/probe.rs is in target/survivors/group-probe.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
for tool in jq patch cargo-mutants; do
    command -v $tool >/dev/null || { echo "$0: $tool is not installed" >&2; exit 1; }
done
work=$PWD/target/survivors
tree=$work/tree
rm -rf "$tree"
mkdir -p "$tree"
cp -r Cargo.toml Cargo.lock core host cli hw tests "$tree"
# None of the three drivers needs the host, which takes as long to build as core.
sed -i '/^ovzha-host /d' "$tree/tests/Cargo.toml"
(cd "$tree" && cargo update --offline --quiet --workspace)
export CARGO_TARGET_DIR=$work/build CARGO_TERM_COLOR=never RUSTFLAGS=--cap-lints=warn RUST_BACKTRACE=0
export OVZHA_SEEDS="--from 0 --count 300"
unset OVZHA_SEED OVZHA_REWRITE OVZHA_ONLY

# Seconds of patience, then words for cargo test.
run() {
    local patience=$1
    shift
    (cd "$tree" && ulimit -v 8000000 &&
        timeout "$patience" nice -n 15 cargo test --offline --locked --profile mutants "$@") >"$work/log" 2>&1
}

# Which driver notices what stands in the tree; the quickest is asked first.
judge() {
    local driver code
    for driver in scenarios seeds core; do
        code=0
        case $driver in
            scenarios) run "$1" -p ovzha-tests --test scenarios scenarios_run || code=$? ;;
            seeds) run "$1" -p ovzha-tests --test seeds seeds_keep || code=$? ;;
            core) run "$1" -p ovzha-core --tests || code=$? ;;
        esac
        if [ $code -eq 0 ]; then continue; fi
        if grep -q '^error.*could not compile' "$work/log"; then
            echo "does not compile"
        elif [ $code -eq 124 ]; then
            echo "without end: $driver"
        elif grep -q '^error: .*test failed' "$work/log"; then
            echo "caught: $driver"
        else
            echo "NOT JUDGED: $(tail -n 1 "$work/log")"
        fi
        return
    done
    echo "MISSED"
}

# The first build is long.
[ "$(judge 1800)" = MISSED ] || { cat "$work/log" >&2; echo "$0: what is not changed does not pass" >&2; exit 1; }
for file; do
    out=${file#core/src/}
    out=$work/$(tr / - <<<"${out%.rs}").txt
    cargo mutants --colors never --list --diff --json -f "$file" >"$work/list.json"
    : >"$out"
    for ((number = 0; number < $(jq length "$work/list.json"); number++)); do
        jq -r ".[$number].diff" "$work/list.json" | patch -s "$tree/$file"
        echo "$(jq -r ".[$number].name" "$work/list.json"): $(judge 60)" | tee -a "$out"
        cp "$file" "$tree/$file"
    done
    echo "$file: $(wc -l <"$out") changes, $(grep -c 'MISSED$' "$out" || true) missed, $(grep -c 'NOT JUDGED' "$out" || true) not judged"
done
