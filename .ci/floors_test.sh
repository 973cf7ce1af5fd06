#!/usr/bin/env bash
# Plants in a copy of the sources what floors.py must find, and sees that it does.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/docs"
cp -r core server client "$copy"
cp docs/architecture.md "$copy/docs"

finds() {  # finds WHAT FILE LINE...: with the lines at the file's end, floors.py complains of WHAT in it.
  local what=$1 file=$2 output
  shift 2
  mkdir -p "$(dirname "$copy/$file")"
  printf '%s\n' "$@" >>"$copy/$file"
  if output=$(.ci/floors.py "$copy") || ! grep "$file" <<<"$output" | grep -q "$what"; then
    printf 'floors_test: not found in %s: %s\n%s\n' "$file" "$what" "$output" >&2
    exit 1
  fi
}

finds 'which is not below' core/base/checksum.h '#include "core/train/trainer.h"'
finds 'which is not below' core/layers/dense.cc '#include "core/activations/elementwise.h"'
finds 'by the API alone' server/rpc/status.cc '#include "client/client.h"'
finds 'stands on no floor' core/cellar/hidden.h '#pragma once'
planted=('namespace traind::core {' 'struct Planted {' '};' '}  // namespace traind::core')
finds 'Planted is defined in' core/tensor/tensor.h "${planted[@]}" "${planted[@]}"
echo "floors_test: floors.py finds what is planted"
