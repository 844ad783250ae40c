#!/bin/bash
# .ci/nostd.sh: links ovzha-core into a bare binary (tests/nostd) and reads its symbols.
#
#   no std::, no alloc:: or __rust_alloc, nothing undefined but the memory functions every compiler calls,
#   and as many panicking symbols as tests/nostd/panics.max says (0): more fails, fewer asks to lower the number.
#
# Then it builds the same binary with a fault in it, once for each kind, and fails unless it is noticed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
export CARGO_TARGET_DIR=$PWD/target/nostd LC_ALL=C
MAX=$(<tests/nostd/panics.max)
FAULTS=0

fault() { printf 'nostd: %s\n' "$1"; FAULTS=$((FAULTS + 1)); }

# found WHAT SYMBOLS: a fault with its symbols, if there are any.
found() { [ -z "$2" ] || { fault "$1:"; printf '    %s\n' "$2"; }; }

# check [cargo build options]: sets FAULTS, prints what is wrong.
check() {
    local binary=$CARGO_TARGET_DIR/release/ovzha-nostd symbols panics count
    FAULTS=0
    # the versions and the profile that are shipped
    cp Cargo.lock tests/nostd/Cargo.lock
    mkdir -p "$CARGO_TARGET_DIR"
    sed -n '/^\[profile\.release/,/^$/p' Cargo.toml >"$CARGO_TARGET_DIR/profile.toml"
    cargo build --quiet --release --manifest-path tests/nostd/Cargo.toml \
        --config "$CARGO_TARGET_DIR/profile.toml" --config profile.release.strip=false "$@" ||
        { fault "the binary does not link"; return; }
    # address and type cut off: "U name" for undefined, "name" for the rest
    symbols=$(nm -C "$binary" | sed -E 's/^[0-9a-f]* +//; s/^[^U] //') || { fault "nm failed"; return; }
    grep -q '^ovzha_core::\|<ovzha_core::' <<<"$symbols" || fault "no symbol of ovzha-core: the check looks at nothing"
    found "std is linked" "$(grep -E '(^|[^a-z_:])std::' <<<"$symbols" | head -5)"
    found "an allocator is linked" \
        "$(grep -E '(^|[^a-z_:])alloc::|__rust_(alloc|realloc|dealloc)|__rdl_' <<<"$symbols" | head -5)"
    found "undefined" "$(grep '^U ' <<<"$symbols" | grep -vE '^U (memcpy|memmove|memset|memcmp|bcmp)(@.*)?$' | head -5)"
    panics=$(grep -E 'core::panicking|begin_unwind|^core::.*(panic|_fail)' <<<"$symbols" | sort -u)
    count=$(grep -c . <<<"$panics")
    if [ "$count" -gt "$MAX" ]; then
        found "$count panicking symbols, $MAX allowed" "$panics"
    elif [ "$count" -lt "$MAX" ]; then
        fault "$count panicking symbols are left: lower tests/nostd/panics.max from $MAX"
    fi
    printf 'nostd: %s panicking symbols, %s bytes of text\n' "$count" "$(size "$binary" | awk 'NR == 2 { print $1 }')"
}

# fires FEATURE WORDS: the check with that fault built in must say WORDS.
fires() {
    local said
    said=$(check --features "$1")
    grep -q "$2" <<<"$said" && return
    printf '%s\n' "$said"
    printf 'nostd: the check did not notice %s: "%s" expected\n' "$1" "$2"
    exit 1
}

check
[ "$FAULTS" -eq 0 ] || exit 1
fires fault-panic 'panicking symbols, .* allowed'
fires fault-std 'std is linked'
fires fault-std 'an allocator is linked'
echo "nostd: no std, no alloc; an index, std and an allocator put in on purpose were noticed"
