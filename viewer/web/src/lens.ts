/** Pinhole lenses in pixels, and how one is laid onto the page. */
import * as THREE from "three";
import type { CameraEntry } from "./types";

export interface Lens {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
}

export interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A lens on the canvas: focal lengths and principal point in CSS pixels of the canvas. */
export interface View {
  fx: number;
  fy: number;
  cx: number;
  cy: number;
}

/** For scenes without cameras: 55 degrees across the shorter side. */
export const DEFAULT_LENS: Lens = { width: 1000, height: 1000, fx: 960, fy: 960, cx: 500, cy: 500 };

/** Where the whole frame of a lens lies when it is fitted into `room`, centred. */
export function fit(lens: Lens, room: Rect): Rect {
  const scale = Math.min(room.width / lens.width, room.height / lens.height);
  const width = lens.width * scale;
  const height = lens.height * scale;
  return { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height };
}

export function viewOf(lens: Lens, frame: Rect): View {
  const sx = frame.width / lens.width;
  const sy = frame.height / lens.height;
  return { fx: lens.fx * sx, fy: lens.fy * sy, cx: frame.x + lens.cx * sx, cy: frame.y + lens.cy * sy };
}

/** Between two views; focal lengths geometrically, so that a zoom looks even. */
export function mixViews(a: View, b: View, t: number): View {
  const mix = (x: number, y: number) => x + (y - x) * t;
  const grow = (x: number, y: number) => x * (y / x) ** t;
  return { fx: grow(a.fx, b.fx), fy: grow(a.fy, b.fy), cx: mix(a.cx, b.cx), cy: mix(a.cy, b.cy) };
}

/** A three.js camera whose projection is set from a view: any focal lengths and principal point. */
export class PinholeCamera extends THREE.PerspectiveCamera {
  view_: View = { fx: 1, fy: 1, cx: 0.5, cy: 0.5 };
  canvasWidth = 1;
  canvasHeight = 1;

  setView(view: View, width: number, height: number): void {
    this.view_ = view;
    this.canvasWidth = width;
    this.canvasHeight = height;
    this.fov = THREE.MathUtils.radToDeg(2 * Math.atan(height / (2 * view.fy)));
    this.aspect = width / height;
    this.updateProjectionMatrix();
  }

  override updateProjectionMatrix(): void {
    if (!this.view_) return; // called by the parent's constructor
    const { near, far, canvasWidth: w, canvasHeight: h } = this;
    const { fx, fy, cx, cy } = this.view_;
    this.projectionMatrix.set(
      (2 * fx) / w, 0, 1 - (2 * cx) / w, 0,
      0, (2 * fy) / h, (2 * cy) / h - 1, 0,
      0, 0, -(far + near) / (far - near), (-2 * far * near) / (far - near),
      0, 0, -1, 0,
    );
    this.projectionMatrixInverse.copy(this.projectionMatrix).invert();
  }
}

export interface Pose {
  position: THREE.Vector3;
  /** Camera axes of three.js: x right, y up, z back. */
  quaternion: THREE.Quaternion;
}

export const FLIP = new THREE.Matrix4().makeScale(1, -1, -1); // OpenCV camera axes <-> those of three.js

export function poseOf(camera: CameraEntry): Pose {
  const matrix = new THREE.Matrix4().fromArray(camera.world_from_camera).transpose().multiply(FLIP);
  const position = new THREE.Vector3();
  const quaternion = new THREE.Quaternion();
  matrix.decompose(position, quaternion, new THREE.Vector3());
  return { position, quaternion };
}

/** world_from_camera with OpenCV axes, 16 numbers row by row. */
export function openCvMatrix(pose: Pose): number[] {
  const matrix = new THREE.Matrix4().compose(pose.position, pose.quaternion, new THREE.Vector3(1, 1, 1));
  return matrix.multiply(FLIP).transpose().toArray();
}
