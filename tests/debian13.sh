#!/usr/bin/env bash
# debian13.sh PACKAGE... - builds the checkout in a Debian 13 root and runs the suites whose verdict
# could depend on its compiler or libraries. Called by ./run debian13, from the root, as root.
#
# The root and its build are kept in .cache/debian13. The checkout is mounted into it, in a mount
# namespace of this process: nothing of that is seen outside or left behind.
set -euo pipefail
source docker/debian_root.sh
cache=$PWD/.cache/debian13
root=$cache/root
suites='^(unit|parity|gradient|store|crash)$'

say() { printf '==> %s\n' "$*"; }
fail() { printf 'debian13: %s\n' "$*" >&2; exit 1; }

in_root() {
    env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        ${CTEST_OUTPUT_ON_FAILURE:+CTEST_OUTPUT_ON_FAILURE="$CTEST_OUTPUT_ON_FAILURE"} \
        chroot "$root" "$@"
}

# The stamp is written last: a root that is not complete is made anew.
build_root() {
    [[ -f $cache/packages && $(<"$cache/packages") == "$*" ]] && return
    say "a Debian 13 root by debootstrap"
    mkdir -p "$cache"
    rm -rf "$cache/packages" "$cache/build"
    debian_root trixie "$root" "$cache/log" || fail "debootstrap failed: $cache/log"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe" # if it is cut off it is made anew
    in_root sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "$@" && apt-get clean' install "$@" >>"$cache/log" 2>&1 ||
        fail "installing packages failed: $cache/log"
    echo "$*" >"$cache/packages"
}

if [[ ${1:-} == --mounted ]]; then
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mkdir -p "$root/braid" "$cache/build" build
    mount --bind "$PWD" "$root/braid"
    mount --bind "$cache/build" "$root/braid/build"
    [[ ! -L .cache ]] || mkdir -p "$root$(realpath .cache)" # what the link leads to
    say "build and suites in Debian 13"
    in_root sh -euc 'cd /braid
        [ -f build/dev/build.ninja ] || cmake --preset dev >/dev/null
        cmake --build --preset dev
        exec ctest --preset dev --parallel "$(nproc)" --no-tests=error -L "$1"' build "$suites"
else
    build_root "$@"
    unshare --mount "$0" --mounted
fi
