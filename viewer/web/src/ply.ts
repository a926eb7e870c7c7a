/** The header of a PLY file. */

/** Bytes of a number. */
const SIZES: Record<string, number> = {
  char: 1, uchar: 1, int8: 1, uint8: 1, short: 2, ushort: 2, int16: 2, uint16: 2,
  int: 4, uint: 4, int32: 4, uint32: 4, float: 4, float32: 4, double: 8, float64: 8,
};

export interface PlyElement {
  name: string;
  count: number;
  /** Bytes from the start of a row, by property. */
  offsets: Map<string, number>;
  /** Bytes of a row. */
  stride: number;
}

export interface PlyHeader {
  text: string;
  ascii: boolean;
  elements: PlyElement[];
  /** Bytes before the first row. */
  end: number;
}

/** Null: there is no such header. */
export function readPlyHeader(bytes: Uint8Array): PlyHeader | null {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 65536));
  const mark = start.indexOf("end_header");
  const end = mark < 0 ? -1 : start.indexOf("\n", mark);
  if (!start.startsWith("ply") || end < 0) return null;
  const header: PlyHeader = { text: start.slice(0, end), ascii: false, elements: [], end: end + 1 };
  for (const line of header.text.split("\n")) {
    const [word, first = "", second = ""] = line.trim().split(/\s+/);
    const last = header.elements.at(-1);
    if (word === "format") header.ascii = first === "ascii";
    if (word === "element") header.elements.push({ name: first, count: Number(second), offsets: new Map(), stride: 0 });
    if (word === "property" && last) {
      last.offsets.set(second, last.stride);
      last.stride += SIZES[first] ?? 0;
    }
  }
  return header;
}
