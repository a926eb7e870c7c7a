/** The splats on show: loading, and questions about them (bounds, depth, what is under the cursor). */
import { type SplatFileType, SplatMesh } from "@sparkjsdev/spark";
import * as THREE from "three";
import { checkSplatFile } from "./check";
import { cuts, type Edits } from "./edits";
import { type Hiding, hiddenOf } from "./hide";
import type { PinholeCamera } from "./lens";
import { Motion } from "./motion";
import { loadBytes, type Progress } from "./source";
import { Problem, type SplatEntry } from "./types";

/** Above this many, 16 bytes per splat on the GPU instead of 32: a little coarser, half the memory. */
const COMPACT_ABOVE = 3_000_000;
const FILE_TYPES: Record<string, string> = { ply: "ply", spz: "spz", splat: "splat", ksplat: "ksplat", sog: "pcsogszip" };

export class Splats {
  readonly count: number;
  private readonly centres: Float32Array;
  /** Mean extent (standard deviation) and opacity per splat. */
  private readonly extents: Float32Array;
  /** Largest standard deviation per splat. */
  private readonly largest: Float32Array;
  private readonly opacities: Float32Array;
  /** 1 where the edits leave a splat out. */
  private hidden: Uint8Array | null = null;

  private constructor(
    readonly mesh: SplatMesh,
    /** Null: nothing moves. */
    readonly motion: Motion | null,
  ) {
    const source = mesh.splats;
    this.count = source?.getNumSplats() ?? 0;
    this.centres = new Float32Array(this.count * 3);
    this.extents = new Float32Array(this.count);
    this.largest = new Float32Array(this.count);
    this.opacities = new Float32Array(this.count);
    source?.forEachSplat((index, centre, scales, _quaternion, opacity) => {
      centre.toArray(this.centres, index * 3);
      this.extents[index] = (scales.x + scales.y + scales.z) / 3;
      this.largest[index] = Math.max(scales.x, scales.y, scales.z);
      this.opacities[index] = opacity;
    });
  }

  static async load(entry: SplatEntry, progress: Progress, signal: AbortSignal): Promise<Splats> {
    const name = decodeURIComponent(entry.url.startsWith("embedded:") ? entry.label : entry.url.replace("files/", ""));
    if (entry.problem) throw new Problem(entry.problem);
    const bytes = await loadBytes(entry.url, entry.bytes, progress, signal);
    checkSplatFile(bytes, entry.format, name);
    const fileType = FILE_TYPES[entry.format] as SplatFileType;
    const mesh = new SplatMesh({ fileBytes: bytes, fileType, extSplats: (entry.gaussians ?? 0) < COMPACT_ABOVE });
    try {
      await mesh.initialized;
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      throw new Problem(`${name} could not be read as ${entry.format.toUpperCase()}: ${found}`, "The file may be damaged: export it again.");
    }
    signal.throwIfAborted();
    const splats = new Splats(mesh, entry.format === "ply" ? Motion.of(bytes) : null);
    splats.modify(null);
    if (splats.count === 0) throw new Problem(`${name} holds no Gaussians.`, "Train the scene, or choose another file.");
    return splats;
  }

  /** Leave out what the edits say; `hiding` has been set to the same edits. */
  applyEdits(edits: Edits, hiding: Hiding): void {
    const cutting = cuts(edits);
    this.hidden = hiddenOf(edits, this.centres, this.opacities, this.largest);
    this.modify(cutting ? hiding : null);
    this.mesh.updateVersion();
  }

  /** First where splats are, then whether they are shown there. */
  private modify(hiding: Hiding | null): void {
    const modifiers = [this.motion?.modifier, hiding?.modifier].filter((modifier) => modifier !== undefined);
    if (modifiers.length === (this.mesh.objectModifiers?.length ?? 0)) return;
    this.mesh.objectModifiers = modifiers;
    this.mesh.updateGenerator();
  }

  /** Put what moves where it is at a time (seconds on the clock of the clip). */
  setTime(time: number): void {
    if (!this.motion) return;
    this.motion.set(time);
    this.mesh.updateVersion();
  }

  /** Draw what moves, or leave it out. */
  showMoving(on: boolean): void {
    if (!this.motion || this.motion.shown === on) return;
    this.motion.shown = on;
    this.mesh.updateVersion();
  }

