/** Figures as people read them. @module */

/** `1,234` in every language: what is read by people can be read by programs. */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** `1 task`, `1,234 tasks`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** `12.3`, `7,210`: as many digits as mean something. */
export function rate(perSecond: number): string {
  return perSecond >= 10 ? grouped(Math.round(perSecond)) : perSecond.toPrecision(2);
}

/** `1.2 ms`, `12 ms`, `1.5 s`, `2m05s`, `3h04m`. */
export function duration(ms: number): string {
  if (ms < 9.95) return `${+ms.toPrecision(2)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [big, small, units] = seconds < 3600
    ? [Math.floor(seconds / 60), seconds % 60, "ms"]
    : [Math.floor(seconds / 3600), Math.floor(seconds % 3600 / 60), "hm"];
  return `${big}${units[0]}${String(small).padStart(2, "0")}${units[1]}`;
}

/** `99.4 %`, `0.53 %`: two digits at least, and never 100 or 0 of what is not. */
export function percentage(share: number): string {
  const percent = share * 100;
  if (share > 0.999 && share < 1) return "> 99.9 %";
  if (share > 0 && percent < 0.01) return "< 0.01 %";
  return `${percent >= 10 ? +percent.toFixed(1) : +percent.toPrecision(2)} %`;
}
