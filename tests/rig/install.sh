#!/usr/bin/env bash
# Gets what the rig needs: SIPp, Python 3, openssl and one folder with an Asterisk for each version.
#
#   tests/rig/install.sh [22] [16]        both when none is named; 22 must succeed, 16 may be missing
#
#   RINGDESK_RIG_DIR      where the Asterisks go (.rig of the project; 270 MB for 22, 240 MB for 16)
#   RINGDESK_RIG_MIRROR   the mirror to load them from (the first http address of this machine's apt sources)
#
# Run again it does nothing. The machine's own apt sources are not touched, no Asterisk is installed on the machine,
# nothing is started.
set -euo pipefail
cd "$(dirname "$0")/../.."

dir=${RINGDESK_RIG_DIR:-$PWD/.rig}
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(22 16)

say() { echo "rig: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# The tools, each with its package.
packages=()
need() { command -v "$1" > /dev/null || packages+=("$2"); }
need sipp sip-tester
need python3 python3
need openssl openssl
install_tools() {
    [ ${#packages[@]} -gt 0 ] || return 0
    if ! command -v apt-get > /dev/null; then
        say "this machine has no apt-get: install ${packages[*]} by hand"
        exit 1
    fi
    say "installing ${packages[*]} (apt-get)"
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            "${packages[@]}" > /dev/null 2>&1; then
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            "${packages[@]}" > /dev/null
    fi
    packages=()
}

# The address that apt-get itself uses for the system: `URIs:` of a .sources file or the first `deb` line.
mirror() {
    if [ -n "${RINGDESK_RIG_MIRROR:-}" ]; then
        echo "$RINGDESK_RIG_MIRROR"
        return
    fi
    local id=$1
    {
        sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/*.sources 2> /dev/null || true
        sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]*)?([^[:space:]]+).*/\2/p' \
            /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null || true
    } | tr ' ' '\n' | grep -E '^https?://' | grep -E "/$id/?\$" | head -n 1 || true
}

# What to ask for: suites in the order of wish, components, packages.
wanted() {
    case $1/$2 in
        debian/22) suites=(forky sid) components=main include=asterisk ;;
        debian/16) suites=(bullseye) components=main include=asterisk,asterisk-voicemail ;;
        # Ubuntu has 22 only in its newest suites; 20 says the same on AMI.
        ubuntu/22) suites=(resolute questing noble) components="main universe" include=asterisk ;;
        ubuntu/16) suites=(focal) components="main universe" include=asterisk,asterisk-voicemail ;;
        *) return 1 ;;
    esac
}

# One root folder, made beside its place and moved there when whole. Nothing in it is ever run by chroot.
make_root() {
    local version=$1 root=$dir/asterisk-$1 id mirror suite suites components include
    id=$(. /etc/os-release && case " $ID ${ID_LIKE:-} " in *" ubuntu "*) echo ubuntu ;; *" debian "*) echo debian ;; esac)
    if ! wanted "${id:-other}" "$version"; then
        say "no recipe for Asterisk $version on this system"
        return 1
    fi
    mirror=$(mirror "$id")
    if [ -z "$mirror" ]; then
        say "no http mirror in this machine's apt sources: set RINGDESK_RIG_MIRROR"
        return 1
    fi
    need mmdebstrap mmdebstrap
    install_tools
    mkdir -p "$dir"
    for suite in "${suites[@]}"; do
        say "loading Asterisk $version from suite $suite (80 to 90 MB) into $root"
        rm -rf "$root.new"
        # forky's Release file is past its Valid-Until. The hook: usr-merged links, which base-files would make.
        if mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
            --setup-hook='for d in bin lib lib64 sbin; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done' \
            --include="$include" --components="${components// /,}" "$suite" "$root.new" \
            "deb $mirror $suite $components" > "$dir/install-$version.log" 2>&1 \
            && [ -x "$root.new/usr/sbin/asterisk" ]; then
            rm -rf "$root.new"/usr/share/{doc,man,locale} "$root.new"/var/{cache,lib}/apt "$root.new/dev"
            mv "$root.new" "$root"
            return 0
        fi
        rm -rf "$root.new"
    done
    say "Asterisk $version could not be had: see $dir/install-$version.log"
    return 1
}

install_tools
for version in "${versions[@]}"; do
    if [ -x "$dir/asterisk-$version/usr/sbin/asterisk" ]; then
        say "Asterisk $version is there"
    elif make_root "$version"; then
        say "Asterisk $version is there"
    elif [ "$version" = 22 ]; then
        exit 1
    else
        say "going on without Asterisk $version: its tests are left out"
    fi
done
