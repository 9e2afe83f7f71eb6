#!/bin/sh
# Takes the SHA-256 of every file below a directory, one task for each file.
# Usage, from the project's root folder: sh examples/checksums/checksums.sh DIRECTORY [FLAG…]
set -eu
directory=${1:?which directory?}
shift

# The names go from find to jq to taskrunner to sha256sum, and no shell ever reads them.
tasks=$(
  find "$directory" -type f -exec \
    jq --null-input --compact-output '$ARGS.positional[] | {id: ., cmd: ["sha256sum", "--", .]}' --args {} +
)

exec ${TASKRUNNER:-deno run -A cli.ts} --keep-order "$@" <<end
$tasks
end
