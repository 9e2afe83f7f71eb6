/** Finds the optional programs that tests need. */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** The Debian package of each program. */
export const PACKAGES: Readonly<Record<string, string>> = {
  bash: "bash",
  busybox: "busybox",
  bzip2: "bzip2",
  cc: "gcc",
  chromium: "chromium",
  dot: "graphviz",
  faketime: "faketime",
  fish: "fish",
  ip: "iproute2",
  jq: "jq",
  man: "man-db",
  mandoc: "mandoc",
  mksh: "mksh",
  "nats-server": "nats-server",
  openssl: "openssl",
  parallel: "parallel",
  perl: "perl",
  php: "php-cli",
  python3: "python3",
  "systemd-analyze": "systemd",
  tini: "tini",
  tmux: "tmux",
  zsh: "zsh",
};

/** Looks up a program in `PATH`; returns its path. */
export function pathOf(name: string): string | undefined {
  const directories = (process.env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  return directories.map((directory) => join(directory, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Returns whether a program is in `PATH`. */
export function hasProgram(name: string): boolean {
  return pathOf(name) !== undefined;
}
