#!/bin/sh
# setup.sh -- Gradescope runs it once, as root, when the image is made.
set -eu
cd "$(dirname "$0")"
apt-get update
apt-get install -y --no-install-recommends bash
./scripts/setup build test
