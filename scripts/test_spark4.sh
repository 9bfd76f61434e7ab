#!/usr/bin/env bash
# Runs the tests of the refine on the Spark of Glue 6.0: PySpark 4.1.1, Python 3.13, a full JDK.
# Usage: scripts/test_spark4.sh [pytest's arguments]
# Where this machine lacks one of the two it says so and exits with 0; PYTHON313 and JAVA_HOME name them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv-spark4
lock=tests/spark/requirements-spark4.lock

skip() {
  printf 'The tests on Spark 4.1 are skipped: %s\n' "$*"
  exit 0
}

python_313() {
  local candidate
  for candidate in ${PYTHON313:-} python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}

# Spark 4.1 is made for Java 17 and 21, and starts with a module that trimmed runtimes lack.
full_jdk() {
  local home on_path
  on_path=$(readlink -f "$(command -v java || true)" || true)
  for home in "${JAVA_HOME:-}" "${on_path%/bin/java}" /usr/lib/jvm/*; do
    if [ -x "$home/bin/java" ] &&
      "$home/bin/java" --list-modules 2>/dev/null | grep -qE '^jdk\.incubator\.vector@(17|21)\b'; then
      echo "$home"
      return 0
    fi
  done
  return 1
}

python=$(python_313) || skip "there is no Python 3.13. Install it, or name one: PYTHON313=/path/to/python3.13"
java=$(full_jdk) || skip "there is no full JDK 17 or 21. Install one, or name its folder: JAVA_HOME=/path/to/jdk"

if ! cmp -s "$lock" "$venv/.lock"; then
  .venv/bin/uv venv --quiet --allow-existing --python "$python" "$venv"
  UV_LINK_MODE=copy .venv/bin/uv pip sync --quiet --python "$venv/bin/python" --require-hashes "$lock"
  cp "$lock" "$venv/.lock"
fi

# By day what the job computes; with NIGHTLY=1 all but what a Spark cannot change, which
# is tested once, on the other one: how many requests a day makes, and each place where a run may be
# cut off. A run that is killed is tested on both.
tests=(tests/spark/test_transforms.py)
[ "${NIGHTLY:-0}" != 0 ] && tests=(tests/spark --deselect tests/spark/test_requests.py
  --deselect tests/spark/test_crash.py::test_a_run_that_is_cut_off_after_any_write_is_completed_by_the_next)
[ $# -gt 0 ] && tests=("$@")

# The local AWS needs packages that are not pinned for Python 3.13: it runs in the other environment.
export LOCALAWS_PYTHON="$PWD/.venv/bin/python" JAVA_HOME="$java" LAW_EXAMPLES="${LAW_EXAMPLES:-3}"
exec "$venv/bin/python" -m pytest -o "pythonpath=src localaws/src" "${tests[@]}"
