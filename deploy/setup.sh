#!/usr/bin/env bash
# Installs what traind is built from and tested with, from Debian's own packages (Debian 12 and 13).
#
#   deploy/setup.sh            to build, test and run the demo
#   deploy/setup.sh --dev      also clang-format and clang-tidy, which .ci/run needs
#   deploy/setup.sh --build    only what a build with its tests needs: no sample data (the container)
#
# Run it as root or as somebody who may use sudo. When everything is there already it touches neither the network
# nor the system.
set -euo pipefail

build=(
  g++ cmake ninja-build pkg-config ccache
  protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libgrpc++-dev libabsl-dev
  libdnnl-dev                     # oneDNN: 2.6 on Debian 12, 3.7 on Debian 13
  ocl-icd-opencl-dev              # oneDNN's CMake package asks for it and only recommends it
  libsqlite3-dev zlib1g-dev libjpeg-dev libpng-dev libarchive-dev
  libeigen3-dev                   # linear algebra: headers only
  libspdlog-dev libcli11-dev nlohmann-json3-dev
  libgtest-dev libgmock-dev
  python3-protobuf python3-grpcio  # tests/api calls the server as a program in Python does; .ci/protolint.py
)
demo=(dataset-fashion-mnist)
# Clang reads omp.h from its own package; the venv holds what Debian does not have of Python's packages (.ci/run).
dev=(clang-format clang-tidy libomp-dev python3-venv)

case "${1:-}" in
  "") packages=("${build[@]}" "${demo[@]}") ;;
  --dev) packages=("${build[@]}" "${demo[@]}" "${dev[@]}") ;;
  --build) packages=("${build[@]}") ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
  echo "setup: this script knows Debian's apt only; on another system install: ${packages[*]}" >&2
  exit 1
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: all ${#packages[@]} packages are installed"
  exit 0
fi

root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup: not root, and there is no sudo. As root: apt-get install ${missing[*]}" >&2
    exit 1
  }
  root=(sudo)
fi
apt_get() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 "$@"; }

# The package lists are fetched only where a package is not known yet, or where those at hand turn out to be too old.
echo "setup: installing ${missing[*]}"
apt-cache show "${missing[@]}" >/dev/null 2>&1 || apt_get update
apt_get install -y --no-install-recommends "${missing[@]}" || {
  echo "setup: that did not work; trying again with fresh package lists"
  apt_get update
  apt_get install -y --no-install-recommends "${missing[@]}"
}
echo "setup: done"
