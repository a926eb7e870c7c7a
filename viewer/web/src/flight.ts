/** A smooth move of the camera to another pose and lens. */
import * as THREE from "three";
import { mixViews, type PinholeCamera, type Pose, type View } from "./lens";

const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export interface Flight {
  /** One step; false when it has arrived. */
  step(seconds: number): boolean;
  /** Go to the end at once. */
  finish(): void;
  /** Resolves on arrival (true) or when it was given up (false). */
  done: Promise<boolean>;
  cancel(): void;
}

/** `end` gives the view to arrive at, asked at every step as the window may change its size. */
export function fly(camera: PinholeCamera, to: Pose, end: () => View, canvas: () => { width: number; height: number }, seconds: number): Flight {
  const from = { position: camera.position.clone(), quaternion: camera.quaternion.clone() };
  const start = camera.view_;
  let time = 0;
  let settle: (arrived: boolean) => void = () => {};
  const done = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const place = (t: number) => {
    const { width, height } = canvas();
    if (t >= 1) {
      // Exactly, without rounding of the interpolation.
      camera.position.copy(to.position);
      camera.quaternion.copy(to.quaternion);
      camera.setView(end(), width, height);
      settle(true);
      return;
    }
    const ease = t * t * t * (t * (6 * t - 15) + 10);
    camera.position.lerpVectors(from.position, to.position, ease);
    camera.quaternion.slerpQuaternions(from.quaternion, to.quaternion, ease);
    camera.setView(mixViews(start, end(), ease), width, height);
  };
  return {
    done,
    step(dt) {
      time += dt;
      const t = CALM.matches || seconds <= 0 ? 1 : Math.min(1, time / seconds);
      place(t);
      return t < 1;
    },
    finish: () => place(1),
    cancel: () => settle(false),
  };
}

/** Looks from `position` at `target`, upright. */
export function lookAt(position: THREE.Vector3, target: THREE.Vector3, up: THREE.Vector3): Pose {
  const matrix = new THREE.Matrix4().lookAt(position, target, up);
  return { position, quaternion: new THREE.Quaternion().setFromRotationMatrix(matrix) };
}
