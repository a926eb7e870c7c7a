/** The crop in the scene: its outline, and handles to move, turn and size it. */
import * as THREE from "three";
import { TransformControls } from "three/addons/controls/TransformControls.js";
import type { Controls } from "./controls";
import type { Crop, Triple } from "./edits";
import type { Stage } from "./stage";

export type Handle = "translate" | "rotate" | "scale";

export class CropBox {
  /** The user has dragged a handle. */
  dragged: (crop: Crop) => void = () => {};
  /** The drag has ended. */
  released: () => void = () => {};
  private readonly body = new THREE.Group();
  private readonly gizmo: TransformControls;
  private readonly outlines: Record<Crop["shape"], THREE.LineSegments>;
  private crop: Crop | null = null;

  constructor(stage: Stage, controls: Controls) {
    const material = new THREE.LineBasicMaterial({ color: 0xffb454, depthTest: false, transparent: true, opacity: 0.9 });
    this.outlines = {
      box: new THREE.LineSegments(new THREE.EdgesGeometry(new THREE.BoxGeometry(1, 1, 1)), material),
      sphere: new THREE.LineSegments(rings(), material),
    };
    this.body.add(this.outlines.box, this.outlines.sphere);
    for (const outline of this.body.children) outline.frustumCulled = false;
    this.body.visible = false;
    this.gizmo = new TransformControls(stage.camera, stage.canvas);
    this.gizmo.setSize(0.8);
    this.gizmo.setSpace("local");
    stage.extras.add(this.body, this.gizmo.getHelper());
    this.gizmo.addEventListener("change", () => {
      // Over a handle, a drag is the handle's.
      controls.enabled = !this.gizmo.axis;
      stage.invalidate();
    });
    this.gizmo.addEventListener("objectChange", () => {
      const now = this.read();
      if (now) this.dragged(now);
    });
    this.gizmo.addEventListener("mouseUp", () => this.released());
  }

  setHandle(handle: Handle): void {
    this.gizmo.setMode(handle);
  }

  /** `editing`: with outline and handles. */
  set(crop: Crop | null, editing: boolean): void {
    this.crop = crop;
    this.body.visible = crop !== null && editing;
    if (!crop || !editing) {
      this.gizmo.detach();
      return;
    }
    if (!this.gizmo.dragging) {
      this.body.position.fromArray(crop.centre);
      this.body.quaternion.fromArray(crop.rotation);
      this.body.scale.fromArray(crop.size);
    }
    this.outlines.box.visible = crop.shape === "box";
    this.outlines.sphere.visible = crop.shape === "sphere";
    if (this.gizmo.object !== this.body) this.gizmo.attach(this.body);
  }

  private read(): Crop | null {
    if (!this.crop) return null;
    const { position, quaternion, scale } = this.body;
    const size = scale.toArray().map((length) => Math.max(1e-4, Math.abs(length))) as Triple;
    return { ...this.crop, centre: position.toArray() as Triple, rotation: quaternion.toArray() as Crop["rotation"], size };
  }
}

/** Three great circles of a sphere of diameter 1. */
function rings(): THREE.BufferGeometry {
  const points: THREE.Vector3[] = [];
  const n = 64;
  for (let axis = 0; axis < 3; axis++) {
    for (let i = 0; i < n; i++) {
      for (const j of [i, i + 1]) {
        const angle = (2 * Math.PI * j) / n;
        const point = [0.5 * Math.cos(angle), 0.5 * Math.sin(angle)];
        point.splice(axis, 0, 0);
        points.push(new THREE.Vector3(...(point as Triple)));
      }
    }
  }
  return new THREE.BufferGeometry().setFromPoints(points);
}
