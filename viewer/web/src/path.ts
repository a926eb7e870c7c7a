/** A camera path through keyframes: position by a centripetal Catmull-Rom spline, turning and zoom smoothly. */
import * as THREE from "three";
import type { CameraPath, Keyframe } from "./edits";
import { FLIP, type Lens, openCvMatrix, type Pose } from "./lens";

export interface Shot {
  pose: Pose;
  /** Focal length over the picture's height. */
  focal: number;
}

export function keyframeOf(pose: Pose, focal: number): Keyframe {
  return { world_from_camera: openCvMatrix(pose), focal };
}

export function poseOfMatrix(rows: number[]): Pose {
  const matrix = new THREE.Matrix4().fromArray(rows).transpose().multiply(FLIP);
  const pose = { position: new THREE.Vector3(), quaternion: new THREE.Quaternion() };
  matrix.decompose(pose.position, pose.quaternion, new THREE.Vector3());
  return pose;
}

/** A lens for a picture of this size, with the principal point in its middle. */
export function lensOf(focal: number, width: number, height: number): Lens {
  return { width, height, fx: focal * height, fy: focal * height, cx: width / 2, cy: height / 2 };
}

/** Where the camera is at `share` (0..1) of the path, which has two keyframes at least. */
export function along(path: CameraPath, share: number): Shot {
  const poses = path.keyframes.map((keyframe) => poseOfMatrix(keyframe.world_from_camera));
  const n = poses.length;
  const spans = path.loop ? n : n - 1;
  const at = Math.min(1, Math.max(0, share)) * spans;
  const i = Math.min(spans - 1, Math.floor(at));
  const t = at - i;
  const of = <T>(values: T[], k: number) => values[path.loop ? (k + n) % n : Math.min(n - 1, Math.max(0, k))] as T;
  const around = [-1, 0, 1, 2].map((k) => i + k);
  const position = new THREE.CatmullRomCurve3(
    poses.map((pose) => pose.position),
    path.loop,
    "centripetal",
  ).getPoint(at / spans);
  const quaternions = around.map((k) => of(poses, k).quaternion.clone());
  // Of two quaternions for the same turn, the one nearer to its predecessor.
  for (let k = 1; k < 4; k++) {
    const [before, now] = [quaternions[k - 1], quaternions[k]] as [THREE.Quaternion, THREE.Quaternion];
    if (before.dot(now) < 0) now.set(-now.x, -now.y, -now.z, -now.w);
  }
  const spline = (get: (k: number) => number) => catmullRom(get(0), get(1), get(2), get(3), t);
  const parts = (["x", "y", "z", "w"] as const).map((axis) => spline((k) => quaternions[k]?.[axis] ?? 0));
  const quaternion = new THREE.Quaternion(...(parts as [number, number, number, number])).normalize();
  const focal = Math.exp(spline((k) => Math.log(of(path.keyframes, i - 1 + k).focal)));
  return { pose: { position, quaternion }, focal };
}

function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/** Once around `target`, level, at the distance and height of `pose`: eight keyframes. */
export function orbitOf(pose: Pose, target: THREE.Vector3, up: THREE.Vector3, focal: number): CameraPath {
  const keyframes = Array.from({ length: 8 }, (_, i) => {
    const turn = new THREE.Quaternion().setFromAxisAngle(up, (2 * Math.PI * i) / 8);
    const position = pose.position.clone().sub(target).applyQuaternion(turn).add(target);
    return keyframeOf({ position, quaternion: turn.multiply(pose.quaternion) }, focal);
  });
  return { seconds: 10, loop: true, keyframes };
}

/** The path as a line in the scene, with a dot at each keyframe. */
export class PathLine {
  readonly group = new THREE.Group();

  set(path: CameraPath | null): void {
    for (const child of [...this.group.children] as (THREE.Line | THREE.Points)[]) {
      child.geometry.dispose();
      (child.material as THREE.Material).dispose();
      child.removeFromParent();
    }
    if (!path || path.keyframes.length === 0) return;
    const dots = path.keyframes.map((keyframe) => poseOfMatrix(keyframe.world_from_camera).position);
    const look = { color: 0xff6fb5, depthTest: false, transparent: true };
    this.group.add(new THREE.Points(new THREE.BufferGeometry().setFromPoints(dots), new THREE.PointsMaterial({ ...look, size: 9, sizeAttenuation: false })));
    if (path.keyframes.length > 1) {
      const steps = 24 * path.keyframes.length;
      const line = Array.from({ length: steps + 1 }, (_, i) => along(path, i / steps).pose.position);
      this.group.add(new THREE.Line(new THREE.BufferGeometry().setFromPoints(line), new THREE.LineBasicMaterial(look)));
    }
    for (const child of this.group.children) child.frustumCulled = false;
  }
}
