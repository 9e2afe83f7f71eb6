/**
 * Prints the tasks of a parameter sweep: simulate each point, then put the results of all points into a table. A last task
 * removes the scratch files, even when points have failed.
 * Usage, from the root directory of the project: deno run -A examples/sweep/tasks.ts DIRECTORY [RATE,RATE…]
 */

import { resolve } from "node:path";
import process from "node:process";
import { sh, type Task } from "@x/taskrunner";

const [directory = ".", rates = "2.9,3.2,3.5,3.8"] = process.argv.slice(2);
const cwd = resolve(directory);
const model = resolve("examples/sweep/model.awk");
const STARTS = [0.1, 0.5, 0.9];

const points = rates.split(",").flatMap((rate) => STARTS.map((start) => ({ name: `${rate}_${start}`, rate, start })));
const simulations = points.map(({ name, rate, start }): Task => {
  const [scratch, result] = [`scratch/${name}`, `points/${name}.csv`];
  return {
    id: `simulate ${name}`,
    cmd: sh`mkdir -p scratch points && awk -v r=${rate} -v x=${start} -f ${model} >${scratch} && ` +
      sh`tail -n 1 ${scratch} >${result}`,
    cwd,
    uses: { license: 1 },
  };
});

const table: Task = {
  id: "table",
  after: simulations.map(({ id }) => id!),
  cmd: sh`cat ${points.map(({ name }) => `points/${name}.csv`)} >table.csv`,
  cwd,
};

const cleanup: Task = {
  // A new id in each run: with --resume, a task with a result from an earlier run would not run again.
  id: `cleanup ${new Date().toISOString()}`,
  after: table.id!,
  runIf: "done",
  cmd: "rm -rf scratch",
  cwd,
};

for (const task of [...simulations, table, cleanup]) console.log(JSON.stringify(task));
