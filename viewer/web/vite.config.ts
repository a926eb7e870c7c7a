import { readFileSync } from "node:fs";
import { brotliCompressSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Writes licences.txt: the licence of everything that ends up in viewer.js. */
function licences(): Plugin {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8").trim();
  const parts: [string, string][] = [
    ["splatreel (the page itself): Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"],
    ["three.js", read("node_modules/three/LICENSE")],
    ["Spark (@sparkjsdev/spark), which contains fflate (below) and its own WebAssembly module", read("node_modules/@sparkjsdev/spark/LICENSE")],
    ["fflate", read("node_modules/fflate/LICENSE")],
  ];
  return {
    name: "licences",
    generateBundle() {
      const source = parts.map(([name, text]) => `${name}\n${"=".repeat(name.length)}\n\n${text}\n`).join("\n\n");
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}

/** Writes viewer.js.br beside viewer.js: the server gives it out as it is instead of compressing 3 MB for each page. */
function brotli(): Plugin {
  return {
    name: "brotli",
    enforce: "post",
    generateBundle(_, bundle) {
      const script = bundle["viewer.js"];
      if (script?.type !== "chunk") throw new Error("viewer.js is missing");
      this.emitFile({ type: "asset", fileName: "viewer.js.br", source: brotliCompressSync(script.code) });
    },
  };
}

export default defineConfig({
  base: "./", // relative paths: the page also works below a sub-path
  plugins: [licences(), brotli()],
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      output: {
        // Fixed names: the server answers 304 by ETag, and the export finds its parts.
        codeSplitting: false,
        entryFileNames: "viewer.js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "viewer.css" : "[name][extname]"),
      },
    },
  },
});
