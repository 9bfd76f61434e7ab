#!/usr/bin/env bash
# Brings every pinned package into a folder, for machines without a network; make_env.sh takes
# them from there. It serves machines of the same system, processor and Python as this one.
# Usage: scripts/make_wheelhouse.sh .venv wheelhouse [LOCK]
set -euo pipefail

python=${1:?"usage: scripts/make_wheelhouse.sh VENV FOLDER [LOCK]"}/bin/python
folder=${2:?"the folder is missing"}
lock=${3:-requirements.lock}
# What the decks of `make slides` load: nbconvert's template is made for reveal.js 4.
decks="reveal.js@4.6.1 requirejs@2.3.7 jquery@3.7.1"

say() { printf '%s\n' "$*" >&2; }

mkdir -p "$folder"
say "Downloading into $folder/: about 800 MB, less where some is there already."
"$python" -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps \
  --find-links "$folder" --dest "$folder" -r "$lock"
# A package without a wheel, such as pyspark, is built where it is installed, with these.
if ls "$folder"/*.tar.gz >/dev/null 2>&1; then
  "$python" -m pip download --quiet --disable-pip-version-check --dest "$folder" setuptools wheel
fi
for deck in $decks; do
  [ -d "$folder/slides/${deck%@*}" ] && continue
  if command -v npm >/dev/null 2>&1 && file=$(cd "$folder" && npm pack --silent "$deck"); then
    mkdir -p "$folder/slides/${deck%@*}"
    tar -xzf "$folder/$file" -C "$folder/slides/${deck%@*}" --strip-components 1
    rm "$folder/$file"
  else
    say "npm is not here, or brings no $deck: slides will need a network to be shown."
    break
  fi
done
say "$(find "$folder" -maxdepth 1 -type f | wc -l) packages are in $folder/: carry it with the project."
