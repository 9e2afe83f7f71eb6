/** Formats numbers for people. @module */

/** Formats a count as `1,234`, in every locale, so that scripts can parse the output. */
export function formatCount(count: number): string {
  // Without `Intl`, whose data takes up to 20 ms to load.
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Formats a count with its noun, as `1 task` or `1,234 tasks`. */
export function pluralize(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Formats a rate as `1.2` or `7,210`. */
export function formatRate(perSecond: number): string {
  return perSecond >= 10 ? formatCount(Math.round(perSecond)) : perSecond.toPrecision(2);
}

/** Formats a duration as `1.2 ms`, `12 ms`, `1.5 s`, `2m05s` or `3h04m`. */
export function formatDuration(ms: number): string {
  if (ms < 9.95) return `${+ms.toPrecision(2)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [big, small, units] = seconds < 3600
    ? [Math.floor(seconds / 60), seconds % 60, "ms"]
    : [Math.floor(seconds / 3600), Math.floor(seconds % 3600 / 60), "hm"];
  return `${big}${units[0]}${String(small).padStart(2, "0")}${units[1]}`;
}

/** Formats a share from 0 to 1 as `99.4 %` or `0.53 %`; only exactly 1 and 0 give `100 %` and `0 %`. */
export function formatPercentage(share: number): string {
  const percent = share * 100;
  if (share > 0.999 && share < 1) return "> 99.9 %";
  if (share > 0 && percent < 0.01) return "< 0.01 %";
  return `${percent >= 10 ? +percent.toFixed(1) : +percent.toPrecision(2)} %`;
}
