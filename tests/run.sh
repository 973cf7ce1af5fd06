#!/usr/bin/env bash
# Builds everything and runs every test. Arguments go to ctest:
#
#   tests/run.sh                 all of them
#   tests/run.sh -R golden       those whose name matches
#   tests/run.sh -L server       those of one program: core, conformance, golden, extension, server, client,
#                                fuzz, chaos, integration, api (from Python), python (the Python client), web (the page, in
#                                a browser), attack (floods, through HAProxy), deploy (two users in two networks), install
#                                (the client library, for programs of others)
#   PRESET=dev tests/run.sh      another build (see CMakePresets.json)
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${PRESET:-release}

deploy/setup.sh
cmake --preset "$preset"
cmake --build --preset "$preset"

# Each test uses all cores by itself, and two run at once; a thread that waits must leave its core to the others.
export OMP_WAIT_POLICY=passive
exec ctest --preset "$preset" --no-tests=error -j "$(nproc)" "$@"
