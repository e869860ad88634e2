// Prints the report of Khronos' validator on each file, one JSON line a file. node gltf_validate.mjs FILE ...
import { readFileSync } from "node:fs";
import validator from "gltf-validator";

for (const file of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(readFileSync(file)), { uri: file });
  console.log(JSON.stringify(report));
}
