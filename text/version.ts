/** The package version. A test keeps it equal to those in `deno.json` and `package.json`. */
export const VERSION = "0.1.0";
