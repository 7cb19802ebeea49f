#!/bin/sh
# Build .venv from a hash-locked file and put this checkout into it. Used by make, by CI and by the Dockerfile.
# Usage: scripts/install.sh requirements-dev.txt   (or requirements.txt: what a server needs, no tools)
# Does nothing when the lock file, pyproject.toml and the Python are those of the last time.
set -eu
cd "$(dirname "$0")/.."
lock=$1
venv=.venv
stamp=$venv/.folkmoot
python=$(scripts/python.sh)

identity() { "$1" -c 'import sys; print(sys.version.split()[0], sys.base_prefix)' 2>/dev/null || true; }
wanted=$(identity "$python")
digest() { "$python" -c 'import hashlib, os, sys
print(os.getcwd(), sys.argv[1], hashlib.sha256(b"".join(open(name, "rb").read() for name in sys.argv[1:])).hexdigest())' \
  "$1" requirements-build.txt pyproject.toml; }

# The tools' file holds all that the server's file holds, at the same versions: an environment with it serves both.
stands=$(cat "$stamp" 2>/dev/null || true)
if [ "$(identity $venv/bin/python)" = "$wanted" ]; then
  for fitting in "$lock" requirements-dev.txt; do
    [ "$stands" != "$(digest "$fitting")" ] || exit 0
  done
fi
if [ -d "$venv" ] && [ "$(identity $venv/bin/python)" != "$wanted" ]; then
  echo "Another Python than last time ($wanted): building $venv anew."
  rm -rf "$venv"
elif [ -n "$stands" ] && [ "${stands#"$PWD "}" = "$stands" ]; then
  echo "The checkout has moved: building $venv anew."
  rm -rf "$venv"
fi
if [ ! -d "$venv" ] && ! said=$("$python" -m venv "$venv" 2>&1); then
  rm -rf "$venv"
  echo "$said" >&2
  echo "$python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2
  exit 1
fi
rm -f "$stamp"

echo "Installing the packages of $lock into $venv (once; about half a minute) ..."
pip="$venv/bin/python -m pip --quiet --disable-pip-version-check --no-input"
# --no-deps: the lock names every package, and pip, left to resolve `coverage[toml]` of pytest-cov, takes the newest
# release instead of the pinned one and then finds no hash for it (seen on the day that coverage 7.17.4 came out).
# Wheels alone: nothing of what is installed runs while it is installed.
$pip install --only-binary :all: --no-deps --require-hashes -r "$lock"
# setuptools, pinned, to lay the checkout into the environment; without the network and nothing beside it.
$pip install --only-binary :all: --no-deps --require-hashes -r requirements-build.txt
$pip install --no-deps --no-build-isolation --no-index --editable .
"$venv/bin/python" -m pip check --disable-pip-version-check >/dev/null ||
  { "$venv/bin/python" -m pip check --disable-pip-version-check >&2; exit 1; }
digest "$lock" > "$stamp"
