#!/bin/sh
# Run a command and show what it says only when it fails.
said=$("$@" 2>&1) || { status=$?; echo "$said"; echo "failed: $*"; exit $status; }
