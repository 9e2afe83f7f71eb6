/** What the process that runs tests is told, and what it says. @module */

/** A line of its standard input. Or {@linkcode GIVE_UP}. */
export interface Order {
  /** The mutant to switch on. */
  mutant: string | undefined;
  /** The tests to run, in this order; without it all. */
  tests?: string[];
  /** Tests with this in their names are left out. */
  without?: string | undefined;
}

/** The line that makes the test that runs fail. */
export const GIVE_UP = "give up";

/** What a line of its standard output with an {@linkcode TestEvent} begins with. */
export const EVENT = "@test-event ";

/** Something that happened to a test, or to the process. */
export type TestEvent =
  /** `covered`: the mutants met while the modules were loaded. */
  | { type: "loaded"; covered: string[] }
  | { type: "begun"; id: string }
  /** `covered`: the mutants met while it ran. */
  | { type: "passed"; id: string; file: string; covered: string[] }
  /** `isStray`: by an error that nobody caught, which may also be that of an earlier test. */
  | { type: "failed"; id: string; message: string; isStray: boolean }
  /** All tests of the order have passed. */
  | { type: "done" };
