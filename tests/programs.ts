/** The programs that tests need and a machine may lack. */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/** Each program, with the package of Debian that has it. */
export const PACKAGES: Readonly<Record<string, string>> = {
  bash: "bash",
  busybox: "busybox",
  chromium: "chromium",
  faketime: "faketime",
  ip: "iproute2",
  jq: "jq",
  mksh: "mksh",
  "nats-server": "nats-server",
  openssl: "openssl",
  php: "php-cli",
  python3: "python3",
  "systemd-analyze": "systemd",
};

/** The file of a program, where it can be run by its name. */
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

/** Whether a program can be run by its name. */
export function hasProgram(name: string): boolean {
  return pathOf(name) !== undefined;
}
