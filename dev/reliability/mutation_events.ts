/** The protocol between the mutation runner and the process that runs tests. @module */

/** A line on the standard input of the process, besides {@linkcode GIVE_UP}. */
export interface Order {
  /** The mutant to activate. */
  mutant: string | undefined;
  /** The tests to run, in this order; default: all. */
  tests?: string[];
  /** Skips tests whose names contain this. */
  without?: string | undefined;
}

/** The line that makes the current test fail. */
export const GIVE_UP = "give up";

/** Prefix of lines on standard output that contain a {@linkcode TestEvent}. */
export const EVENT = "@test-event ";

/** An event of a test or of the process. */
export type TestEvent =
  /** `covered`: the mutants executed while loading the modules. */
  | { type: "loaded"; covered: string[] }
  | { type: "begun"; id: string }
  /** `covered`: the mutants executed during the test. */
  | { type: "passed"; id: string; file: string; covered: string[] }
  /** `isStray`: failed by an uncaught error, which may come from an earlier test. */
  | { type: "failed"; id: string; message: string; isStray: boolean }
  /** All ordered tests have passed. */
  | { type: "done" };
