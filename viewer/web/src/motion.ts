/**
 * Splats that move (docs/splat4d.md): bases evaluated here once for each picture, splats carried by them on the GPU
 * before they are sorted, so that the order is that of where they are.
 */
import { dyno } from "@sparkjsdev/spark";
import * as THREE from "three";
import { readPlyHeader } from "./ply";

type Modifier = dyno.DynoBlock<{ gsplat: typeof dyno.Gsplat }, { gsplat: typeof dyno.Gsplat }>;

const STILL = 255;
/** Texels per splat, and per row of their texture, which holds whole splats. */
const TEXELS = 3;
const ROW = 3 * 512;
const BASES = /comment splat4d bases (\d+) control (\d+) start (\S+) spacing (\S+)/;

/** The motions of a file: uniform cubic B-splines of control poses, wxyz and xyz. */
export class Bases {
  constructor(
    readonly count: number,
    readonly control: number,
    readonly start: number,
    readonly spacing: number,
    private readonly poses: Float32Array,
  ) {}

  /** Seconds from the first to the last moment. */
  get seconds(): number {
    return (this.control - 3) * this.spacing;
  }

  /** Poses [count x 7] at a time: unit quaternion wxyz, then translation. */
  at(time: number, into = new Float32Array(this.count * 7)): Float32Array {
    const x = Math.min(this.control - 3, Math.max(0, (time - this.start) / this.spacing));
    const first = Math.min(this.control - 4, Math.floor(x));
    const u = x - first;
    const weights = [(1 - u) ** 3, 3 * u ** 3 - 6 * u ** 2 + 4, -3 * u ** 3 + 3 * u ** 2 + 3 * u + 1, u ** 3];
    for (let k = 0; k < this.count; k++) {
      for (let c = 0; c < 7; c++) {
        let sum = 0;
        for (let a = 0; a < 4; a++) sum += (weights[a] ?? 0) * (this.poses[(k * this.control + first + a) * 7 + c] ?? 0);
        into[k * 7 + c] = sum / 6;
      }
      const length = Math.hypot(...into.subarray(k * 7, k * 7 + 4)) || 1;
      for (let c = 0; c < 4; c++) into[k * 7 + c] = (into[k * 7 + c] ?? 0) / length;
    }
    return into;
  }
}

/** Where the motion is in a PLY; null when it has none. */
function layoutOf(bytes: Uint8Array) {
  const header = readPlyHeader(bytes);
  const bases = BASES.exec(header?.text ?? "");
  const vertices = header?.elements[0];
  if (!header || !bases || !vertices?.offsets.has("t_center") || !vertices.offsets.has("m_w3")) return null;
  return { bases: bases.slice(1).map(Number) as [number, number, number, number], ...vertices, end: header.end };
}

export class Motion {
  readonly modifier: Modifier;
  private readonly uniforms: Record<string, dyno.DynoVal<dyno.DynoType>>;
  private readonly time = new dyno.DynoFloat({ value: 0 });
  private readonly visible = new dyno.DynoFloat({ value: 1 });
  private readonly splats: THREE.DataTexture;
  private readonly poses: THREE.DataTexture;
  private readonly now: Float32Array;
  /** What the texture of splats holds, as numbers and as bits. */
  private readonly data: Uint32Array;
  private readonly floats: Float32Array;

  /** The motion of a file; null when nothing moves in it. */
  static of(bytes: Uint8Array): Motion | null {
    const layout = layoutOf(bytes);
    if (!layout) return null;
    const { bases: [count, control, start, spacing], end, stride } = layout;
    const from = end + layout.count * stride;
    const length = count * control * 7;
    if (!(spacing > 0) || control < 4 || count < 1 || from + 4 * length > bytes.length) return null;
    const poses = new Float32Array(bytes.slice(from, from + 4 * length).buffer);
    return new Motion(new Bases(count, control, start, spacing, poses), bytes, layout);
  }

  private constructor(
    readonly bases: Bases,
    bytes: Uint8Array,
    layout: NonNullable<ReturnType<typeof layoutOf>>,
  ) {
    const { count } = layout;
    const rows = Math.ceil((count * TEXELS) / ROW);
    this.data = new Uint32Array(ROW * rows * 4);
    this.floats = new Float32Array(this.data.buffer);
    fill(this.data, bytes, layout, bases);
    this.splats = new THREE.DataTexture(this.data, ROW, rows, THREE.RGBAIntegerFormat, THREE.UnsignedIntType);
    this.splats.internalFormat = "RGBA32UI";
    this.splats.needsUpdate = true;
    this.now = new Float32Array(bases.count * 8);
    this.poses = new THREE.DataTexture(this.now, 2, bases.count, THREE.RGBAFormat, THREE.FloatType);
    this.poses.needsUpdate = true;
    this.uniforms = {
      splats: new dyno.DynoUsampler2D({ value: this.splats }),
      poses: new dyno.DynoSampler2D({ value: this.poses }),
      time: this.time,
      visible: this.visible,
    };
    this.modifier = this.makeModifier();
    this.set(bases.start);
  }

