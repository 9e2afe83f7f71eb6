/** The colors of the current theme, light or dark. */
export interface Theme {
  text: string;
  faint: string;
  line: string;
  surface: string;
  accent: string;
}

/** Returns the current colors. */
export function currentTheme(): Theme {
  // A canvas cannot use CSS variables, and the value of a `light-dark()` variable does not tell which color applies.
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

/** Registers a callback for changes of the colors, by the system, the button or printing, and sets up the button. */
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
