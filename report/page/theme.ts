import type { Outcome } from "../../result.ts";

/** The colour of each outcome; all of them can be told apart, on light and on dark. */
export const OUTCOME_COLOURS = {
  "ok": "#2f9e6e",
  "failed": "#dc4c4c",
  "killed": "#a35ad6",
  "timeout": "#e0922f",
  "canceled": "#8b95a1",
  "not-started": "#b56b45",
  "output-limit": "#3b8fd4",
} as const satisfies Record<Outcome, string>;

/** Colours that depend on whether it is light or dark, as the style sheet has them. */
export interface Theme {
  text: string;
  faint: string;
  line: string;
  surface: string;
  accent: string;
}

/** The colours of now. */
export function currentTheme(): Theme {
  // A canvas knows no variables, and a variable does not say which of its two colours it is now.
  const probe = document.body.appendChild(document.createElement("span"));
  const colour = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const theme = {
    text: colour("text"),
    faint: colour("faint"),
    line: colour("line"),
    surface: colour("surface"),
    accent: colour("accent"),
  };
  probe.remove();
  return theme;
}

/** Calls back when it becomes light or dark, by the system or by the button. */
export function onThemeChange(button: HTMLButtonElement, callback: () => void): void {
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => root.dataset["theme"] ? root.dataset["theme"] === "dark" : systemIsDark.matches;
  const label = () => button.textContent = isDark() ? "Light" : "Dark";
  systemIsDark.addEventListener("change", () => {
    label();
    callback();
  });
  button.addEventListener("click", () => {
    root.dataset["theme"] = isDark() ? "light" : "dark";
    label();
    callback();
  });
  label();
}
