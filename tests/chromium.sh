#!/bin/sh
# Makes sure that the browser tests find a Chromium (tests/harness.py looks in the same places):
# $CHROMIUM, else one on the PATH. Installs it where this is Debian and we are root; otherwise says how.
set -eu

for name in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
    if [ -n "${CHROMIUM:-}" ]; then
        echo "CHROMIUM=$CHROMIUM cannot be run: name a Chromium or Chrome, or unset it." >&2
        exit 1
    fi
done

if [ "$(id -u)" = 0 ] && grep -qs '^ID=debian$' /etc/os-release; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    # Without a font every screenshot shows boxes.
    exec apt-get install --yes --no-install-recommends chromium fonts-liberation
fi

echo "The tests need Chromium: install it (Debian: sudo apt-get install chromium)" \
    "or set CHROMIUM to the path of a Chromium or Chrome." >&2
exit 1
