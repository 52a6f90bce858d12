// A resource of the API as configuration for Terraform: objects are blocks, lists of objects several of them.
const MAPS = new Set(["labels", "annotations", "limits"]);

/** A text that HCL reads as nothing else: "${" and "%{" would begin a template. */
const text = (value: string) => JSON.stringify(value).replace(/[$%]\{/g, (sign) => sign[0] + sign);
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function scalar(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(scalar).join(", ")}]` : typeof value === "string" ? text(value) : String(value);
}

function block(value: object, indent: string): string {
  return Object.entries(value)
    .map(([name, one]) => {
      if (MAPS.has(name)) {
        const rows = Object.entries(one as object).map(([key, each]) => `${indent}  ${text(key)} = ${scalar(each)}\n`);
        return `${indent}${snake(name)} = {\n${rows.join("")}${indent}}\n`;
      }
      const children = Array.isArray(one) ? one : [one];
      if (children.length > 0 && children.every((each) => typeof each === "object" && each !== null)) {
        return children.map((each: object) => `${indent}${snake(name)} {\n${block(each, `${indent}  `)}${indent}}\n`).join("");
      }
      return `${indent}${snake(name)} = ${scalar(one)}\n`;
    })
    .join("");
}

export const toTerraform = (kind: string, name: string, value: object) =>
  `resource "${kind}" "${name}" {\n${block(value, "  ")}}`;
