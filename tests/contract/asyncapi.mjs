// Checks docs/asyncapi.json as clients' tools do: the parser of the AsyncAPI project finds nothing to say about it, and
// every type that Modelina makes of it has a name of ours.
//
//   node asyncapi.mjs FILE
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
import { TypeScriptGenerator } from "@asyncapi/modelina";

const text = readFileSync(process.argv[2], "utf8");
const complaints = [];

// severity 2 is information: that there is a newer version of the specification, for one
const { document, diagnostics } = await new Parser().parse(text);
for (const { severity, code, message, path } of diagnostics) {
  if (severity < 2) complaints.push(`parser: ${code} at ${path.join("/")}: ${message}`);
}

if (document) {
  const known = new Set(Object.keys(JSON.parse(text).components.schemas));
  const models = await new TypeScriptGenerator({ modelType: "interface" }).generate(document);
  if (models.length < known.size / 2) complaints.push(`Modelina made ${models.length} types only`);
  for (const { modelName, result } of models) {
    if (/anonymous/i.test(modelName + result)) complaints.push(`Modelina: no name of its own in ${modelName}: ${result}`);
  }
  console.log(`AsyncAPI ${document.version()}: ${models.length} types by Modelina`);
} else {
  complaints.push("parser: there is no document");
}

for (const complaint of complaints) console.error(complaint);
process.exit(complaints.length ? 1 : 0);
