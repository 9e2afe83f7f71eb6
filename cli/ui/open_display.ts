import type { Io } from "../io.ts";
import type { Display } from "./display.ts";

/** Interval between progress lines where standard error is not a terminal. */
const LINE_INTERVAL_MS = 10_000;

/**
 * Opens the display of a run: a bar where standard error is a terminal, and lines elsewhere if `--progress` asks for them.
 *
 * @param wanted the value of `--progress`; by default progress is shown on a terminal only.
 */
export async function openDisplay(wanted: boolean | undefined, io: Io): Promise<Display> {
  const showsProgress = wanted ?? io.stderrIsTerminal;
  if (showsProgress && io.stderrIsTerminal) return new (await import("./terminal_display.ts")).TerminalDisplay(io);
  const { PlainDisplay } = await import("./plain_display.ts");
  return new PlainDisplay(io, showsProgress ? LINE_INTERVAL_MS : undefined);
}
