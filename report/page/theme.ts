/** The colors of the style sheet that depend on whether the page is light or dark. */
export interface Theme {
  text: string;
  faint: string;
  line: string;
  surface: string;
  accent: string;
}

/** Returns the current colors. */
export function currentTheme(): Theme {
  // A canvas knows no variables, and a variable does not tell which of its two colors applies.
  const probe = document.body.appendChild(document.createElement("span"));
  const color = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const theme = {
    text: color("text"),
    faint: color("faint"),
    line: color("line"),
    surface: color("surface"),
    accent: color("accent"),
  };
  probe.remove();
  return theme;
}

/** Calls back when the colors change: by the system, by the button, or because the page is printed. */
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
  matchMedia("print").addEventListener("change", callback);
  label();
  button.hidden = false;
}
