import { excerpt } from "../../text/excerpt.ts";
import { formatCount } from "../../text/format.ts";
import type { Drawing } from "../../report/drawing/drawing.ts";
import { oneOf, text } from "../args/units.ts";
import { UsageError } from "../args/usage_error.ts";
import { defineCommand } from "../command.ts";
import type { Io } from "../io.ts";

/** Number of characters to write at once. */
const CHUNK_CHARACTERS = 256 * 1024;
/** Number of tasks from which drawing takes minutes. */
const MANY_TASKS = 10_000;
/** Number of ids that a message names. */
const MAX_NAMED = 3;

/** `taskrunner graph`: draws tasks and their prerequisites. */
export const graph = defineCommand({
  name: "graph",
  usage: "TASKS.jsonl|- [RESULTS.jsonl|-] [FLAGS]",
  summary: "Draw tasks and their prerequisites",
  examples: [
    { command: "taskrunner graph tasks.jsonl -o tasks.dot", text: "Write the graph in the language of Graphviz" },
    {
      command: "taskrunner graph tasks.jsonl results.jsonl | dot -Tsvg > tasks.svg",
      text: "Draw the graph with the outcomes of a run and its critical path",
    },
    {
      command: "taskrunner graph tasks.jsonl --format mermaid",
      text: "Print the graph for a Markdown page with Mermaid",
    },
  ],
  operandCompletes: "file",
  flags: {
    "Flags": {
      // The formats of a run are others, and may be a default.
      format: {
        unit: oneOf({ dot: true, mermaid: true }),
        help: "format of the graph",
        default: "dot",
        isCommandLineOnly: true,
      },
      output: { short: "o", unit: text("FILE", "file"), help: "write the graph to FILE", default: "standard output" },
    },
  },
  endsAtSignal: true,
  async run({ flags, operands }, io) {
    const [tasks, results] = pathsOf(operands);
    const [{ Drawing }, { GeneratedFile }, dot, mermaid] = await Promise.all([
      import("../../report/drawing/drawing.ts"),
      import("../generated_file.ts"),
      import("../../report/drawing/dot.ts"),
      import("../../report/drawing/mermaid.ts"),
    ]);
    const drawing = new Drawing(results === undefined ? undefined : await readResultGraph(results, io));
    await addTasks(drawing, tasks, io);
    const isMermaid = flags.format === "mermaid";
    const [begin, lines] = isMermaid
      ? [mermaid.MERMAID_BEGIN, mermaid.mermaidLines(drawing)]
      : [dot.DOT_BEGIN, dot.dotLines(drawing)];
    let characters = 0;
    await GeneratedFile.with(flags.output, { name: `a graph in this format`, begin }, io, async (file) => {
      let chunk = "";
      for (const line of lines) {
        chunk += line;
        characters += line.length;
        if (chunk.length < CHUNK_CHARACTERS) continue;
        await file.write(chunk);
        chunk = "";
      }
      await file.write(chunk);
    });
    const { edges, characters: maxCharacters } = mermaid.MERMAID_LIMITS;
    if (isMermaid && (drawing.edgeCount > edges || characters > maxCharacters)) {
      await io.stderr(
        `taskrunner: Mermaid does not draw this graph of ${formatCount(drawing.edgeCount)} edges and ` +
          `${formatCount(characters)} characters by default; raise its maxEdges and maxTextSize, or use --format dot`,
      );
    } else if (drawing.size > MANY_TASKS) {
      await io.stderr(
        `taskrunner: the graph has ${formatCount(drawing.size)} tasks, for which dot takes minutes; ` +
          "draw it with sfdp, or select tasks first, as with grep",
      );
    }
    return 0;
  },
});

/** Returns the paths of the tasks and of the results; `-` is standard input. */
function pathsOf(operands: readonly string[]): [tasks: string, results: string | undefined] {
  const [tasks, results, ...more] = operands;
  if (tasks === undefined) throw new UsageError("Missing TASKS.jsonl: the task file to draw");
  if (more.length > 0) {
    throw new UsageError(`Expected a task file and a results file, got ${operands.map(excerpt).join(" and ")}`);
  }
  if (tasks === "-" && results === "-") {
    throw new UsageError("Cannot read both tasks and results from standard input: give the path of one");
  }
  return [tasks, results];
}

async function readResultGraph(path: string, io: Io) {
  const [{ readResultsFrom, noResults }, { ResultGraph }] = await Promise.all([
    import("../results_input.ts"),
    import("../../report/workflow/result_graph.ts"),
  ]);
  const graph = new ResultGraph();
  await readResultsFrom(path, io, (facts) => graph.add(facts));
  if (graph.size === 0) throw noResults(path);
  return graph;
}

/** Adds the tasks of a file. Of tasks with the same id, draws the first, with a message. */
async function addTasks(drawing: Drawing, path: string, io: Io): Promise<void> {
  const { TaskFile } = await import("../task_file.ts");
  const input = await TaskFile.open(path, io);
  const repeated = new Set<string>();
  for await (const task of input.tasks({ onInvalid: "abort", report: io.stderr, recorded: undefined })) {
    if (!drawing.add(task)) repeated.add(String(task.id));
  }
  if (drawing.size === 0) {
    throw new Error(`Cannot draw ${path === "-" ? "standard input" : excerpt(path)}: there are no tasks`);
  }
  if (repeated.size === 0) return;
  const names = [...repeated].slice(0, MAX_NAMED).map(excerpt).join(", ");
  const more = repeated.size > MAX_NAMED ? ` and ${formatCount(repeated.size - MAX_NAMED)} more` : "";
  await io.stderr(`taskrunner: of tasks with the same id, the graph shows the first only: ${names}${more}`);
}