  /** Up to so many of the splats that move, from all over the file: opaque ones that the edits leave in. */
  moving(most: number): number[] {
    const { motion } = this;
    if (!motion) return [];
    const all = Array.from({ length: this.count }, (_, i) => i).filter((i) => motion.moves(i) && (this.opacities[i] ?? 0) > 0.3 && !this.hidden?.[i]);
    const step = Math.max(1, all.length / most);
    return Array.from({ length: Math.min(most, all.length) }, (_, i) => all[Math.floor(i * step)] ?? 0);
  }

  /** How many splats the edits leave out. */
  get hiddenCount(): number {
    return this.hidden?.reduce((sum, out) => sum + out, 0) ?? 0;
  }

  /** Every so many splats are asked where a sample will do. */
  private get stride(): number {
    return Math.max(1, Math.floor(this.count / 50_000));
  }

  /** Bytes on the graphics card and beside it, about. */
  get bytes(): number {
    return this.count * 80;
  }

  /** Standard deviation above which only a share of the splats lies: the range of a slider. */
  largestExtent(share: number): number {
    const { stride } = this;
    return quantile(Array.from(this.largest.filter((_, i) => i % stride === 0)), 1 - share) ?? 1;
  }

  dispose(): void {
    this.mesh.removeFromParent();
    this.mesh.dispose();
    this.motion?.dispose();
  }

  /** Median depth of what this camera sees inside its canvas; null when it sees nothing. */
  medianDepth(camera: PinholeCamera): number | null {
    const matrix = camera.matrixWorld.clone().invert();
    const projection = new THREE.Matrix4().multiplyMatrices(camera.projectionMatrix, matrix);
    const point = new THREE.Vector3();
    const depths: number[] = [];
    for (let i = 0; i < this.count; i += this.stride) {
      if ((this.opacities[i] ?? 0) < 0.2 || this.hidden?.[i]) continue;
      point.fromArray(this.centres, i * 3);
      const depth = -point.clone().applyMatrix4(matrix).z;
      if (depth <= camera.near) continue;
      point.applyMatrix4(projection);
      if (Math.abs(point.x) < 1 && Math.abs(point.y) < 1) depths.push(depth);
    }
    return quantile(depths, 0.5);
  }

  /** Centre and radius of the bulk of the splats: a few far away ones do not count. */
  bulk(): { centre: THREE.Vector3; radius: number } {
    const { stride } = this;
    const axes: [number[], number[], number[]] = [[], [], []];
    for (let i = 0; i < this.count; i += stride) {
      for (const axis of [0, 1, 2] as const) axes[axis].push(this.centres[i * 3 + axis] ?? 0);
    }
    const middle = axes.map((values) => quantile(values, 0.5) ?? 0);
    const centre = new THREE.Vector3(...(middle as [number, number, number]));
    const distances: number[] = [];
    const point = new THREE.Vector3();
    for (let i = 0; i < this.count; i += stride) distances.push(point.fromArray(this.centres, i * 3).distanceTo(centre));
    return { centre, radius: quantile(distances, 0.9) || 1 };
  }

  /** The point where a ray has met half of the opacity on its way; null when it meets nothing. */
  pick(ray: THREE.Ray, near: number): THREE.Vector3 | null {
    const hits: [depth: number, alpha: number][] = [];
    const { origin: o, direction: d } = ray;
    for (let i = 0; i < this.count; i++) {
      if (this.hidden?.[i]) continue;
      const x = (this.centres[i * 3] ?? 0) - o.x;
      const y = (this.centres[i * 3 + 1] ?? 0) - o.y;
      const z = (this.centres[i * 3 + 2] ?? 0) - o.z;
      const depth = x * d.x + y * d.y + z * d.z;
      if (depth <= near) continue;
      const extent = (this.extents[i] ?? 0) + depth * 5e-4;
      const off = x * x + y * y + z * z - depth * depth;
      if (off > 9 * extent * extent) continue;
      hits.push([depth, (this.opacities[i] ?? 0) * Math.exp((-0.5 * off) / (extent * extent))]);
    }
    hits.sort((a, b) => a[0] - b[0]);
    let through = 1;
    for (const [depth, alpha] of hits) {
      through *= 1 - alpha;
      if (through < 0.5) return ray.at(depth, new THREE.Vector3());
    }
    return null;
  }
}

function quantile(values: number[], q: number): number | null {
  if (values.length === 0) return null;
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.floor(values.length * q))] ?? null;
}
