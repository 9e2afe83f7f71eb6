import { constants } from "node:os";

const numbers = constants.signals as Readonly<Record<string, number>>;
/** Second names of signals, which no runtime uses for a process that one has ended. */
const ALIASES: ReadonlySet<string> = new Set(["SIGCLD", "SIGIOT", "SIGPOLL", "SIGUNUSED"]);
const names = new Map(
  Object.entries(numbers).filter(([name]) => !ALIASES.has(name)).map(([name, number]) => [number, name]),
);

/** The exit status that a shell gives for a signal, such as 137 for `SIGKILL`; `null` for a name that it does not have. */
export function statusOfSignal(name: string): number | null {
  const number = numbers[name] ?? Number(name.slice("SIG".length)); // those without a name are SIG34 and so on
  return Number.isInteger(number) ? 128 + number : null;
}

/** The signal that stands behind an exit status above 128. */
export function signalOfStatus(status: number): string {
  return names.get(status - 128) ?? `SIG${status - 128}`;
}
