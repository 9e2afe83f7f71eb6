/**
 * Script of the guard, for any POSIX shell.
 *
 * Standard input has one change per line: `task ID` and `worker ID` add a process group, `gone ID` removes a group,
 * `file PATH` adds a prefix of paths to remove at the end, and `end` announces a regular shutdown, in which groups are
 * left running. A truncated last line is ignored. Each group is a variable named after its id, because searching a list
 * for each of thousands of changes would be slow.
 *
 * The group of a task is signaled as a whole. Of a worker's group only the current attempt is signaled: the oldest
 * child that the worker has when first scanned, and every younger process. Older processes are background processes of
 * earlier attempts and are meant to stay. The worker cleans up and exits as soon as its child has ended. Deno kills the
 * workers of a program that an uncaught error ends: the attempt is then unknown, and the whole group is signaled if the
 * directory of the worker, which an idle worker does not leave, has an output file of an attempt. All this needs
 * /proc or, on systems without it such as macOS, ps(1); without both, whole groups are signaled. A line of
 * /proc/PID/stat may be split by a newline in the name of the process. `list_with_ps` prints such lines, with the start in
 * seconds since 2020 as if all months had 31 days, because mksh has 32-bit integers. It has no `case` inside `$(…)`, which bash 3.2 cannot parse.
 *
 * `scan` sets `found` to the ids to signal (negative for a group) and `workers` to the workers that are alive. The first
 * scan sets `orphans` to the workers that are not alive, but have left processes.
 */
export const GUARD_SCRIPT = `
trap '' HUP INT QUIT TERM PIPE USR1 USR2
is_closed= spaces=$IFS months=JanFebMarAprMayJunJulAugSepOctNovDec
while IFS= read -r line; do
  case $line in
    end) is_closed=1 ;;
    'file '?*) set -- "$@" "\${line#* }" ;;
    'gone '*) unset "kind_\${line#* }" ;;
    *) eval "kind_\${line#* }=\${line%% *}" ;;
  esac
done

list_groups() {
  set | while IFS= read -r line; do
    case $line in kind_[0-9]*=*) line=\${line%%=*}; echo "\${line#kind_}" ;; esac
  done
}

list_with_ps() {
  LC_ALL=C TZ=UTC0 ps -A -o pid= -o ppid= -o pgid= -o state= -o lstart= |
    while read -r pid parent group state _ month day time year; do
      before=\${months%"$month"*} hour=\${time%%:*} minute=\${time#*:} second=\${time##*:} minute=\${minute%:*}
      days=$((((year - 2020) * 12 + \${#before} / 3) * 31 + day))
      start=$((((days * 24 + 1$hour - 100) * 60 + 1$minute - 100) * 60 + 1$second - 100))
      echo "$pid (-) \${state%"\${state#?}"} $parent $group - - - - - - - - - - - - - - - - $start"
    done
}

scan() {
  found= workers= members=
  stats=
  [ -z "$has_workers" ] || stats=$(cat /proc/[0-9]*/stat)
  [ -z "$has_workers" ] || [ "$stats" ] || stats=$(list_with_ps)
  if [ -z "$stats" ]; then
    for id in $groups; do ! kill -0 "-$id" || found="$found -$id"; done
    return
  fi
  round=$((round + 1)) stat=
  set -f
  IFS='
'
  set -- $stats
  IFS=$spaces
  for line do
    stat="$stat$line "
    fields=\${stat#*) } # ten times as fast as ##, which is needed only if the name contains ") "
    case $fields in *') '*) fields=\${fields##*) } ;; esac
    set -- $fields
    [ $# -ge 20 ] || continue
    pid=\${stat%% *} stat=
    eval 'kind=$kind_'"$3"
    case $kind:$1 in
      :* | *:[ZX]) ;;
      task:*)
        eval 'seen=$seen_'"$3"
        [ "$seen" = $round ] || found="$found -$3"
        eval "seen_$3=$round" ;;
      *)
        if [ "$pid" = "$3" ]; then workers="$workers $pid"; else members="$members $pid $2 $3 \${20}"; fi ;;
    esac
  done
  set +f
  set -- $members
  while [ $round = 1 ] && [ $# -gt 0 ]; do
    case "$workers$orphans " in *" $3 "*) ;; *) orphans="$orphans $3" ;; esac
    shift 4
  done
  set -- $members
  while [ $# -gt 0 ]; do
    [ "$2" != "$3" ] || is_attempt "$1" "$3" "$4" || eval "oldest_$3=$1 start_$3=$4"
    shift 4
  done
  set -- $members
  while [ $# -gt 0 ]; do
    ! is_attempt "$1" "$3" "$4" || found="$found $1"
    shift 4
  done
}

is_attempt() {
  eval 'oldest=$oldest_'"$2" 'start=$start_'"$2"
  [ "$oldest" ] && { [ "$3" -gt "$start" ] || { [ "$3" -eq "$start" ] && [ "$1" -ge "$oldest" ]; }; }
}

find_orphans() {
  for id in $orphans; do
    for prefix do
      for path in "$prefix"*/$id/*.out; do
        [ ! -e "$path" ] || { found="$found -$id"; eval "kind_$id=task"; break; }
      done
    done
  done
  orphans=
}

end_groups() {
  round=0 has_workers= orphans=
  for id in $groups; do
    eval 'kind=$kind_'"$id"
    [ "$kind" = task ] || has_workers=1
  done
  for delay in 0.01 0.02 0.04 0.08 0.15 0.3 0.3; do
    scan
    find_orphans "$@"
    [ "$found$workers" ] || return
    for id in $found; do
      eval 'is_signaled=$signaled_'"\${id#-}"
      [ "$is_signaled" ] || kill -TERM "$id"
      eval "signaled_\${id#-}=1"
    done
    for id in $found $workers; do kill -CONT "$id"; done
    sleep $delay || sleep 1
  done
  for delay in 0.05 0.1 0.2 0.3; do
    scan
    [ "$found$workers" ] || return
    for id in $found; do kill -KILL "$id"; done
    sleep $delay || sleep 1
  done
  scan
  for id in $found $workers; do kill -KILL "$id"; done
}

groups=
[ "$is_closed" ] || groups=$(list_groups)
[ -z "$groups" ] || end_groups "$@"
for prefix do
  for path in "$prefix"*; do
    [ ! -e "$path" ] || rm -rf -- "$path" || { sleep 1; rm -rf -- "$path"; }
  done
done
`;
