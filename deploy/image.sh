#!/usr/bin/env bash
# Builds the container image with labels that say what it was made of: version, commit and time of the commit.
#
#   deploy/image.sh TAG [ARGUMENT...]     the arguments go to `docker build`, or to podman's or buildah's
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 2; }
tag=$1
shift

for tool in docker podman buildah; do
  command -v "$tool" >/dev/null && break || tool=
done
[ -n "$tool" ] || { echo "image: there is none of docker, podman and buildah" >&2; exit 1; }

version=$(sed -n 's/^project(traind VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
  revision+=-dirty
  echo "image: there are changes that are in no commit; the label says $revision" >&2
fi
created=$(git log -1 --format=%cI 2>/dev/null || date -u +%Y-%m-%dT%H:%M:%SZ)
exec "$tool" build -t "$tag" --build-arg VERSION="$version" --build-arg REVISION="$revision" \
  --build-arg CREATED="$created" "$@" .
