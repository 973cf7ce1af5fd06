#!/usr/bin/env bash
# Installs what traind is built from and tested with, from Debian's own packages (Debian 12 and 13).
#
#   deploy/setup.sh            to build, test and run the demo
#   deploy/setup.sh --demo     the same without what only tests need, such as a browser
#   deploy/setup.sh --dev      also clang-format and clang-tidy, which .ci/run needs
#   deploy/setup.sh --image    what the container is built with: no sample data, and what a static libarchive takes
#
# Run it as root or as somebody who may use sudo. When everything is there already it touches neither the network
# nor the system.
set -euo pipefail

build=(
  g++ cmake ninja-build pkg-config ccache
  protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libgrpc++-dev libabsl-dev
  libdnnl-dev                     # oneDNN: 2.6 on Debian 12, 3.7 on Debian 13
  ocl-icd-opencl-dev              # oneDNN's CMake package asks for it and only recommends it
  libseccomp-dev                  # which system calls a worker may make
  libsqlite3-dev libssl-dev zlib1g-dev libjpeg-dev libpng-dev libarchive-dev
  libeigen3-dev                   # linear algebra: headers only
  libspdlog-dev libcli11-dev nlohmann-json3-dev
  libyaml-cpp-dev                 # job files in YAML and JSON
  prometheus-cpp-dev libmicrohttpd-dev  # what --metrics-listen shows, and the port
  libboost-dev                    # Beast and Asio, HTTP of --http-listen and of webhooks: headers only
  esbuild node-typescript         # the page of --http-listen: client/web/build.sh
  libgtest-dev libgmock-dev
  python3-protobuf python3-grpcio  # tests/api calls the server as a program in Python does; .ci/protolint.py
)
# Of the tests: the Python client's; what stands in front of a public server, and networks to try that in (tests/attack,
# tests/deploy); node and a real browser for the page (tests/web).
test=(python3-numpy python3-pytest haproxy iproute2 nodejs chromium chromium-driver python3-selenium)
demo=(dataset-fashion-mnist)
# Clang reads omp.h from its own package; the venv holds what Debian does not have of Python's packages; prometheus has
# promtool, which reads our metrics and plays the alerts through (.ci/run). Its server is not started here.
dev=(clang-format clang-tidy libomp-dev python3-venv prometheus python3-torch)

image=(liblzma-dev libbz2-dev libzstd-dev nettle-dev)

case "${1:-}" in
  "") packages=("${build[@]}" "${test[@]}" "${demo[@]}") ;;
  --demo) packages=("${build[@]}" "${demo[@]}") ;;
  --dev) packages=("${build[@]}" "${test[@]}" "${demo[@]}" "${dev[@]}") ;;
  --image) packages=("${build[@]}" "${image[@]}") ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
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
