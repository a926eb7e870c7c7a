/** What the server (or an exported page) says about a scene: the JSON of `viewer/source.py`. */

export type Verdict = "good" | "unsure" | "failed";

export interface Scores {
  psnr?: number | null;
  ssim?: number | null;
}

export interface Metrics {
  frames?: number;
  placed?: number;
  gaussians?: number;
  train?: Scores | null;
  heldout?: Scores | null;
}

/** A splat file that can be shown. */
export interface SplatEntry {
  id: string;
  label: string;
  url: string;
  format: string;
  bytes: number;
  gaussians: number | null;
  metrics?: Metrics;
  chunk?: number;
  /** Index of the shot whose world this lives in; null or absent: there is only one world. */
  shot?: number | null;
  /** Global numbers of the first and last frame of a chunk. */
  first?: number;
  last?: number;
}

/** A training camera. OpenCV axes: x right, y down, z forward. */
export interface CameraEntry {
  frame: number;
  chunks: number[];
  shot: number;
  /** 4x4, row by row. */
  world_from_camera: number[];
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  image?: string;
  thumb?: string;
  split?: string;
  psnr?: number | null;
  ssim?: number | null;
}

export interface Manifest {
  name: string;
  fps?: number | null;
  verdict?: Verdict | null;
  reason?: string;
  splats: SplatEntry[];
  cameras: CameraEntry[];
  metrics?: Metrics;
  notes: string[];
}

/** An error with a sentence for the user and one that says what to do. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly advice = "",
  ) {
    super(message);
  }
}
