// Builds dist/ from src/: one minified bundle, one style sheet, the page and the licence texts. `npm run build`.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const at = (...parts) => join(here, ...parts);

mkdirSync(at("dist", "assets"), { recursive: true });
await build({
  entryPoints: [{ in: at("src", "main.js"), out: "stage" }, { in: at("src", "stage.css"), out: "stage" }],
  outdir: at("dist", "assets"), bundle: true, minify: true, format: "esm", target: ["es2022", "chrome105", "firefox121", "safari16"],
  legalComments: "none", logLevel: "warning",
});
copyFileSync(at("src", "index.html"), at("dist", "index.html"));

const licence = (name) => {
  const { version, license } = JSON.parse(readFileSync(at("node_modules", name, "package.json"), "utf8"));
  const text = readFileSync(at("node_modules", name, "LICENSE"), "utf8").trim();
  return `${name} ${version} (${license})\n\n${text}\n`;
};
writeFileSync(at("dist", "assets", "LICENSES.txt"), ["three", "@pixiv/three-vrm"].map(licence).join(`\n${"-".repeat(72)}\n\n`));

// What this was built from, so that a test without node can tell a stale build.
const byName = (a, b) => (basename(a) < basename(b) ? -1 : 1);
const sources = [...readdirSync(at("src")).map((name) => at("src", name)), at("build.mjs"), at("package-lock.json")].sort(byName);
const hash = createHash("sha256");
for (const path of sources) hash.update(readFileSync(path, "utf8").replaceAll("\r\n", "\n"));
writeFileSync(at("dist", "assets", "build.json"), `${JSON.stringify({ sources_sha256: hash.digest("hex") })}\n`);
