// Light or dark: as the system has it, or as the person chose. The style knows only the outcome.
import { computed, effect, signal } from "@preact/signals";

export const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const stored = window.localStorage.getItem("theme");
export const theme = signal<Theme>(THEMES.find((one) => one === stored) ?? "system");

const system = window.matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(system.matches);
system.addEventListener("change", () => (systemIsDark.value = system.matches));

/** What it comes to. */
export const dark = computed(() => (theme.value === "system" ? systemIsDark.value : theme.value === "dark"));

effect(() => {
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
  if (theme.value === "system") {
    window.localStorage.removeItem("theme");
  } else {
    window.localStorage.setItem("theme", theme.value);
  }
});
