#!/bin/sh
# Write the hash-locked requirement files from pyproject.toml: for Python 3.11 to 3.13, every platform, and without
# a single download address, so that any package index with the same files serves.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-uv}
command -v "$uv" >/dev/null || { echo "make lock needs uv (UV=/path/to/uv make lock)" >&2; exit 1; }
compile() {
  "$uv" pip compile --quiet --only-binary :all: --universal --python-version 3.11 --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links "$@" >/dev/null
}
compile pyproject.toml --extra postgres --extra opensearch -o requirements.txt
compile pyproject.toml --extra postgres --extra opensearch --group dev -c requirements.txt -o requirements-dev.txt
compile --group audit -o requirements-audit.txt
compile --group mutants -c requirements-dev.txt -o requirements-mutants.txt
"$(scripts/python.sh)" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' |
  compile - -c requirements-dev.txt -o requirements-build.txt
