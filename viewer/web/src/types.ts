import type { Edits } from "./edits";

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
  /** Place in a sequence of files, from 0. */
  frame?: number;
  /** Index and name of the scene it belongs to, when several are on show. */
  scene?: number;
  scene_name?: string;
  /** Why it cannot be shown, in a sentence. */
  problem?: string;
  /** Changes when the file does. */
  version?: number;
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
  /** Seconds. */
  time?: number;
  split?: string;
  psnr?: number | null;
  ssim?: number | null;
}

export interface ShotEntry {
  index: number;
  first: number;
  frames: number;
  verdict?: Verdict | null;
  reason?: string;
}

export interface Manifest {
  name: string;
  kind?: "scene" | "file" | "files" | "sequence" | "several";
  fps?: number | null;
  verdict?: Verdict | null;
  reason?: string;
  splats: SplatEntry[];
  cameras: CameraEntry[];
  metrics?: Metrics;
  notes: string[];
  shots?: ShotEntry[];
  /** Size of the pictures at training over that of the cameras'. */
  trained_scale?: number;
  /** Stored edits. */
  edits?: Edits | null;
  /** Edits can be stored, videos written: there is a server and its folder can be written to. */
  editable?: boolean;
  /** The server tells of training as it goes on. */
  live?: boolean;
  /** Id of the splats to set against the first. */
  compare?: string;
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
