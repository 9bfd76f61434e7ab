#!/usr/bin/env bash
# Runs a command whose temporary files lie in memory, where this machine has room for them.
# Usage: scripts/in_memory.sh COMMAND [ARGUMENT...]
#
# What the local AWS acknowledges it writes through to the disk first; on a slow one the tests would
# wait for it a sixth of their time. With TMPDIR set, and with NIGHTLY=1, files lie where they would.
set -uo pipefail

MEMORY=/dev/shm
FILES_KB=$((4 * 1024 * 1024))   # what the tests leave there until they end: half a gigabyte
REST_KB=$((6 * 1024 * 1024))    # what their programs take at most

free_kb() { df -Pk "$1" | awk 'NR == 2 {print $4}'; }
available_kb() { awk '/^MemAvailable:/ {print $2}' /proc/meminfo; }

has_room() {
  [ -z "${TMPDIR:-}" ] && [ "${NIGHTLY:-0}" = 0 ] && [ -w "$MEMORY" ] && [ -r /proc/meminfo ] &&
    [ "$(free_kb "$MEMORY")" -ge "$FILES_KB" ] && [ "$(available_kb)" -ge $((FILES_KB + REST_KB)) ]
}

# Programs lie there, too: a mount without the right to start them will not do.
starts_programs() {
  printf '#!/bin/sh\n' >"$1/program" && chmod +x "$1/program" && "$1/program" 2>/dev/null
}

# A run that was killed leaves its folder; none takes a day.
find "$MEMORY" -maxdepth 1 -name 'b3-??????' -user "$(id -u)" -mmin +1440 -exec rm -rf {} + 2>/dev/null

if has_room && folder=$(mktemp -d "$MEMORY/b3-XXXXXX"); then
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 130' INT TERM
  if starts_programs "$folder"; then export TMPDIR=$folder; fi
fi
"$@"
