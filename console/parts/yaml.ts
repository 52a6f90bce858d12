// JSON written as YAML for people to edit. Every string that could be read as something else is quoted.
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./-]*$/;
const WORDS = new Set(["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"]);

function scalar(value: unknown): string {
  if (typeof value !== "string") {
    return JSON.stringify(value ?? null);
  }
  return PLAIN.test(value) && !WORDS.has(value.toLowerCase()) ? value : JSON.stringify(value);
}

export function toYaml(value: unknown, indent = ""): string {
  if (Array.isArray(value)) {
    if (value.length === 0) {
      return `${indent}[]\n`;
    }
    return value
      .map((one) => {
        const inner = toYaml(one, `${indent}  `);
        return typeof one === "object" && one !== null ? `${indent}- ${inner.slice(indent.length + 2)}` : `${indent}- ${scalar(one)}\n`;
      })
      .join("");
  }
  if (typeof value === "object" && value !== null) {
    const rows = Object.entries(value);
    if (rows.length === 0) {
      return `${indent}{}\n`;
    }
    return rows
      .map(([key, one]) => {
        const head = `${indent}${scalar(key)}:`;
        if (typeof one !== "object" || one === null) {
          return `${head} ${scalar(one)}\n`;
        }
        if (Array.isArray(one) ? one.length === 0 : Object.keys(one).length === 0) {
          return `${head} ${Array.isArray(one) ? "[]" : "{}"}\n`;
        }
        return `${head}\n${toYaml(one, Array.isArray(one) ? indent : `${indent}  `)}`;
      })
      .join("");
  }
  return `${indent}${scalar(value)}\n`;
}
