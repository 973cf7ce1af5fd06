#!/usr/bin/env bash
# Builds the page of the server: index.html, app.js, app.css and icon.svg in OUTDIR, from Debian's esbuild and
# node-typescript alone. DESCRIPTORS is a descriptor set with imports; without it protoc makes one.
#
#   client/web/build.sh OUTDIR [DESCRIPTORS]
#   client/web/build.sh --test            type-checks everything and runs the unit tests with node
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2; }

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
descriptors=${2:-$work/descriptors.pb}
[ -n "${2:-}" ] || protoc -I "$here/../../proto" --include_imports --descriptor_set_out="$descriptors" \
  "$here"/../../proto/traind/v1/*.proto "$here"/../../proto/traind/rpc/*.proto
mkdir "$work/generated"
/usr/bin/python3 "$here/generate_messages.py" "$descriptors" > "$work/generated/messages.ts"
sed "s|@WEB@|$here|; s|@WORK@|$work|" "$here/tsconfig.in.json" > "$work/tsconfig.json"
tsc --noEmit -p "$work/tsconfig.json"

bundle() { esbuild --bundle --tsconfig="$work/tsconfig.json" --log-level=warning --charset=utf8 "$@"; }
if [ "$1" = --test ]; then
  for test in "$here"/../../tests/web/*_test.ts; do
    bundle "$test" --platform=node --outfile="$work/$(basename "$test" .ts).js"
  done
  exec node --test "$work"
fi
mkdir -p "$1"
bundle "$here/src/main.ts" --minify --target=es2020 --legal-comments=none --outfile="$1/app.js"
bundle "$here/src/style/app.css" --minify --outfile="$1/app.css"
cp "$here/index.html" "$here/icon.svg" "$1"
