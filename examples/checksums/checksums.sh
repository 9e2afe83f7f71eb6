#!/bin/sh
# Computes the SHA-256 checksum of every file below a directory, with one task per file.
# Usage, from the root directory of the project: sh examples/checksums/checksums.sh DIRECTORY [FLAG…]
set -eu
directory=${1:?missing DIRECTORY}
shift

# The names pass from find to jq to taskrunner to sha256sum; no shell ever parses them.
tasks=$(
  find "$directory" -type f -exec \
    jq --null-input --compact-output '$ARGS.positional[] | {id: ., cmd: ["sha256sum", "--", .]}' --args {} +
)

exec ${TASKRUNNER:-deno run -A cli.ts} --keep-order "$@" <<end
$tasks
end
