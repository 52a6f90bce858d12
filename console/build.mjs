// Bundles the console and writes it as one C file (src/control/front/assets.h says its form), each file plain,
// as gzip and as brotli:
//
//   node build.mjs console_assets.c console_assets.d
//
// What the browser loads is named by no hash: the server answers with strong ETags instead.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const [output, depfile] = process.argv.slice(2);
const STATIC = { "index.html": "text/html; charset=UTF-8", "icon.svg": "image/svg+xml" };
const BUNDLED = { js: "text/javascript; charset=UTF-8", css: "text/css; charset=UTF-8" };

const bundle = await build({
  absWorkingDir: here,
  entryPoints: { app: "main.tsx" },
  bundle: true,
  write: false,
  metafile: true,
  minify: true,
  format: "esm",
  target: ["chrome111", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: ".",
  legalComments: "none",
  logLevel: "warning",
});

const files = [
  ...Object.entries(STATIC).map(([name, type]) => ({ name, type, plain: readFileSync(join(here, name)) })),
  ...bundle.outputFiles.map((file) => {
    const name = file.path.slice(file.path.lastIndexOf("/") + 1);
    return { name, type: BUNDLED[name.slice(name.lastIndexOf(".") + 1)], plain: Buffer.from(file.contents) };
  }),
].sort((a, b) => (a.name < b.name ? -1 : 1));

const parts = [];
function bytes(name, data) {
  parts.push(`static const unsigned char ${name}[] = {${[...data].join(",")}};`);
  return `{${name}, sizeof(${name})}`;
}

const rows = files.map((file, at) => {
  const gzip = gzipSync(file.plain, { level: 9 });
  const brotli = brotliCompressSync(file.plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  const etag = createHash("sha256").update(file.plain).digest("hex").slice(0, 32);
  return `    {"${file.name}", "${file.type}", "\\"${etag}\\"", ${bytes(`plain_${at}`, file.plain)}, ${bytes(`gzip_${at}`, gzip)}, ${bytes(`brotli_${at}`, brotli)}},`;
});

writeFileSync(
  output,
  `/* Made by console/build.mjs. */
#include "control/front/assets.h"

${parts.join("\n")}

const struct console_asset console_assets[] = {
${rows.join("\n")}
    {0},
};
`,
);
if (depfile !== undefined) {
  const inputs = [...Object.keys(bundle.metafile.inputs), ...Object.keys(STATIC), "build.mjs"];
  writeFileSync(depfile, `${output}: ${inputs.map((name) => join(here, name)).join(" ")}\n`);
}
