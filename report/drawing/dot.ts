import { colorsOf } from "./colors.ts";
import type { Drawing, DrawnEdge, DrawnTask } from "./drawing.ts";

/** The beginning of every drawing in DOT. */
export const DOT_BEGIN = "digraph taskrunner {\n";

/** Yields the lines of a drawing in DOT, the language of Graphviz. */
export function* dotLines(drawing: Drawing): Generator<string, void> {
  yield DOT_BEGIN;
  yield "  rankdir=LR;\n";
  yield '  node [shape=box style="rounded,filled" color="#667281" fillcolor="#ffffff" fontname="sans-serif"];\n';
  yield '  edge [color="#667281" fontname="sans-serif" fontsize=10];\n';
  for (const task of drawing.tasks()) yield `  ${task.node} [${attributesOf(task)}];\n`;
  for (const edge of drawing.edges()) yield `  ${edge.from} -> ${edge.to}${edgeAttributes(edge)};\n`;
  yield "}\n";
}

function attributesOf({ lines, outcome, isMissing, isCritical }: DrawnTask): string {
  const colors = outcome && colorsOf(outcome);
  return [
    `label="${lines.map(escaped).join("\\n")}"`,
    colors && `color="${colors.border}" fillcolor="${colors.background}"`,
    isMissing && 'style="rounded,filled,dashed"',
    isCritical && "penwidth=3",
  ].filter(Boolean).join(" ");
}

function edgeAttributes({ runIf, isCritical }: DrawnEdge): string {
  const attributes = [runIf && `style=dashed label="${runIf}"`, isCritical && 'penwidth=3 color="#1b2430"'].filter(
    Boolean,
  );
  return attributes.length === 0 ? "" : ` [${attributes.join(" ")}]`;
}

/** Escapes text for a label, in which Graphviz replaces backslash sequences and HTML entities. */
function escaped(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("&", "&amp;");
}