  /** Put everything where it is at a time; tell the mesh afterwards (`updateVersion`). */
  set(time: number): void {
    this.time.value = time;
    const poses = this.bases.at(time);
    for (let k = 0; k < this.bases.count; k++) {
      this.now.set(poses.subarray(k * 7, k * 7 + 4), k * 8);
      this.now.set(poses.subarray(k * 7 + 4, k * 7 + 7), k * 8 + 4);
    }
    this.poses.needsUpdate = true;
  }

  /** Does this splat follow a motion? */
  moves(index: number): boolean {
    return ((this.data[index * TEXELS * 4 + 6] ?? STILL) & 255) !== STILL;
  }

  /** Is a splat that moves there, for the most part, at a time? */
  present(index: number, time: number): boolean {
    const at = index * TEXELS * 4;
    const [radius, sigma] = halves(this.data[at + 3] ?? 0);
    return Math.abs(time - (this.floats[at + 4] ?? 0)) <= radius + sigma;
  }

  /** Where a splat that moves is when the motions are at these poses (of `Bases.at`); what `CARRY` does on the GPU. */
  place(index: number, poses: Float32Array): THREE.Vector3 {
    const at = index * TEXELS * 4;
    const sum = new THREE.Vector3();
    const home = new THREE.Vector3();
    const turn = new THREE.Quaternion();
    for (let a = 0; a < 4; a++) {
      const [w = 1, x = 0, y = 0, z = 0, px = 0, py = 0, pz = 0] = poses.subarray((((this.data[at + 6] ?? 0) >>> (8 * a)) & 255) * 7);
      home.fromArray(this.floats, at).applyQuaternion(turn.set(x, y, z, w));
      sum.addScaledVector(home.add({ x: px, y: py, z: pz }), (((this.data[at + 7] ?? 0) >>> (8 * a)) & 255) / 255);
    }
    return sum;
  }

  get shown(): boolean {
    return this.visible.value > 0;
  }

  set shown(on: boolean) {
    this.visible.value = on ? 1 : 0;
  }

  dispose(): void {
    this.splats.dispose();
    this.poses.dispose();
  }

  private makeModifier(): Modifier {
    const { uniforms } = this;
    const carry = new dyno.Dyno({
      inTypes: { gsplat: dyno.Gsplat, splats: "usampler2D", poses: "sampler2D", time: "float", visible: "float" },
      outTypes: { gsplat: dyno.Gsplat },
      globals: () => [dyno.defineGsplat, CARRY],
      statements: ({ inputs: i, outputs: { gsplat } }) =>
        dyno.unindentLines(`
          ${gsplat} = ${i.gsplat};
          {
            int texel = ${gsplat}.index * ${TEXELS};
            ivec2 at = ivec2(texel % ${ROW}, texel / ${ROW});
            uvec4 life = texelFetch(${i.splats}, at + ivec2(1, 0), 0);
            uint indices = life.z;
            if ((indices & 255u) != ${STILL}u) {
              uvec4 rest = texelFetch(${i.splats}, at, 0);
              uvec4 turn = texelFetch(${i.splats}, at + ivec2(2, 0), 0);
              vec2 span = unpackHalf2x16(rest.w);
              float outside = max(abs(${i.time} - uintBitsToFloat(life.x)) - span.x, 0.0) / span.y;
              ${gsplat}.rgba.a *= exp(-outside * outside) * ${i.visible};
              vec3 home = uintBitsToFloat(rest.xyz);
              vec3 centre = vec3(0.0);
              vec4 blended = vec4(0.0);
              vec4 main = texelFetch(${i.poses}, ivec2(0, int(indices & 255u)), 0);
              for (int a = 0; a < 4; a++) {
                float weight = float((life.w >> (8 * a)) & 255u) / 255.0;
                int basis = int((indices >> (8 * a)) & 255u);
                vec4 q = texelFetch(${i.poses}, ivec2(0, basis), 0);
                vec3 shift = texelFetch(${i.poses}, ivec2(1, basis), 0).xyz;
                centre += weight * (turned4d(q, home) + shift);
                blended += (dot(q, main) < 0.0 ? -weight : weight) * q;
              }
              ${gsplat}.center = centre;
              vec4 own = vec4(unpackHalf2x16(turn.x), unpackHalf2x16(turn.y));
              ${gsplat}.quaternion = product4d(normalize(blended), own);
            }
          }`),
    });
    return dyno.dynoBlock({ gsplat: dyno.Gsplat }, { gsplat: dyno.Gsplat }, ({ gsplat }) => {
      if (!gsplat) throw new Error("no gsplat");
      return { gsplat: carry.apply({ gsplat, ...uniforms } as never).gsplat };
    });
  }
}

