#!/usr/bin/env bash
# Gets what the tests of recordings and of the archive need: ffmpeg, smbd and pdbedit, smbclient for the bench, and
# libsmbclient to build the feature `libsmbclient`. Run again it does nothing.
set -euo pipefail

say() { echo "archive: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

packages=()
need() { command -v "$1" > /dev/null || packages+=("$2"); }
need ffmpeg ffmpeg
need smbd samba
need pdbedit samba
need smbclient smbclient
need pkg-config pkg-config
pkg-config --exists smbclient 2> /dev/null || packages+=(libsmbclient-dev)
[ ${#packages[@]} -gt 0 ] || exit 0
if ! command -v apt-get > /dev/null; then
    say "this machine has no apt-get: install ${packages[*]} by hand"
    exit 1
fi
say "installing ${packages[*]} (apt-get)"
install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" > /dev/null
}
install 2> /dev/null || { as_root apt-get update -qq; install; }
# The package starts a file server for the whole machine, which nobody asked for. The tests start their own.
if [[ " ${packages[*]} " == *" samba "* ]] && [ -d /run/systemd/system ]; then
    as_root systemctl disable --now --quiet smbd nmbd samba-ad-dc 2> /dev/null || true
    say "the machine's own file server (smbd) is switched off again"
fi
