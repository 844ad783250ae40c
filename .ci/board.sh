#!/bin/bash
# .ci/board.sh: the witness board: its image built and looked at, then run in its emulator between real cores (`.ci/run board`
# installs what is missing and calls it).
#
#   image     hw/ with Debian's compiler, for the serial board, and with Ethernet
#   symbols   no std, no allocator; panicking calls: as many as hw/panics.max says, more fails, fewer asks to lower it
#   sizes     hw/budget.txt: exceeding a line fails
#   cases     tests/board, the unmodified images in rp2040js; its numbers are compared with hw/budget.txt, too
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/ovzha/board
TARGET=$ROOT/target/board
BUDGET=$ROOT/hw/budget.txt
DEFMT_PRINT=1.2.0
CASES=${OVZHA_BOARD_CASES:-}
export LC_ALL=C

fault() { printf 'board: %s\n' "$1" >&2; exit 1; }

# Debian's compiler and its sources are a matched pair, and rustup's proxies export variables that would put their own in
# front of it.
firmware() {
    local name clean=()
    for name in $(compgen -e); do
        case $name in
            CARGO_HOME | CARGO_NET_* | CARGO_HTTP_* | CARGO_REGISTR*) ;;
            CARGO* | RUST*) clean+=(-u "$name") ;;
        esac
    done
    # cargo looks for its subcommands in CARGO_HOME first, where rustup has its own
    local program=/usr/bin/cargo
    [ "$1" = clippy ] && program=/usr/bin/cargo-clippy
    (cd hw && env "${clean[@]}" PATH=/usr/bin:/bin RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        nice -n 19 "$program" "$1" --release --locked --target-dir "$TARGET" "${@:2}")
}

# within NAME VALUE: compares it with its line in the budget.
within() {
    local limit
    limit=$(awk -v name="$1" '$1 == name { print $2 }' "$BUDGET")
    [ -n "$limit" ] || fault "$1 has no line in hw/budget.txt"
    printf 'board: %-16s %8s of %8s\n' "$1" "$2" "$limit"
    [ "$2" -le "$limit" ] || fault "$1 is $2, its budget is $limit (hw/budget.txt)"
}

# What goes to flash, and what is taken of RAM before the stack.
section() { arm-none-eabi-size -A "$1" | awk -v names=" $2 " 'index(names, " " $1 " ") { sum += $2 } END { print sum + 0 }'; }
flash_of() { section "$1" ".boot2 .vector_table .text .rodata .data"; }
statics_of() { section "$1" ".data .bss .uninit"; }

# Calls of panicking functions, each with the function that calls.
panics_of() {
    arm-none-eabi-objdump -dC --no-show-raw-insn "$1" | awk '
        /^[0-9a-f]+ </ { caller = $0; sub(/^[0-9a-f]+ /, "", caller) }
        /\t(bl|b\.n|b\.w|b)\t.*<core::(panicking|option::(expect|unwrap)_failed|result::unwrap_failed|slice::index::|cell::panic)/ ||
        /\tbl\t.*(len_mismatch_fail|slice_index_fail)/ { sub(/.*\t/, ""); print caller " calls " $0 }' |
        grep -vE '^<core::(panicking|option::|result::unwrap|slice::index::slice_index|slice::copy_from_slice_impl::len|cell::panic)' || true
}

symbols() {
    local image=$1 names count max
    names=$(arm-none-eabi-nm -C "$image")
    grep -q 'ovzha_core::' <<<"$names" || fault "no symbol of ovzha-core: the check looks at nothing"
    grep -qE '(^|[^a-z_:])std::' <<<"$names" && fault "std is linked"
    grep -qE '(^|[^a-z_:])alloc::|__rust_(alloc|realloc|dealloc)' <<<"$names" && fault "an allocator is linked"
    panics_of "$image" >"$TARGET/panics.txt"
    count=$(grep -c . "$TARGET/panics.txt" || true)
    max=$(<hw/panics.max)
    printf 'board: %s panicking calls, %s allowed (target/board/panics.txt)\n' "$count" "$max"
    [ "$count" -le "$max" ] || { cat "$TARGET/panics.txt"; fault "$count panicking calls, $max allowed"; }
    [ "$count" -ge "$max" ] || fault "$count panicking calls are left: lower hw/panics.max from $max"
    if grep -E '^<+(ovzha_core|ovzha_board_logic)::' "$TARGET/panics.txt"; then fault "ours panics"; fi
}

(cd hw && cargo fmt --check) || fault "hw is not formatted: cargo fmt in hw"
# fmt, lint and test of the logic are the top workspace's, but for what only Ethernet needs
cargo clippy --quiet --locked --no-deps -p ovzha-board-logic --all-targets --features net -- -D warnings
cargo test --quiet --locked -p ovzha-board-logic --features net
image=$TARGET/thumbv6m-none-eabi/release/ovzha-board
for variant in eth serial; do
    features=()
    [ "$variant" = serial ] || features=(--features "$variant")
    firmware clippy --quiet --no-deps "${features[@]}" -- -D warnings
    firmware build --quiet "${features[@]}"
    cp "$image" "$TARGET/$variant.elf"
done

symbols "$TARGET/eth.elf"
symbols "$TARGET/serial.elf"
within flash "$(flash_of "$TARGET/serial.elf")"
within statics "$(statics_of "$TARGET/serial.elf")"
within flash-eth "$(flash_of "$TARGET/eth.elf")"
within statics-eth "$(statics_of "$TARGET/eth.elf")"

mkdir -p "$CACHE"
if ! cmp -s tests/board/package-lock.json "$CACHE/package-lock.json" || [ ! -d "$CACHE/node_modules/rp2040js" ]; then
    cp tests/board/package.json tests/board/package-lock.json "$CACHE"
    npm ci --prefix "$CACHE" --no-audit --no-fund --silent || fault "npm could not install rp2040js"
fi
if [ "$("$CACHE/bin/defmt-print" --version 2>/dev/null | awk 'NR == 1 { print $2 }')" != "$DEFMT_PRINT" ]; then
    printf 'board: building defmt-print (about 80 s, once)\n'
    CARGO_TARGET_DIR=$TARGET/defmt-print nice -n 19 \
        cargo install --quiet --locked --version "$DEFMT_PRINT" --root "$CACHE" defmt-print
fi
cargo build --quiet --locked -p ovzha
# shellcheck disable=SC2086 # no word at all when nothing was chosen
OVZHA_BOARD=$TARGET/serial.elf OVZHA_BOARD_ETH=$TARGET/eth.elf OVZHA_RP2040JS=$CACHE OVZHA_DEFMT_PRINT=$CACHE/bin/defmt-print \
    OVZHA_BIN=${CARGO_TARGET_DIR:-$ROOT/target}/debug/ovzha \
    cargo test --locked -p ovzha-tests --test board -- --test-threads=2 --show-output $CASES | tee "$TARGET/cases.log"

[ -z "$CASES" ] || exit 0
number() { awk -v name="$1" '$1 == "board" && $2 == name { print $3 }' "$TARGET/cases.log"; }
for name in stack ram pass-us line-worst ram-eth pass-us-eth; do
    value=$(number "$name")
    within "$name" "${value:?the case of the numbers printed no $name}"
done
