#!/usr/bin/env bash
# The Python client with packages from PyPI, which tests/run.sh does not need: .ci/run calls it after a build.
#
#   client/python/check.sh            all of it
#   client/python/check.sh tools      scikit-learn, pandas, mypy --strict; pip install of a clone
#   client/python/check.sh torch      PyTorch, of Debian's python3-torch: that of PyPI has gigabytes
#   client/python/check.sh notebook   the lecture's, from its first cell to its last
#   client/python/check.sh mlflow     a real MLflow; Parquet
#   client/python/check.sh matrix     the wheel with old and new protobuf and grpcio, and with other Pythons
#
# BIN is the folder of traind (build/release/bin), PACKAGE the built package (build/release/python), VENVS where the
# environments go (build/python), PYTHONS the other Pythons (python3.9 ... python3.13, as far as they are here).
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$(realpath "${BIN:-build/release/bin}")
PACKAGE=$(realpath "${PACKAGE:-build/release/python}")
VENVS=${VENVS:-$PWD/build/python}
PYTHON=${PYTHON:-/usr/bin/python3}
export TRAIND_BIN=$BIN PYTHONDONTWRITEBYTECODE=1

venv() {  # venv NAME PACKAGE...
  local folder=$VENVS/$1
  shift
  [ -x "$folder/bin/pip" ] || "$PYTHON" -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# with NAME TEST: a file of tests/python/extras in an environment.
with() { PYTHONPATH=$PACKAGE "$1" -m pytest -q -p no:cacheprovider "tests/python/extras/$2_test.py"; }

tools() {
  venv tools grpcio protobuf numpy pytest pandas scikit-learn mypy typing_extensions types-protobuf pandas-stubs vermin
  # Other Pythons are not at hand everywhere: that nothing needs one newer than 3.9 is read from the sources, too.
  "$VENVS/tools/bin/vermin" --quiet --target=3.9- --no-tips --eval-annotations "$PACKAGE/traind"
  with "$VENVS/tools/bin/python" tools
  # As README says it.
  "$VENVS/tools/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps client/python
  (cd / && "$VENVS/tools/bin/python" -c 'import traind; print(traind.Dense(10, activation="relu"))')
}

torch() { with "$PYTHON" torch; }

notebook() {
  venv notebook grpcio protobuf numpy pytest pandas nbclient nbformat ipykernel matplotlib
  with "$VENVS/notebook/bin/python" notebook
}

mlflow() {
  venv mlflow grpcio protobuf numpy pytest mlflow pandas pyarrow
  with "$VENVS/mlflow/bin/python" mlflow
}

# The wheel, as pip makes it of a clone.
wheel() {
  venv build build
  rm -rf "$VENVS/wheel"
  "$VENVS/build/bin/python" -m build --outdir "$VENVS/wheel" client/python >/dev/null
}

matrix() {
  local version python
  wheel
  cell oldest protobuf==3.20.3 grpcio==1.50.0 numpy==1.23.5 googleapis-common-protos==1.56.4
  cell newest --upgrade protobuf grpcio numpy googleapis-common-protos
  for version in 4.21.12 4.25.8 5.29.5 6.33.5; do
    printf '== protobuf %s\n' "$version"
    "$VENVS/newest/bin/pip" install --quiet --disable-pip-version-check --no-deps --upgrade \
      --target "$VENVS/protobuf-$version" "protobuf==$version"
    PYTHONPATH=$VENVS/protobuf-$version tests newest
  done
  printf '== protobuf without its C part\n'
  PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python tests newest
  for python in ${PYTHONS:-python3.9 python3.10 python3.12 python3.13}; do
    if version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null); then
      PYTHON=$python cell "$version" --upgrade protobuf grpcio numpy googleapis-common-protos
    else
      printf '== %s is not on this machine: not tested\n' "$python"
    fi
  done
}

cell() {  # cell NAME PACKAGE...
  printf '== %s\n' "$*"
  venv "$@" pytest
  "$VENVS/$1/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$VENVS"/wheel/*.whl
  # Both live in one program, whichever is imported first.
  "$VENVS/$1/bin/python" -c 'import traind; from google.rpc import error_details_pb2'
  "$VENVS/$1/bin/python" -c 'from google.rpc import error_details_pb2; import traind'
  tests "$1"
}

tests() { "$VENVS/$1/bin/python" -m pytest -q -p no:cacheprovider tests/python --ignore tests/python/extras; }

[ $# -gt 0 ] || set -- tools torch notebook mlflow matrix
for part in "$@"; do "$part"; done
