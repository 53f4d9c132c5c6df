// Runs a test binary built for the module's own target, wasm32-wasip1, under Node. There is no proxy here: whatever asks
// for one fails.

import { readFile } from "node:fs/promises";
import { argv, cwd, env } from "node:process";
import { WASI } from "node:wasi";

const [program, ...args] = argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [program, ...args], env, preopens: { [cwd()]: cwd() } });
const module = await WebAssembly.compile(await readFile(program));
const imports = wasi.getImportObject();
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (from === "env" && kind === "function") {
    (imports[from] ??= {})[name] = () => {
      throw new Error(`${name} was called, and there is no proxy here`);
    };
  }
}
// The module is a library to a proxy, which starts it by `_initialize`; Node takes a program or a library, never both.
const { _initialize, ...exports } = (await WebAssembly.instantiate(module, imports)).exports;
wasi.start({ exports });
