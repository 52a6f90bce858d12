// Writes api/model.ts: Google's resources as TypeScript, from the table of fields that the program itself reads
// (src/grpc/schema.txt). `node types.mjs --check` says whether the file is what the table makes.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const OUTPUT = join(here, "api/model.ts");
const ROOTS = ["google.cloud.run.v2.Service", "google.cloud.run.v2.Revision", "google.iam.v1.Policy", "google.longrunning.Operation"];

/* As JSON writes them (ProtoJSON). */
const PLAIN = {
  string: "string",
  bytes: "string",
  bool: "boolean",
  int32: "number",
  int64: "string",
  double: "number",
  "google.protobuf.Timestamp": "string",
  "google.protobuf.Duration": "string",
  "google.protobuf.FieldMask": "string",
  "google.protobuf.Struct": "Record<string, unknown>",
  "google.protobuf.Value": "unknown",
  "google.protobuf.ListValue": "unknown[]",
  "google.protobuf.Any": '{ "@type": string; [more: string]: unknown }',
};

function readSchema() {
  const messages = new Map();
  const enums = new Map();
  let rows = null;
  for (const line of readFileSync(join(here, "../src/grpc/schema.txt"), "utf8").split("\n")) {
    const [word, name] = line.split(" ");
    if (word === "message" || word === "enum") {
      rows = [];
      (word === "message" ? messages : enums).set(name, rows);
    } else if (line.startsWith("  ") && rows !== null) {
      rows.push(line.trim().split(" "));
    } else {
      rows = null;
    }
  }
  return { messages, enums };
}

/** "google.cloud.run.v2.Condition.State" is ConditionState here. */
const nameOf = (full) => full.replace(/^google\.(\w+\.)*?(v\d+\w*\.|longrunning\.|rpc\.|type\.)/, "").replaceAll(".", "");

function make() {
  const { messages, enums } = readSchema();
  const wanted = [...ROOTS];
  const parts = new Map();

  function typeOf(kind) {
    if (kind.startsWith("map:")) {
      return `Record<string, ${typeOf(kind.slice(kind.indexOf(":", 4) + 1))}>`;
    }
    const full = kind.replace(/^enum:/, "");
    if (PLAIN[full] === undefined && !messages.has(full) && !enums.has(full)) {
      throw new Error(`schema.txt has no ${full}`);
    }
    if (PLAIN[full] === undefined) {
      wanted.push(full);
    }
    return PLAIN[full] ?? nameOf(full);
  }

  for (let full = wanted.shift(); full !== undefined; full = wanted.shift()) {
    const name = nameOf(full);
    if (parts.has(name)) {
      continue;
    }
    parts.set(name, "");
    if (enums.has(full)) {
      parts.set(name, `export type ${name} =\n${enums.get(full).map(([, value]) => `  | "${value}"`).join("\n")};`);
      continue;
    }
    const fields = messages.get(full).map(([, field, kind, ...more]) => {
      const type = typeOf(kind);
      return `  ${field}?: ${more.includes("repeated") ? (/[ {]/.test(type) ? `(${type})[]` : `${type}[]`) : type};`;
    });
    parts.set(name, `export interface ${name} {\n${fields.join("\n")}\n}`);
  }
  const sorted = [...parts].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
  return `// Made by types.mjs from src/grpc/schema.txt: \`npm run types --prefix console\` makes it anew.\n\n${sorted.join("\n\n")}\n`;
}

if (process.argv.includes("--check")) {
  if (readFileSync(OUTPUT, "utf8") !== make()) {
    console.error("console/api/model.ts is not what src/grpc/schema.txt makes: type `npm run types --prefix console`.");
    process.exit(1);
  }
} else {
  writeFileSync(OUTPUT, make());
}
