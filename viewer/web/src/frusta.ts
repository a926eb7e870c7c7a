/** The training cameras as wire frames with a faint image plane; those near the eye fade out. */
import * as THREE from "three";
import { poseOf } from "./lens";
import type { CameraEntry } from "./types";

const VERTEX = `
attribute vec3 centre;
attribute float index;
uniform float chosen, size;
uniform vec3 colour, chosenColour;
varying vec4 vColour;
void main() {
  float distance = length(cameraPosition - centre);
  bool isChosen = abs(index - chosen) < 0.5;
  float near = smoothstep(1.0 * size, 3.5 * size, distance);
  vColour = vec4(isChosen ? chosenColour : colour, isChosen ? max(near, 0.15) : near);
  gl_Position = projectionMatrix * viewMatrix * vec4(position, 1.0);
}`;
const FRAGMENT = `
uniform float opacity;
varying vec4 vColour;
void main() { gl_FragColor = vec4(vColour.rgb, vColour.a * opacity); }`;

export class Frusta {
  readonly group = new THREE.Group();
  private readonly shared = {
    chosen: { value: -1 },
    size: { value: 1 },
    colour: { value: new THREE.Vector3(0.55, 0.72, 1) },
    chosenColour: { value: new THREE.Vector3(1, 0.76, 0.3) },
  };
  /** Corners of the image planes in the world, four per camera. */
  private corners: THREE.Vector3[][] = [];
  private indices: number[] = [];

  constructor() {
    this.group.renderOrder = 1; // after the splats, which leave no depth
  }

  /** Colours that stand out from a dark or a light background. */
  onLight(light: boolean): void {
    this.shared.colour.value.fromArray(light ? [0.1, 0.32, 0.85] : [0.55, 0.72, 1]);
    this.shared.chosenColour.value.fromArray(light ? [0.85, 0.4, 0] : [1, 0.76, 0.3]);
  }

  /** Show these cameras (`indices` are their places in the manifest). */
  set(cameras: CameraEntry[], indices: number[], size: number): void {
    for (const child of [...this.group.children] as (THREE.Mesh | THREE.LineSegments)[]) {
      child.geometry.dispose();
      (child.material as THREE.Material).dispose();
      child.removeFromParent();
    }
    this.indices = indices;
    this.shared.size.value = size;
    const lines = new Builder();
    const planes = new Builder();
    const path = new Builder();
    let previous: THREE.Vector3 | null = null;
    this.corners = cameras.map((camera, i) => {
      const pose = poseOf(camera);
      const scale = size / Math.max(camera.width, camera.height);
      const corner = (x: number, y: number) =>
        new THREE.Vector3(
          (x - camera.cx) * scale,
          (camera.cy - y) * scale,
          -0.5 * (camera.fx + camera.fy) * scale,
        ).applyQuaternion(pose.quaternion).add(pose.position);
      const { width: w, height: h } = camera;
      const corners = [corner(0, 0), corner(w, 0), corner(w, h), corner(0, h)] as const;
      const [a, b, c, d] = corners;
      const roof = [corner(w * 0.35, -h * 0.04), corner(w * 0.5, -h * 0.18), corner(w * 0.65, -h * 0.04)] as const;
      const index = indices[i] ?? i;
      lines.add(index, pose.position, [a, b, b, c, c, d, d, a, ...corners.flatMap((point) => [pose.position, point])]);
      planes.add(index, pose.position, [a, b, c, a, c, d, ...roof]);
      if (previous) path.add(index, pose.position, [previous, pose.position]);
      previous = pose.position;
      return [...corners];
    });
    this.group.add(
      new THREE.Mesh(planes.geometry(), this.material(0.22)),
      new THREE.LineSegments(lines.geometry(), this.material(0.85)),
      new THREE.LineSegments(path.geometry(), this.material(0.35)),
    );
    for (const child of this.group.children) child.frustumCulled = false;
  }

  /** Highlight one (place in the manifest), or none. */
  highlight(index: number | null): boolean {
    const value = index ?? -1;
    if (this.shared.chosen.value === value) return false;
    this.shared.chosen.value = value;
    return true;
  }

  /** The camera whose image plane is under a point of the screen (-1..1), nearest first. */
  pick(point: THREE.Vector2, camera: THREE.Camera): number | null {
    if (!this.group.visible) return null;
    const raycaster = new THREE.Raycaster();
    raycaster.setFromCamera(point, camera);
    let best: number | null = null;
    let nearest = Number.POSITIVE_INFINITY;
    const hit = new THREE.Vector3();
    this.corners.forEach(([a, b, c, d], i) => {
      if (!a || !b || !c || !d) return;
      const found = raycaster.ray.intersectTriangle(a, b, c, false, hit) ?? raycaster.ray.intersectTriangle(a, c, d, false, hit);
      const distance = found ? found.distanceTo(camera.position) : Number.POSITIVE_INFINITY;
      // Those that have faded out cannot be picked.
      if (distance < nearest && distance > 1.2 * this.shared.size.value) {
        nearest = distance;
        best = this.indices[i] ?? i;
      }
    });
    return best;
  }

  private material(opacity: number): THREE.ShaderMaterial {
    return new THREE.ShaderMaterial({
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
      uniforms: { ...this.shared, opacity: { value: opacity } },
      transparent: true,
      depthTest: false,
      depthWrite: false,
      side: THREE.DoubleSide,
    });
  }
}

class Builder {
  private readonly positions: number[] = [];
  private readonly centres: number[] = [];
  private readonly indices: number[] = [];

  add(index: number, centre: THREE.Vector3, points: readonly THREE.Vector3[]): void {
    for (const point of points) {
      this.positions.push(...point.toArray());
      this.centres.push(...centre.toArray());
      this.indices.push(index);
    }
  }

  geometry(): THREE.BufferGeometry {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(this.positions, 3));
    geometry.setAttribute("centre", new THREE.Float32BufferAttribute(this.centres, 3));
    geometry.setAttribute("index", new THREE.Float32BufferAttribute(this.indices, 1));
    return geometry;
  }
}
