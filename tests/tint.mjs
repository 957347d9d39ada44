// Compiles shaders with Tint, through Dawn for Node. The folder that `webgpu` is installed in is the argument. Shaders
// come on stdin as JSON, a list of {name, source, constants, bindings}; what Tint says of each goes to stdout, null
// where it has nothing against it.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(resolve(process.argv[2]), "any.js"));
const { create, globals } = await import(pathToFileURL(require.resolve("webgpu")));
const { GPUShaderStage } = globals;

// The default limits of WebGPU, and no feature.
async function open() {
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error("Dawn accepts no driver of this machine");
  return [gpu, await adapter.requestDevice()];
}

async function compile(device, { name, source, constants, bindings }) {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: source });
  const { messages } = await module.getCompilationInfo();
  const visibility = GPUShaderStage.COMPUTE;
  const entries = bindings.map((type, i) => ({ binding: i, visibility, buffer: { type, hasDynamicOffset: i === 0 } }));
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
  let failed;
  try {
    await device.createComputePipelineAsync({ layout, compute: { module, entryPoint: name, constants } });
  } catch (error) {
    failed = error.message;
  }
  const invalid = await device.popErrorScope();
  const said = messages.map(({ type, lineNum, message }) => `${type} in line ${lineNum}: ${message}`);
  if (said.length > 0) return said.join("\n");
  return invalid?.message ?? failed ?? null;
}

const [gpu, device] = await open();
const answers = [];
for (const shader of JSON.parse(readFileSync(0, "utf8"))) answers.push(await compile(device, shader));
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
// Kept alive until here: Dawn's objects do not keep it.
void gpu;
