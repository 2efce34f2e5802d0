#!/bin/sh
# Makes sure that the tests find a Chromium (tests/harness.py looks in the same places: $CHROMIUM, else
# one on the PATH) and nginx (tests/replicas.py). Installs what is missing where this is Debian and we
# are root; otherwise says how.
set -eu
PATH="$PATH:/usr/sbin:/usr/local/sbin"
missing=""

if [ -n "${CHROMIUM:-}" ]; then
    if ! command -v "$CHROMIUM" >/dev/null; then
        echo "CHROMIUM=$CHROMIUM cannot be run: name a Chromium or Chrome, or unset it." >&2
        exit 1
    fi
elif ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then
    # Without a font every screenshot shows boxes.
    missing="chromium fonts-liberation"
fi
command -v nginx >/dev/null || missing="$missing nginx"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && grep -qs '^ID=debian$' /etc/os-release; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    # shellcheck disable=SC2086 # names without spaces
    exec apt-get install --yes --no-install-recommends $missing
fi

echo "The tests need more programs: install them (Debian: sudo apt-get install $missing)." \
    "For another Chromium or Chrome set CHROMIUM to its path." >&2
exit 1
