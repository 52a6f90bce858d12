// Light or dark: as the system has it, or as the person chose.
import { effect, signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const stored = window.localStorage.getItem("theme");
export const theme = signal<Theme>(THEMES.find((one) => one === stored) ?? "system");

effect(() => {
  if (theme.value === "system") {
    delete document.documentElement.dataset.theme;
    window.localStorage.removeItem("theme");
  } else {
    document.documentElement.dataset.theme = theme.value;
    window.localStorage.setItem("theme", theme.value);
  }
});
