#!/bin/sh
# Makes .venv from a lock file with hashes. Debian's bare python3 has neither venv nor pip: got by apt-get where we may.
set -eu
python=${PYTHON:-python3}
lock=$1

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "Comity needs Python 3.11 or newer; '$python' is not. Set PYTHON=/path/to/python3." >&2
    exit 2
}
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        { apt-get update -q && apt-get install -y -q --no-install-recommends "python$version-venv"; } >/dev/null 2>&1 || true
    fi
    "$python" -c 'import venv, ensurepip' 2>/dev/null || {
        echo "This Python has no venv: install it first (Debian: apt-get install python3-venv), then run make again." >&2
        exit 2
    }
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "installing the packages of $lock into .venv ..." >&2
.venv/bin/python -m pip install -q --disable-pip-version-check --no-input --require-hashes -r "$lock"
.venv/bin/python -m pip install -q --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
