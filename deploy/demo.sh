#!/usr/bin/env bash
# Builds traind, starts it, and trains a convolutional network on the 60,000 real images of Fashion-MNIST.
#
#   bash deploy/demo.sh            a few minutes of training on two cores, after the first build
#   bash deploy/demo.sh --quick    60 steps, to see that everything works
#   bash deploy/demo.sh --broken   a network that collapses instead: what is found in it, what helps, and that it does
#
# The server gets a port of its own on loopback and a fresh data folder, and is stopped at the end or with Ctrl-C. What
# was trained stays in build/demo until the next time; a second run builds nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

job=fashion-cnn
data=build/demo
wanted=0.91
options=()
broken=
case "${1:-}" in
  "") ;;
  --quick)
    data=build/demo-quick
    wanted=0.5
    options=(--set steps=60 --set optimizer.schedule.warmup_steps=10) ;;
  --broken)
    data=build/demo-broken
    broken=yes ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

deploy/setup.sh --demo
if [ ! -f build/release/build.ninja ]; then cmake --preset release; fi
cmake --build --preset release --target traind traind-worker trainctl
PATH=$PWD/build/release/bin:$PATH

rm -rf "$data"
mkdir -p "$data"

traind --listen 127.0.0.1:0 --port-file "$data/port" --data-dir "$data" --dataset-root /usr/share/datasets \
  >"$data/server.log" 2>&1 &
server=$!
stop() {
  trap - EXIT INT TERM
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" || true
}
trap stop EXIT
trap 'echo; echo "demo: stopping"; exit 130' INT
trap 'exit 143' TERM

until [ -s "$data/port" ]; do
  kill -0 "$server" 2>/dev/null || { echo "demo: the server did not start:" >&2; cat "$data/server.log" >&2; exit 1; }
  sleep 0.1
done
TRAIND_SERVER=127.0.0.1:$(cat "$data/port")
export TRAIND_SERVER
echo "demo: traind listens on $TRAIND_SERVER"

trainctl dataset import fashion-mnist \
  --split train=fashion-mnist/train-images-idx3-ubyte.gz,fashion-mnist/train-labels-idx1-ubyte.gz \
  --split test=fashion-mnist/t10k-images-idx3-ubyte.gz,fashion-mnist/t10k-labels-idx1-ubyte.gz \
  --class-names t-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,boot

if [ -n "$broken" ]; then
  # Six layers of tanh whose weights start so small that nothing gets through (slide 50): the loss stays at ln 10.
  cat >"$data/collapsed.textproto" <<'END'
display_name: "Fashion-MNIST, six layers of tanh, weights too small"
network {
  layers { name: "hidden1" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
  layers { name: "hidden2" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
  layers { name: "hidden3" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
  layers { name: "hidden4" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
  layers { name: "hidden5" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
  layers { name: "hidden6" dense { units: 100 weight_init { normal { std: 0.01 } } } activation { tanh {} } }
  layers { name: "logits" dense { units: 10 weight_init { normal { std: 0.01 } } } }
}
data { dataset: "fashion-mnist" preprocessing { standardize { grouping: PER_CHANNEL } } }
optimizer { sgd { momentum: 0.9 } learning_rate: 0.02 }
epochs: 3
statistics { every_steps: 20 }
END
  cat "$data/collapsed.textproto"
  trainctl run "$data/collapsed.textproto" --job-id collapsed
  printf '\ndemo: it has SUCCEEDED, and learned nothing. What was found in it:\n\n'
  trainctl findings collapsed
  finding=$(trainctl -q findings collapsed | grep -m 1 '^initialization_scale') ||
    { echo "demo: the collapse was not found" >&2; exit 1; }
  printf '\ndemo: trainctl fix collapsed %s --verify\n\n' "$finding"
  trainctl fix collapsed "$finding" --verify
  cat <<END

What to try next: start the server again, with these jobs,
  export PATH=\$PWD/build/release/bin:\$PATH
  traind --data-dir $data --dataset-root /usr/share/datasets
and in another terminal
  trainctl resume collapsed-fix-1; trainctl watch collapsed-fix-1    the mended network, to its end
  trainctl explain initialization_scale                              what the rule sees, and why that is a fault
  trainctl run $data/collapsed.textproto --auto-fix 2   all of this by itself
END
  exit 0
fi

begin=$SECONDS
trainctl run examples/fashion_mnist_cnn.textproto --job-id "$job" "${options[@]}"
trained=$((SECONDS - begin))

accuracy=$(trainctl --json model eval "$job" | sed -n 's/.*"accuracy": *\([0-9.e-]*\).*/\1/p')
awk -v accuracy="$accuracy" -v wanted="$wanted" -v seconds="$trained" 'BEGIN {
  printf "\ndemo: %.2f %% of the 10,000 test images are classified right, after %d s of training\n", 100 * accuracy, seconds
  if (accuracy < wanted) { printf "demo: expected at least %.0f %%\n", 100 * wanted; exit 1 }
}'

cat <<END

What to try next: start the server again, with what was trained,
  export PATH=\$PWD/build/release/bin:\$PATH
  traind --data-dir $data --dataset-root /usr/share/datasets
and in another terminal
  trainctl watch $job                                          what happened, once more
  trainctl model predict $job                                  what it says of some test images
  trainctl model download $job -o cnn.safetensors              the weights, for Python too
  trainctl describe examples/fashion_mnist_residual.textproto  another network, layer by layer
  trainctl run examples/fashion_mnist_mlp.textproto            train it
  trainctl probe examples/lecture10/activation_tables/tanh_small_weights.textproto activations that collapse before training begins
END
