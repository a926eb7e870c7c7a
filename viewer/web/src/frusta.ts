/** The training cameras as wire frames with a faint image plane; those near the eye fade out. */
import * as THREE from "three";
import { Atlas } from "./atlas";
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

const PICTURE_VERTEX = `
attribute vec3 centre;
attribute vec2 place;
uniform float size;
varying vec2 vPlace;
varying float vNear;
void main() {
  vNear = smoothstep(1.2 * size, 3.5 * size, length(cameraPosition - centre));
  vPlace = place;
  gl_Position = projectionMatrix * viewMatrix * vec4(position, 1.0);
}`;
const PICTURE_FRAGMENT = `
uniform sampler2D atlas;
varying vec2 vPlace;
varying float vNear;
void main() {
  vec4 picture = texture2D(atlas, vPlace); // transparent where it has not arrived
  gl_FragColor = vec4(picture.rgb, picture.a * vNear * 0.92);
}`;

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
  private atlas: Atlas | null = null;

  /** `arrived`: pictures of frames have come in; draw again. */
  constructor(private readonly arrived: () => void) {
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
    this.atlas?.dispose();
    this.atlas = null;
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
    this.addPictures(cameras);
    for (const child of this.group.children) child.frustumCulled = false;
  }

  /** The frames themselves on the image planes, far ones first. */
  private addPictures(cameras: CameraEntry[]): void {
    const urls = cameras.map((camera) => camera.thumb);
    if (!urls.some(Boolean)) return;
    const first = cameras[0];
    const atlas = new Atlas(urls, (first?.width ?? 1) / (first?.height ?? 1), this.arrived);
    this.atlas = atlas;
    const centres = cameras.map((camera) => poseOf(camera).position);
    const geometry = new THREE.BufferGeometry();
    const place = (values: number[], size: number) => new THREE.Float32BufferAttribute(values, size);
    geometry.setAttribute("position", place(this.corners.flatMap((corners) => corners.flatMap((corner) => corner.toArray())), 3));
    geometry.setAttribute("centre", place(centres.flatMap((centre) => Array.from({ length: 4 }, () => centre.toArray()).flat()), 3));
    geometry.setAttribute("place", place(cameras.flatMap((_, i) => atlas.corners(i)), 2));
    geometry.setIndex(cameras.flatMap((_, i) => [0, 1, 2, 0, 2, 3].map((corner) => corner + 4 * i)));
    const material = new THREE.ShaderMaterial({
      vertexShader: PICTURE_VERTEX,
      fragmentShader: PICTURE_FRAGMENT,
      uniforms: { size: this.shared.size, atlas: { value: atlas.texture } },
      transparent: true,
      depthTest: false,
      depthWrite: false,
      side: THREE.DoubleSide,
    });
    const mesh = new THREE.Mesh(geometry, material);
    mesh.onBeforeRender = (_renderer, _scene, camera) => {
      // Few quads: sorted anew for each picture.
      const far = centres.map((centre, i) => [centre.distanceToSquared(camera.position), i] as const).sort((a, b) => b[0] - a[0]);
      const index = geometry.getIndex();
      far.forEach(([, i], at) => [0, 1, 2, 0, 2, 3].forEach((corner, j) => index?.setX(6 * at + j, 4 * i + corner)));
      if (index) index.needsUpdate = true;
    };
    this.group.add(mesh);
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
