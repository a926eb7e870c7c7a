/** Which splats are on show at which time: loads them, keeps them at hand, and fades one into the next. */
import type * as THREE from "three";
import type { Edits } from "./edits";
import { Hiding } from "./hide";
import type { Progress } from "./source";
import { Splats } from "./splats";
import type { Manifest, SplatEntry } from "./types";

/** Splats that were shown are kept until they and the others at hand need more than this. */
const KEPT_BYTES = 600e6;
/** Loaded in advance while playing. */
const AHEAD = 3;

/** An entry and the seconds it covers; neighbours may overlap, and fade into each other there. */
export interface Segment {
  entry: SplatEntry;
  start: number;
  end: number;
}

/** Splats of a training under way: replaced by the next ones in a moment. */
export function isLive(entry: SplatEntry): boolean {
  return entry.id.startsWith("live:");
}

/** The entries that follow each other in time, `entry` among them; one alone when it has no neighbours. */
export function laneOf(entry: SplatEntry, manifest: Manifest, timeOf: (frame: number) => number): Segment[] {
  const seconds = 1 / (manifest.fps || 24);
  const same = manifest.splats.filter((other) => (other.scene ?? 0) === (entry.scene ?? 0));
  if (manifest.kind === "sequence") {
    return same.map((other) => ({ entry: other, start: (other.frame ?? 0) * seconds, end: ((other.frame ?? 0) + 1) * seconds }));
  }
  if (entry.chunk !== undefined) {
    return same
      .filter((other) => other.chunk !== undefined)
      .map((other) => ({ entry: other, start: timeOf(other.first ?? 0), end: timeOf(other.last ?? 0) + seconds }));
  }
  const shots = manifest.shots ?? [];
  if (entry.id.includes("shot-") && shots.length > 1) {
    return same.flatMap((other) => {
      const shot = shots.find(({ index }) => other.id.includes("shot-") && index === other.shot);
      return shot ? [{ entry: other, start: timeOf(shot.first), end: timeOf(shot.first + shot.frames - 1) + seconds }] : [];
    });
  }
  return [{ entry, start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }];
}

/** Opacity of each segment at a time: 1 for the one it is in; where two overlap, the later one comes before the earlier one goes. */
export function weightsAt(segments: Segment[], time: number): Map<Segment, number> {
  const inside = segments.filter(({ start, end }) => time >= start - 1e-6 && time < end - 1e-6);
  if (inside.length === 0) {
    const nearest = segments.reduce<Segment | null>((best, segment) => (!best || Math.abs(segment.start - time) < Math.abs(best.start - time) ? segment : best), null);
    return new Map(nearest ? [[nearest, 1]] : []);
  }
  const [first, second] = inside.slice(-2) as [Segment, Segment | undefined];
  if (!second || first.entry.shot !== second.entry.shot) return new Map([[second ?? first, 1]]);
  const share = (time - second.start) / Math.max(1e-6, first.end - second.start);
  // Both at once half way: as the scenes are the same, nothing shines through.
  return new Map([
    [first, Math.min(1, 2 - 2 * share)],
    [second, Math.min(1, 2 * share)],
  ]);
}

export class Layers {
  /** On show; while one fades into another, the one that stays. */
  current: Splats | null = null;
  entry: SplatEntry | null = null;
  segments: Segment[] = [];
  /** Splats have arrived that the present time needs. */
  arrived: () => void = () => {};
  failed: (entry: SplatEntry, error: unknown) => void = () => {};
  readonly hiding = new Hiding();
  private edits: Edits | null = null;
  private time = 0;
  private movingShown = true;
  private readonly ready = new Map<string, Splats>();
  private readonly coming = new Map<string, AbortController>();

  constructor(private readonly scene: THREE.Scene) {}

  /** Load (or take from those at hand) the splats of an entry and make them the ones on show. */
  async show(entry: SplatEntry, segments: Segment[], progress: Progress, signal: AbortSignal): Promise<void> {
    const splats = this.ready.get(entry.id) ?? (await Splats.load(entry, progress, signal));
    signal.throwIfAborted();
    this.segments = segments;
    this.add(entry, splats);
    this.put(new Map([[entry.id, 1]]));
    this.current = splats;
    this.entry = entry;
  }

