import { assertEquals } from "@std/assert/equals";
import { readExamples } from "../../dev/peers/examples.ts";
import { PAGE_PATH, pageOf } from "../../dev/peers/page.ts";
import { readPage, rowsOf } from "../support/pages.ts";
import { test } from "../support/test.ts";

/** The flags in the manual of GNU parallel 20221122. */
const PARALLEL_FLAGS =
  `--null -0 --arg-file -a --arg-file-sep --arg-sep --bar --basefile --bf --basenamereplace --bnr --basenameextensionreplace
  --bner --bin --bg --block --block-size --block-timeout --bt --cat --cleanup --color --color-failed --cf --colsep -C --compress
  --compress-program --decompress-program --csv --ctag --ctagstring --delay --delimiter -d --dirnamereplace --dnr --dry-run -E
  --eof -e --embed --env --eta --fg --fifo --filter --filter-hosts --gnu --group --group-by --help --halt-on-error --halt
  --header --hostgroups --hgrp -I --replace -i --joblog --jl --jobs -j --max-procs -P --keep-order -k -L --max-lines -l --limit
  --latest-line --ll --line-buffer --lb --link --xapply --load --controlmaster -M -m --memfree --memsuspend --minversion
  --max-args -n --max-replace-args -N --nonall --onall --open-tty -o --output-as-files --outputasfiles --files --pipe
  --spreadstdin --pipe-part --plain --plus --process-slot-var --progress --max-line-length-allowed --number-of-cpus
  --number-of-cores --number-of-sockets --number-of-threads --no-keep-order --nice --interactive -p --parens --profile -J --quote
  -q --no-run-if-empty -r --noswap --record-env --recstart --recend --regexp --remove-rec-sep --rrs --results --res --resume
  --resume-failed --retry-failed --retries --return --round-robin --rpl --rsync-opts --max-chars -s --show-limits --semaphore
  --semaphore-name --id --semaphore-timeout --st --seqreplace --session --shard --shebang --hashbang --shebang-wrap
  --shell-completion --shell-quote --shuf --skip-first-line --sql --sql-master --sql-and-worker --sql-worker --ssh --ssh-delay
  --sshlogin -S --sshloginfile --slf --slotreplace --silent --template --tty --tag --tagstring --tee --term-seq --total-jobs
  --total --tmpdir --tmux --tmuxpane --timeout --verbose -t --transfer --transferfile --tf --trc --trim --ungroup -u
  --extensionreplace --er --use-sockets-instead-of-threads --use-cores-instead-of-threads --use-cpus-instead-of-cores -v
  --version -V --workdir --wd --wait -X --exit -x --xargs`.split(/\s+/);

/** The flags in the manual of GNU xargs 4.9.0. */
const XARGS_FLAGS =
  `-0 --null -a --arg-file -d --delimiter -E -e --eof -I -i --replace -L -l --max-lines -n --max-args -P
  --max-procs -o --open-tty -p --interactive --process-slot-var -r --no-run-if-empty -s --max-chars --show-limits -t --verbose -x
  --exit`.split(/\s+/);

/** The flags in the help of npm-run-all2 9.0.4, run-p and run-s. */
const NPM_RUN_ALL_FLAGS =
  `--aggregate-output -c --continue-on-error --max-parallel --npm-path -l --print-label -n --print-name
  -p --parallel -r --race -s --serial`.split(/\s+/);

/** The flags in the help of concurrently 10.0.7, except those without a counterpart in any runner. */
const CONCURRENTLY_FLAGS = `-m --max-processes -n --names -s -r --raw --hide -g --group --timings --shell -P
  --passthrough-arguments --teardown -p --prefix -c --prefix-colors -l -t --timestamp-format -i --handle-input -k --kill-others
  --kill-others-on-fail --kill-signal --kill-timeout --restart-tries --restart-after`.split(/\s+/);

test("docs/reference/peer-examples.md has the examples of dev/peers", async () => {
  assertEquals(await readPage(PAGE_PATH), pageOf(readExamples()), "run deno task peers:examples");
});

for (
  const [page, flags] of [
    ["from-gnu-parallel", PARALLEL_FLAGS],
    ["from-xargs", XARGS_FLAGS],
    ["from-npm-run-all", [...NPM_RUN_ALL_FLAGS, ...CONCURRENTLY_FLAGS]],
  ] as const
) {
  test(`the tables of docs/guides/${page}.md have every flag of the other program`, async () => {
    const cells = rowsOf(await readPage(`docs/guides/${page}.md`)).map(([first]) => first!);
    const named = new Set(cells.flatMap((cell) => cell.match(/(?<![\w-])--?[a-zA-Z0-9][\w-]*/g) ?? []));
    assertEquals(flags.filter((flag) => !named.has(flag)), []);
  });
}
