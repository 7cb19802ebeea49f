#!/bin/sh
# Print the Python to build with: $PYTHON where it is set, else the first of the usual names that is new enough.
set -eu
newest_too_new=14
fits() { "$1" -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, $newest_too_new))" 2>/dev/null; }

if [ -n "${PYTHON:-}" ]; then
  fits "$PYTHON" && { echo "$PYTHON"; exit 0; }
  command -v "$PYTHON" >/dev/null || { echo "PYTHON=$PYTHON: there is no such program." >&2; exit 1; }
  echo "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1 | head -n 1); Folkmoot needs Python 3.11, 3.12 or 3.13." >&2
  exit 1
fi
for candidate in python3 python3.13 python3.12 python3.11; do
  fits "$candidate" && { echo "$candidate"; exit 0; }
done
echo "Folkmoot needs Python 3.11, 3.12 or 3.13; none is on the PATH (python3 is $(python3 --version 2>&1 | head -n 1 || true))." >&2
echo "Install one, or name it: PYTHON=/path/to/python3.12 make test" >&2
exit 1