  /** Show what belongs to a time; true when all of it is loaded. Changes nothing until it is. */
  setTime(time: number): boolean {
    this.time = time;
    for (const splats of this.ready.values()) if (splats.mesh.visible) splats.setTime(time);
    if (this.segments.length < 2) return true;
    const weights = weightsAt(this.segments, time);
    const missing = [...weights.keys()].filter(({ entry }) => !this.ready.has(entry.id));
    for (const { entry } of missing) this.fetch(entry);
    if (missing.length === 0) {
      this.put(new Map([...weights].map(([{ entry }, weight]) => [entry.id, weight])));
      const main = [...weights].sort((a, b) => b[1] - a[1])[0]?.[0];
      if (main) {
        this.entry = main.entry;
        this.current = this.ready.get(main.entry.id) ?? this.current;
      }
    }
    const last = this.segments.indexOf([...weights.keys()].at(-1) as Segment);
    for (const { entry } of this.segments.slice(last + 1, last + 1 + AHEAD)) this.fetch(entry);
    return missing.length === 0;
  }

  /** Does anything on show move by itself? */
  get moves(): boolean {
    return this.current?.motion != null;
  }

  get showsMoving(): boolean {
    return this.movingShown;
  }

  /** Draw what moves, or leave it out. */
  showMoving(on: boolean): void {
    this.movingShown = on;
    for (const splats of this.ready.values()) if (splats.mesh.visible) splats.showMoving(on);
  }

  /** What is drawn now, and how much of it. */
  shown(): { id: string; opacity: number }[] {
    return [...this.ready].flatMap(([id, { mesh }]) => (mesh.visible ? [{ id, opacity: mesh.opacity }] : []));
  }

  applyEdits(edits: Edits, ghosts: boolean): void {
    this.edits = edits;
    this.hiding.set(edits, ghosts);
    for (const splats of this.ready.values()) if (splats.mesh.visible) splats.applyEdits(edits, this.hiding);
  }

  /** Files have changed: load anew what is shown next. What is on show stays. */
  forget(): void {
    for (const controller of this.coming.values()) controller.abort();
    this.coming.clear();
    for (const id of [...this.ready.keys()]) if (this.ready.get(id) !== this.current) this.drop(id);
    const { current } = this;
    this.ready.clear();
    if (current) this.ready.set("old:", current);
  }

  private add(entry: SplatEntry, splats: Splats): void {
    this.ready.delete(entry.id); // to the end: most recently used
    this.ready.set(entry.id, splats);
    splats.mesh.visible = false;
    this.scene.add(splats.mesh);
  }

  private put(weights: Map<string, number>): void {
    for (const [id, splats] of this.ready) {
      const weight = weights.get(id) ?? 0;
      const { mesh } = splats;
      if (weight > 0 && !mesh.visible) {
        if (this.edits) splats.applyEdits(this.edits, this.hiding);
        splats.setTime(this.time);
        splats.showMoving(this.movingShown);
      }
      if (mesh.visible === weight > 0 && mesh.opacity === weight) continue;
      mesh.visible = weight > 0;
      mesh.opacity = weight;
      mesh.updateVersion();
    }
    this.evict();
  }

  private evict(): void {
    let bytes = [...this.ready.values()].reduce((sum, splats) => sum + splats.bytes, 0);
    for (const [id, splats] of [...this.ready]) {
      if (splats.mesh.visible || (bytes <= KEPT_BYTES && !/^(old|live):/.test(id))) continue;
      bytes -= splats.bytes;
      this.drop(id);
    }
  }

  private drop(id: string): void {
    this.ready.get(id)?.dispose();
    this.ready.delete(id);
  }

  private fetch(entry: SplatEntry): void {
    if (this.ready.has(entry.id) || this.coming.has(entry.id)) return;
    const controller = new AbortController();
    this.coming.set(entry.id, controller);
    Splats.load(entry, () => {}, controller.signal)
      .then((splats) => {
        this.add(entry, splats);
        this.arrived();
      })
      .catch((error: unknown) => {
        if (!controller.signal.aborted) this.failed(entry, error);
      })
      .finally(() => this.coming.delete(entry.id));
  }
}
