import type { Flags, FlagValues } from "../args/flag.ts";
import { RESOURCE_USE } from "../args/resources.ts";
import { countFrom, countOr, INTEGER, SIZE, text } from "../args/units.ts";
import { DELIMITER, ESCAPED_TEXT } from "./escapes.ts";

/** The flags for values. */
export const VALUE_FLAGS = {
  "arg-file": {
    short: "a",
    unit: text("FILE", "file"),
    repeats: true,
    help: "read values from FILE, one per line; - for standard input",
    default: "standard input, without :::",
  },
  "null": { short: "0", help: "end values with a NUL, as find -print0 does", default: "newline" },
  "delimiter": {
    short: "d",
    unit: DELIMITER,
    help: "end values with another byte, such as , or \\t",
    default: "newline",
  },
  "colsep": { short: "C", unit: text("REGEX"), help: "split values into columns {1} {2} … where REGEX matches" },
  "csv": { help: "split values into columns at commas, with quotes as in RFC 4180" },
  "header": { help: "take the first value of each source as the names of its columns, as in {name}" },
  "link": { help: "link all sources, as with :::+, and repeat the values of shorter sources" },
  "replace": { short: "I", unit: text("REPL"), help: "use REPL as the only placeholder, instead of {} and its forms" },
  "max-args": {
    short: "n",
    aliases: ["-N", "--max-replace-args"],
    unit: countOr("max", 1),
    help: "give each command N values, or with max as many as fit into 128 KiB",
    default: "1",
  },
  "shuf": { help: "run the tasks in random order" },
  "seed": {
    unit: countFrom(0),
    help: "seed of the random order; the same seed gives the same order",
    default: "random",
  },
} as const satisfies Flags;

/** The flags for blocks of standard input. */
export const PIPE_FLAGS = {
  "pipe": { help: "cut standard input into blocks of records, each the standard input of a task" },
  "block": { unit: SIZE, help: "size of a block", default: "1M" },
  "recend": { unit: ESCAPED_TEXT, help: "text at the end of each record", default: "newline" },
  "recstart": { unit: ESCAPED_TEXT, help: "text at the start of each record" },
} as const satisfies Flags;

/** The flags for fields that all tasks of `each` have. */
export const TASK_FLAGS = {
  "uses": { unit: RESOURCE_USE, repeats: true, help: "units of a resource that each task uses, such as gpu=1" },
  "slots": { unit: countFrom(1), help: "number of slots that each task takes", default: "1" },
  "priority": { unit: INTEGER, help: "priority of each task, also below 0", default: "0" },
} as const satisfies Flags;

/** The values of the flags of `each` for its input. */
export type InputFlags = FlagValues<typeof VALUE_FLAGS & typeof PIPE_FLAGS & typeof TASK_FLAGS>;
