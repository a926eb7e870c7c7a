/** Checks a splat file before it goes to the renderer, so that a bad one gives a sentence. */
import { Problem } from "./types";

const SIZES: Record<string, number> = {
  char: 1, uchar: 1, int8: 1, uint8: 1, short: 2, ushort: 2, int16: 2, uint16: 2,
  int: 4, uint: 4, int32: 4, uint32: 4, float: 4, float32: 4, double: 8, float64: 8,
};
const AGAIN = "Copy or export the file again; if it is being written right now, try again in a moment.";

export function checkSplatFile(bytes: Uint8Array, format: string, name: string): void {
  if (bytes.length === 0) throw new Problem(`${name} is empty.`, AGAIN);
  if (format === "ply") checkPly(bytes, name);
  if (format === "splat" && bytes.length % 32 !== 0) {
    throw new Problem(`${name} is cut short: ${number(bytes.length)} bytes are no whole number of 32-byte splats.`, AGAIN);
  }
  if (format === "spz" && !(bytes[0] === 0x1f && bytes[1] === 0x8b)) {
    const v4 = new TextDecoder().decode(bytes.subarray(0, 4)) === "NGSP";
    const found = v4 ? "is an SPZ of version 4, which this page cannot read yet" : "does not look like an SPZ file";
    throw new Problem(`${name} ${found}.`, "Export it as SPZ version 2 or 3, or as PLY.");
  }
}

function checkPly(bytes: Uint8Array, name: string): void {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 65536));
  const mark = text.indexOf("end_header");
  const end = mark < 0 ? -1 : text.indexOf("\n", mark);
  if (!text.startsWith("ply") || end < 0) throw new Problem(`${name} is no PLY file: it has no header.`, AGAIN);
  let expected = end + 1;
  let count = 0;
  let vertices = -1;
  let ascii = false;
  for (const line of text.slice(0, end).split("\n")) {
    const words = line.trim().split(/\s+/);
    if (words[0] === "format") ascii = words[1] === "ascii";
    if (words[0] === "element") {
      count = Number(words[2]);
      if (words[1] === "vertex") vertices = count;
    }
    if (words[0] === "property") expected += count * (SIZES[words[1] ?? ""] ?? 0);
  }
  if (vertices < 0) throw new Problem(`${name} has no vertices in its header.`, "Expected a 3DGS splat file.");
  if (vertices === 0) throw new Problem(`${name} holds no Gaussians.`, "Train the scene, or choose another file.");
  if (!/property \w+ (opacity|packed_position)\b/.test(text)) {
    throw new Problem(`${name} is a plain point cloud or mesh, not a Gaussian splat file.`, "Expected properties such as f_dc_0, opacity and scale_0.");
  }
  if (!ascii && bytes.length < expected) {
    throw new Problem(`${name} is cut short: ${number(bytes.length)} of ${number(expected)} bytes are there.`, AGAIN);
  }
}

function number(value: number): string {
  return value.toLocaleString("en");
}
