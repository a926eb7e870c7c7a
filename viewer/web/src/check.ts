/** Checks a splat file before it goes to the renderer, so that a bad one gives a sentence. */
import { readPlyHeader } from "./ply";
import { Problem } from "./types";

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
  const header = readPlyHeader(bytes);
  if (!header) throw new Problem(`${name} is no PLY file: it has no header.`, AGAIN);
  const vertices = header.elements.find((element) => element.name === "vertex")?.count;
  const expected = header.elements.reduce((sum, { count, stride }) => sum + count * stride, header.end);
  if (vertices === undefined) throw new Problem(`${name} has no vertices in its header.`, "Expected a 3DGS splat file.");
  if (vertices === 0) throw new Problem(`${name} holds no Gaussians.`, "Train the scene, or choose another file.");
  if (!/property \w+ (opacity|packed_position)\b/.test(header.text)) {
    throw new Problem(`${name} is a plain point cloud or mesh, not a Gaussian splat file.`, "Expected properties such as f_dc_0, opacity and scale_0.");
  }
  if (!header.ascii && bytes.length < expected) {
    throw new Problem(`${name} is cut short: ${number(bytes.length)} of ${number(expected)} bytes are there.`, AGAIN);
  }
}

function number(value: number): string {
  return value.toLocaleString("en");
}
