#!/usr/bin/env bash
# What deploy/compose.tls.yaml puts together, as plain processes in networks of their own: first-users.sh makes certificates and
# two users, traind listens on its loopback, HAProxy before it with deploy/haproxy.cfg. From another network one user submits a
# job, which the other cannot see. Needs no root and no container engine: `unshare` gives it users and networks.
#
#   tests/deploy/two_users_test.sh        the programs of build/release/bin, or of $TRAIND_BIN
set -euo pipefail
if [ "${1-}" != inside ]; then
  alone=(unshare --user --map-root-user --net --pid --mount-proc --fork --kill-child)
  "${alone[@]}" true || {
    echo "two_users_test: SKIPPED: this machine gives its users no networks of their own (user namespaces)" >&2
    exit 77
  }
  exec "${alone[@]}" "$0" inside
fi
repository=$(cd "$(dirname "$0")/../.." && pwd)
export PATH=${TRAIND_BIN:-$repository/build/release/bin}:$PATH:/usr/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
say() { printf '%s\n' "two_users_test: $*" >&2; }
fail() {
  say "FAILED: $*"
  tail -n 20 ./*.log >&2
  exit 1
}

# Two networks, and a cable between them.
server=10.77.0.1
unshare --net --fork --kill-child sleep 300 &
until other=$(pgrep -P $! sleep); do sleep 0.05; done
elsewhere() { nsenter --target "$other" --net "$@"; }
ip link set lo up
ip link add cable type veth peer name cable netns "$other"
ip address add $server/24 dev cable
ip link set cable up
elsewhere ip address add 10.77.0.2/24 dev cable
elsewhere ip link set cable up
elsewhere ip link set lo up

# The two commands of deploy/compose.tls.yaml.
export TRAIND_CERTS=$work/certs TRAIND_DATA_DIR=$work/data
"$repository/deploy/first-users.sh" $server ada bob | tar -x
[ "$(stat -c %a access/ada.token)" = 600 ] || fail "everybody can read a token"
traind --listen 127.0.0.1:50052 --port-file port --threads 1 --tls-cert certs/server.pem --tls-key certs/server-key.pem \
  >traind.log 2>&1 &
TRAIND_PROXY_LISTEN="*:50051" TRAIND_PROXY_CERT=certs/proxy.pem TRAIND_BACKEND=127.0.0.1:50052 TRAIND_BACKEND_CA=certs/ca.pem \
  haproxy -db -f "$repository/deploy/haproxy.cfg" >haproxy.log 2>&1 &

as() {  # as USER COMMAND...: trainctl from the other network; without a user, nobody's.
  local user=$1
  shift
  elsewhere trainctl --server $server:50051 --tls-ca access/ca.pem ${user:+--token-file "access/$user.token"} "$@"
}
for _ in $(seq 200); do
  as "" --quiet health 2>/dev/null && break
  sleep 0.1
done
as "" --quiet health || fail "no answer from the other network"
say "$(as ada whoami | head -n 1), $(as bob whoami | head -n 1)"

{ echo x,y,label; for i in $(seq 60); do echo "$((i % 7)),$((i % 5)),$((i % 3))"; done; } >points.csv
cat >job.textproto <<END
network { layers { name: "logits" dense { units: 3 } } }
data { dataset: "points" }
optimizer { sgd {} learning_rate: 0.01 }
epochs: 2 batch_size: 10
END
as ada dataset upload points --label-column label --split train=points.csv || fail "ada cannot upload"
as ada run job.textproto --job-id mine || fail "ada's job did not succeed"
as ada list --json | grep -q '"jobs/mine"' || fail "ada does not see her job"

not_found() { ! as "$@" >answer 2>&1 && grep -qi "not found\|no such\|there is no" answer; }
not_found bob get mine || fail "bob sees ada's job: $(cat answer)"
not_found bob watch mine || fail "bob watches ada's job: $(cat answer)"
not_found bob cancel mine || fail "bob cancels ada's job: $(cat answer)"
as bob list --json | grep -q mine && fail "bob lists ada's job"
as bob dataset list --json | grep -q points && fail "bob lists ada's dataset"
if as "" list >answer 2>&1; then fail "somebody without a token is let in"; fi
if elsewhere trainctl --server $server:50052 --tls-ca access/ca.pem --token-file access/ada.token list >answer 2>&1; then
  fail "traind itself can be reached from the other network"
fi
as ada share mine --with bob
as bob get mine >answer || fail "bob does not see what is shared: $(cat answer)"
say "passed: ada submits from another network, bob sees it only when it is shared"