/** The two half floats in 32 bits. */
function halves(bits: number): [number, number] {
  return [THREE.DataUtils.fromHalfFloat(bits & 0xffff), THREE.DataUtils.fromHalfFloat(bits >>> 16)];
}

/** Quaternions wxyz; the product comes as xyzw, as Spark has it. */
const CARRY = `
vec3 turned4d(vec4 q, vec3 v) { return v + 2.0 * cross(q.yzw, cross(q.yzw, v) + q.x * v); }
vec4 product4d(vec4 a, vec4 b) {
  return vec4(a.x * b.yzw + b.x * a.yzw + cross(a.yzw, b.yzw), a.x * b.x - dot(a.yzw, b.yzw));
}`;

/** Per splat: rest position and half-life | centre of life, indices, weights | rest rotation. */
function fill(data: Uint32Array, bytes: Uint8Array, layout: NonNullable<ReturnType<typeof layoutOf>>, bases: Bases): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const floats = new Float32Array(data.buffer);
  const { count, stride, end, offsets } = layout;
  const matrix = new THREE.Matrix4();
  const one = new THREE.Matrix4();
  const turn = new THREE.Quaternion();
  const blended = new THREE.Quaternion();
  const place = new THREE.Vector3();
  const unit = new THREE.Vector3(1, 1, 1);
  const poses = new Float32Array(bases.count * 7);
  const half = (a: number, b: number) => THREE.DataUtils.toHalfFloat(Math.min(6e4, Math.max(-6e4, a))) | (THREE.DataUtils.toHalfFloat(Math.min(6e4, b)) << 16);
  let lastTime = Number.NaN;
  for (let i = 0; i < count; i++) {
    const row = end + i * stride;
    const float = (name: string) => view.getFloat32(row + (offsets.get(name) ?? 0), true);
    const byte = (name: string) => view.getUint8(row + (offsets.get(name) ?? 0));
    const to = i * TEXELS * 4;
    const first = byte("m_i0");
    const indices = [first, byte("m_i1"), byte("m_i2"), byte("m_i3")].map((k) => (first === STILL ? k : Math.min(k, bases.count - 1)));
    const weights = [byte("m_w0"), byte("m_w1"), byte("m_w2"), byte("m_w3")];
    data[to + 6] = (indices[0] ?? 0) | ((indices[1] ?? 0) << 8) | ((indices[2] ?? 0) << 16) | ((indices[3] ?? 0) << 24);
    if (first === STILL) continue;
    const centre = float("t_center");
    if (centre !== lastTime) bases.at(centre, poses);
    lastTime = centre;
    // The blend at the splat's own time, and back.
    matrix.elements.fill(0);
    blended.set(0, 0, 0, 0);
    const mainTurn = poses.subarray((indices[0] ?? 0) * 7, (indices[0] ?? 0) * 7 + 4);
    for (let a = 0; a < 4; a++) {
      const k = (indices[a] ?? 0) * 7;
      const share = (weights[a] ?? 0) / 255;
      const [w = 1, x = 0, y = 0, z = 0, px = 0, py = 0, pz = 0] = poses.subarray(k, k + 7);
      one.compose(place.set(px, py, pz), turn.set(x, y, z, w), unit);
      for (let e = 0; e < 16; e++) matrix.elements[e] = (matrix.elements[e] ?? 0) + share * (one.elements[e] ?? 0);
      const dot = w * (mainTurn[0] ?? 0) + x * (mainTurn[1] ?? 0) + y * (mainTurn[2] ?? 0) + z * (mainTurn[3] ?? 0);
      const signed = dot < 0 ? -share : share;
      blended.set(blended.x + signed * x, blended.y + signed * y, blended.z + signed * z, blended.w + signed * w);
    }
    place.set(float("x"), float("y"), float("z")).applyMatrix4(matrix.invert());
    turn.set(float("rot_1"), float("rot_2"), float("rot_3"), float("rot_0")).normalize().premultiply(blended.normalize().invert());
    place.toArray(floats, to);
    data[to + 3] = half(float("t_radius"), Math.max(1e-4, float("t_sigma")));
    floats[to + 4] = centre;
    data[to + 7] = (weights[0] ?? 0) | ((weights[1] ?? 0) << 8) | ((weights[2] ?? 0) << 16) | ((weights[3] ?? 0) << 24);
    data[to + 8] = half(turn.w, turn.x);
    data[to + 9] = half(turn.y, turn.z);
  }
}
