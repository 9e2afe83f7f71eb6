import { constants } from "node:os";

const numbers = constants.signals as Readonly<Record<string, number>>;
/** Alternative names of signals. No runtime reports them for a killed process. */
const ALIASES: ReadonlySet<string> = new Set(["SIGCLD", "SIGIOT", "SIGPOLL", "SIGUNUSED"]);
const names = new Map(
  Object.entries(numbers).filter(([name]) => !ALIASES.has(name)).map(([name, number]) => [number, name]),
);

/**
 * Returns the exit status with which a shell reports a signal, such as 137 for `SIGKILL`; `null` for an unknown name.
 */
export function statusOfSignal(name: string): number | null {
  const number = numbers[name] ?? Number(name.slice("SIG".length)); // real-time signals are named SIG34 and up
  return Number.isInteger(number) ? 128 + number : null;
}

/** Returns the signal that a shell reports with an exit status above 128. */
export function signalOfStatus(status: number): string {
  return names.get(status - 128) ?? `SIG${status - 128}`;
}
