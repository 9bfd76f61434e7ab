#!/usr/bin/env bash
# Makes the environment in the folder given: a supported Python, the pinned packages, this project.
# Packages are taken from the folder `wheelhouse` where it is (`make wheelhouse`), without a network.
# Usage: scripts/make_env.sh .venv
set -euo pipefail

venv=${1:?"usage: scripts/make_env.sh FOLDER"}
wanted="import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))"

say() { printf '%s\n' "$*" >&2; }

# The one that is named, where it is supported; else the quickest on the path.
supported_python() {
  local name candidate all=()
  for name in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3 python; do
    while read -r candidate; do
      if "$candidate" -c "$wanted" >/dev/null 2>&1; then
        all+=("$("$candidate" -c 'import os, sys; print(os.path.realpath(sys.executable))')")
      fi
    done < <(type -ap "$name")
    if [ "$name" = "${PYTHON:-}" ] && [ ${#all[@]} -gt 0 ]; then break; fi
  done
  [ ${#all[@]} -gt 0 ] && "${all[0]}" scripts/quickest_python.py "${all[@]}"
}

uv_command() {
  if command -v uv >/dev/null 2>&1; then
    command -v uv
  elif python3 -m venv .uv >/dev/null 2>&1 && .uv/bin/python -m pip install --quiet uv; then
    echo .uv/bin/uv
  else
    return 1
  fi
}

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c "$wanted" >/dev/null 2>&1; then
  say "The environment in $venv is brought up to date."
elif python=$(supported_python); then
  say "Making $venv with $("$python" --version), $python."
  rm -rf "$venv"
  "$python" -m venv "$venv"
elif uv=$(uv_command) && "$uv" venv --quiet --seed --python 3.11 "$venv"; then
  say "Making $venv with a Python 3.11 that uv brought."
else
  say "Python 3.11 or 3.12 is needed, and uv could not bring one. Install python3.11 with its venv module (on Debian: python3.11-venv), or name one: make env PYTHON=/path/to/python3.11"
  exit 1
fi

say "Installing the pinned packages; the first time takes a minute or two."
python="$venv/bin/python"

# What `make wheelhouse` brought is enough for everything; each file is checked against the lock.
from=()
if [ -d wheelhouse ]; then
  say "Packages are taken from wheelhouse/, without a network."
  from=(--no-index --find-links wheelhouse)
fi

# uv installs four times faster than pip; its own pin comes from the same lock file.
install_with_uv() {
  local pin
  pin=$(mktemp)
  awk '/^uv==/ {inside = 1} inside {print} inside && !/\\$/ {exit}' requirements.lock >"$pin"
  "$python" -m pip install --quiet --disable-pip-version-check ${from[@]+"${from[@]}"} --require-hashes -r "$pin" &&
    UV_LINK_MODE=copy "$venv/bin/uv" pip sync --python "$python" ${from[@]+"${from[@]}"} --require-hashes requirements.lock
}

install_with_pip() {
  say "uv could not install them; pip does, more slowly."
  "$python" -m pip install --disable-pip-version-check ${from[@]+"${from[@]}"} --require-hashes -r requirements.lock
}

"$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null
if ! install_with_uv; then
  if [ ${#from[@]} -gt 0 ]; then
    say "wheelhouse/ does not hold all that is pinned: the rest comes from the internet."
    from=()
    install_with_uv || install_with_pip
  else
    install_with_pip
  fi
fi
"$venv/bin/uv" pip install --quiet --python "$python" --no-deps --no-build-isolation --editable . --editable ./localaws

# Where Python keeps no bytecode, as in many containers, every start would compile all it imports
# anew: seconds of each of the processes that a run or a test begins.
if [ -n "${PYTHONDONTWRITEBYTECODE:-}" ]; then
  say "Python keeps no bytecode here (PYTHONDONTWRITEBYTECODE): it is made once, which takes a minute."
  packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  "$python" -m compileall -q -j 0 "$packages" src localaws/src >/dev/null || true # templates are no Python
fi
say "Preparing Java for quicker starts of Spark: half a minute, once."
"$python" -c 'import sys; from localaws.glue import class_archive; sys.exit(class_archive.main())' ||
  say "That failed: Spark works without it, more slowly."
say "The environment is ready."
