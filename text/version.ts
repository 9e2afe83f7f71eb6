/** The package version. A test keeps it equal to those in `deno.json` and `package.json`. */
export const VERSION = "0.1.0";

/** The day of the version in the changelog, which is the date of the manual page. */
export const VERSION_DATE = "2026-11-29";
