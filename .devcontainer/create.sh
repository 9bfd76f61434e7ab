#!/usr/bin/env bash
# What the dev container does once: a Java where PyPI has none, then the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$(uname -sm)" = "Linux aarch64" ] && ! command -v java >/dev/null; then
  sudo apt-get update -qq
  sudo apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless
fi
make env
