#!/bin/sh
# What the tests need beyond Python packages, from Debian where we may; what is missing is said plainly, not hidden.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need mosquitto mosquitto
need mosquitto_sub mosquitto-clients
need prometheus prometheus
need promtool prometheus
need chromium chromium
need nginx nginx-light
need ip iproute2
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing for the tests:$missing" >&2
    apt-get update -q >/dev/null 2>&1 || true
    for package in $missing; do
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package" >/dev/null 2>&1 ||
            echo "could not install $package: the tests that need it will be skipped" >&2
    done
else
    echo "not installed, and not root:$missing; install them for the whole test suite" >&2
fi
