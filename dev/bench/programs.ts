/** The programs that the benchmarks compile and call. @module */

import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The directory of the benchmarks. */
export const BENCH: string = fileURLToPath(new URL(".", import.meta.url));

/** Compiled programs, by path. */
export interface Programs {
  /** Runs a program and measures it. */
  measure: string;
  /** Runs commands as cheaply as possible. */
  spawn: string;
  /** Measures the cost of a fork. */
  staticFork: string;
}

/** Builds the npm package, with the optional dependencies of the project, and returns its directory. */
export function buildPackage(directory: string): string {
  const target = join(directory, "package");
  execFileSync("node", [join(BENCH, "../release/npm_package.ts"), target], { stdio: ["ignore", "ignore", "inherit"] });
  symlinkSync(join(BENCH, "../../node_modules"), join(directory, "node_modules"));
  return target;
}

/** Compiles the programs in C into a directory. Throws without a compiler. */
export function compilePrograms(directory: string): Programs {
  const compile = (name: string, source: string, flags: readonly string[] = []) => {
    const program = join(directory, name);
    try {
      execFileSync("cc", ["-O2", ...flags, "-o", program, join(BENCH, source)], {
        stdio: ["ignore", "ignore", "pipe"],
      });
    } catch (error) {
      throw new Error(`Cannot compile ${source}: apt-get install gcc libc6-dev`, { cause: error });
    }
    return program;
  };
  return {
    measure: compile("measure", "measure.c"),
    spawn: compile("spawn", "peers/spawn.c"),
    staticFork: compile("static_fork", "../reliability/static_fork.c", ["-static"]),
  };
}

/** Returns whether a program is in `PATH`. Deno, which stands in for a missing Node, does not count as `node`. */
export function hasCommand(program: string): boolean {
  try {
    const path = execFileSync("sh", ["-c", `command -v ${program}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return !path.includes("/node_compat_bin/");
  } catch {
    return false;
  }
}
