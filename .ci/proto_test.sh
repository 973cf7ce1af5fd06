#!/usr/bin/env bash
# Plants in copies of proto/ what protolint.py and protobreak.py must find, and sees that they do.
set -euo pipefail
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

fresh() {
  rm -rf "$copy/proto"
  cp -r proto CHANGELOG.md "$copy"
  job=$copy/proto/traind/v1/job.proto
  service=$copy/proto/traind/v1/training_service.proto
  details=$copy/proto/traind/rpc/error_details.proto
  allowed=$copy/proto/released/allowed_breaks.txt
}
finds() {  # finds CHECK WHAT: CHECK (protolint, protobreak) complains of WHAT.
  local output
  if output=$(".ci/$1.py" "$copy" 2>&1) || ! grep -q "$2" <<<"$output"; then
    printf 'proto_test: %s does not find: %s\n%s\n' "$1" "$2" "$output" >&2
    exit 1
  fi
}
lints() {  # lints WHAT LINE...: with the lines at the end of job.proto.
  local what=$1
  shift
  fresh
  printf '%s\n' "$@" >>"$job"
  finds protolint "$what"
}
edited() {  # edited CHECK WHAT FILE SCRIPT: with the file as sed makes it.
  fresh
  sed -i -E "$4" "${!3}"
  finds "$1" "$2"
}

lints 'message planted_one does not have the form' '// Planted.' 'message planted_one {}'
lints 'field badName does not have the form' '// Planted.' 'message Planted { string badName = 1; }'
lints 'message Planted has no comment' '' 'message Planted {}'
lints 'field Planted.it has no comment' '' '// Planted.' 'message Planted {' '  string it = 1;' '}'
lints 'value RED does not have the form PLANTED_' '// Planted.' 'enum Planted { PLANTED_UNSPECIFIED = 0; RED = 1; }'
lints 'value PLANTED_RED has no comment' '// Planted.' 'enum Planted {' '  PLANTED_RED = 0;' '}'
lints 'the first value of Planted is not PLANTED_UNSPECIFIED' '// Planted.' 'enum Planted { PLANTED_RED = 0; }'
lints 'service Planted does not have the form' '// Planted.' 'service Planted {}'
lints 'service PlantedService has no comment' '' 'service PlantedService {}'
lints 'does not say which errors every method has' '// Planted.' 'service PlantedService {}'
lints 'characters, more than 120' "// $(printf 'x%.0s' {1..120})"
edited protolint 'the file has no comment' job '1,/^syntax/ { /^\/\//d }'
edited protolint 'package traind.v2 is not that of the folder' details 's/^package .*/package traind.v2;/'
edited protolint 'imports google/protobuf/empty.proto and uses nothing' job 's/^(import .*duration.*)/import "google\/protobuf\/empty.proto";\n\1/'
edited protolint 'method GetJob has no comment' service '/rpc GetJob\(/ { s/^/\n/ }'
edited protolint 'comment of CreateJob says nothing of ALREADY_EXISTS' service 's/^  \/\/ ALREADY_EXISTS: job_id/  \/\/ job_id/'

seed='^  uint64 seed = 10;.*'
edited protobreak 'JobSpec.seed removed$' job "s/$seed/reserved 10; reserved \"seed\";/"
edited protobreak 'seed removed, and 10 is not reserved' job "s/$seed/reserved \"seed\";/"
edited protobreak 'seed removed, and its name is not reserved' job "s/$seed/reserved 10;/"
edited protobreak 'JobSpec.seed renamed to grain' job "s/$seed/uint64 grain = 10;/"
edited protobreak 'JobSpec.seed gave its number to grain' job "s/$seed/string grain = 10;/"
edited protobreak 'JobSpec.seed changed from uint64 to optional uint64' job "s/$seed/optional uint64 seed = 10;/"
edited protobreak 'JobSpec.seed renumbered from 10 to 99' job "s/$seed/reserved 10; uint64 seed = 99;/"
edited protobreak 'JobState.FAILED removed' job 's/^  JOB_STATE_FAILED = 5;.*/reserved 5; reserved "JOB_STATE_FAILED", "FAILED";/'
edited protobreak 'JobState.FAILED renamed to JOB_STATE_LOST' job 's/JOB_STATE_FAILED = 5/JOB_STATE_LOST = 5/'
edited protobreak 'enum traind.v1.Sampling removed' job 's/^enum Sampling/enum Order/; s/Sampling sampling/Order sampling/'
edited protobreak 'method traind.v1.TrainingService.GetJob removed' service 's/rpc GetJob\(/rpc ReadJob(/'
edited protobreak 'GetJob changed from' service 's/(rpc GetJob.*) returns \(Job\)/\1 returns (stream Job)/'
edited protobreak 'nothing is broken like this: field none' allowed '$ a field none | API'
edited protobreak 'the top section does not say: no such words' allowed '$ a message google.* | no such words'

# What is allowed and told passes.
fresh
sed -i -E "s/$seed/reserved 10; reserved \"seed\";/" "$job"
echo 'field traind.v1.JobSpec.seed removed | The seed is no more' >>"$allowed"
sed -i '0,/^## /s/^## .*/&\n- The seed\n  is no more./' "$copy/CHANGELOG.md"
.ci/protobreak.py "$copy" >/dev/null
echo "proto_test: protolint.py and protobreak.py find what is planted"
