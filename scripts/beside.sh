#!/usr/bin/env bash
# Runs a command with others beside it, whose output follows its own; fails where one of them fails.
# Usage: scripts/beside.sh 'ONE COMMAND' 'ANOTHER' -- COMMAND [ARGUMENT...]
set -uo pipefail

said=$(mktemp -d)
others=()
trap 'kill "${others[@]}" 2>/dev/null; rm -rf "$said"' EXIT
trap 'exit 130' INT TERM
while [ "$1" != -- ]; do
  bash -c "exec $1" >"$said/${#others[@]}" 2>&1 &
  others+=($!)
  shift
done
shift

failed=0
"$@" || failed=$?
for number in "${!others[@]}"; do
  wait "${others[number]}" || failed=$?
  cat "$said/$number"
done
exit "$failed"
