/**
 * What the user has changed about how a scene is shown: crop, filters, up, scale, background, camera path.
 *
 * Edits never touch the splats. They are values, so undoing is going back to an earlier one; the server
 * stores the same JSON (`viewer/edits.py`) when the user saves, and `splatreel export` applies it.
 */

export interface Crop {
  shape: "box" | "sphere";
  /** World. */
  centre: Triple;
  /** Full lengths along the crop's own axes, world units; a sphere's diameters. */
  size: Triple;
  /** World from crop, xyzw. */
  rotation: [number, number, number, number];
  keep: "inside" | "outside";
}

export type Triple = [number, number, number];

export interface Keyframe {
  /** 4x4 row by row, OpenCV axes. */
  world_from_camera: number[];
  /** Focal length over the picture's height. */
  focal: number;
}

export interface CameraPath {
  seconds: number;
  loop: boolean;
  keyframes: Keyframe[];
}

export interface Edits {
  format: "splatreel-edits";
  version: 1;
  crop: Crop | null;
  /** Gaussians less opaque than this are left out. */
  min_opacity: number;
  /** Gaussians whose largest standard deviation is above this are left out; world units. */
  max_extent: number | null;
  /** Unit vector that points up in the world; null: the world's own, -y. */
  up: Triple | null;
  metres_per_unit: number | null;
  background: string | null;
  path: CameraPath | null;
}

export const NO_EDITS: Edits = {
  format: "splatreel-edits",
  version: 1,
  crop: null,
  min_opacity: 0,
  max_extent: null,
  up: null,
  metres_per_unit: null,
  background: null,
  path: null,
};

/** The edits now, and the way back and forth. */
export class History {
  changed: (now: Edits, before: Edits) => void = () => {};
  private past: Edits[] = [];
  private future: Edits[] = [];
  private saved: Edits;
  private merging = "";

  constructor(public now: Edits) {
    this.saved = now;
  }

  /** Start over, from what is stored. */
  reset(edits: Edits): void {
    this.past = [];
    this.future = [];
    this.saved = edits;
    this.merging = "";
    this.set(edits);
  }

  /** Change something. Changes that follow each other with the same `merge` count as one (a drag). */
  push(change: Partial<Edits>, merge = ""): void {
    if (!merge || merge !== this.merging) this.past.push(this.now);
    this.merging = merge;
    this.future = [];
    this.set({ ...this.now, ...change });
  }

  /** The next change is one of its own, whatever it merges with. */
  seal(): void {
    this.merging = "";
  }

  undo(): void {
    this.move(this.past, this.future);
  }

  redo(): void {
    this.move(this.future, this.past);
  }

  markSaved(edits: Edits): void {
    this.saved = edits;
    this.changed(this.now, this.now);
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  get dirty(): boolean {
    return JSON.stringify(this.now) !== JSON.stringify(this.saved);
  }

  /** To the latest of `from`; the present is kept in `to`. */
  private move(from: Edits[], to: Edits[]): void {
    const edits = from.pop();
    if (!edits) return;
    to.push(this.now);
    this.merging = "";
    this.set(edits);
  }

  private set(edits: Edits): void {
    const before = this.now;
    this.now = edits;
    this.changed(edits, before);
  }
}

/** Does the crop, or a filter, leave anything out? */
export function cuts(edits: Edits): boolean {
  return edits.crop !== null || edits.min_opacity > 0 || edits.max_extent !== null;
}
