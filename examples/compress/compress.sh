#!/bin/sh
# Compresses every file in a directory with gzip and keeps the originals.
# Usage, from the root directory of the project: sh examples/compress/compress.sh DIRECTORY [FLAG…]
set -eu
directory=${1:?missing DIRECTORY}
shift
[ -d "$directory" ] || { printf '%s: no such directory: %s\n' "$0" "$directory" >&2; exit 1; }

tasks=$(
  for file in "$directory"/*; do
    case $file in (*.gz) continue ;; esac
    if [ -f "$file" ] && [ ! -L "$file" ]; then
      jq --null-input --compact-output --arg file "$file" '{id: $file, cmd: ["gzip", "--keep", "--", $file]}'
    fi
  done
)

exec ${TASKRUNNER:-deno run -A cli.ts} "$@" <<end
$tasks
end
