#!/bin/sh
# What a server behind HAProxy needs before its first start: certificates for its name, and users.
#
#   deploy/first-users.sh HOST ADMIN [USER...] | tar -x
#
# makes a certificate for HOST (a name or an address by which clients reach it) in $TRAIND_CERTS, and users with a token each
# in $TRAIND_DATA_DIR: the first an administrator. It answers with a tar archive of what they get: access/ca.pem for all,
# access/NAME.token for each. Certificates that are there stay; for those of an authority put proxy.pem (certificate,
# issuers, key), server.pem, server-key.pem and ca.pem there yourself. deploy/compose.tls.yaml runs it in a container.
set -eu
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
certs=${TRAIND_CERTS:-/certs}
host=$1
shift
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/access"

[ -e "$certs/server.pem" ] || traind dev-cert "$certs" "$host" >&2
[ -e "$certs/proxy.pem" ] || cat "$certs/server.pem" "$certs/server-key.pem" >"$certs/proxy.pem"
cp "$certs/ca.pem" "$folder/access"
role=admin
for name; do
  traind token create "$name" --role "$role" >"$folder/access/$name.token"
  role=user
done
tar -C "$folder" --owner=0 --group=0 --numeric-owner -c access
