/** Picking points on surfaces: two to measure a length, three on the ground to find what is up. */
import * as THREE from "three";
import type { Overlay } from "./overlay";

export type ProbeMode = "off" | "measure" | "ground";
const NEEDED = { off: 0, measure: 2, ground: 3 } as const;

export class Probe {
  mode: ProbeMode = "off";
  metresPerUnit: number | null = null;
  changed: () => void = () => {};
  /** Three points of the ground have been picked; the normal points to the side of the eye. */
  groundFound: (up: THREE.Vector3) => void = () => {};
  private points: THREE.Vector3[] = [];

  constructor(private readonly overlay: Overlay) {}

  set(mode: ProbeMode): void {
    this.mode = this.mode === mode ? "off" : mode;
    this.points = [];
    this.show();
  }

  /** World units between the two points; null: not both are there. */
  get length(): number | null {
    const [a, b] = this.points;
    return this.mode === "measure" && a && b ? a.distanceTo(b) : null;
  }

  pick(point: THREE.Vector3, eye: THREE.Vector3): void {
    if (this.points.length >= NEEDED[this.mode]) this.points = [];
    this.points.push(point);
    const [a, b, c] = this.points;
    if (this.mode === "ground" && a && b && c) {
      const up = b.clone().sub(a).cross(c.clone().sub(a)).normalize();
      if (up.dot(eye.clone().sub(a)) < 0) up.negate();
      this.mode = "off";
      this.points = [];
      if (up.lengthSq() > 0.5) this.groundFound(up);
    }
    this.show();
  }

  /** What to do next, or the result. */
  get sentence(): string {
    const { length } = this;
    if (length !== null) return this.inWords(length);
    if (this.mode === "ground") return `Click three points of the ground (${this.points.length} of 3).`;
    if (this.mode === "measure") return this.points.length ? "Click the other end." : "Click one end of what to measure.";
    return "";
  }

  inWords(units: number): string {
    if (!this.metresPerUnit) return `${units.toPrecision(3)} units`;
    const metres = units * this.metresPerUnit;
    return metres < 1 ? `${(100 * metres).toPrecision(3)} cm` : `${metres.toPrecision(3)} m`;
  }

  show(): void {
    this.overlay.set(this.points, this.length === null ? "" : this.inWords(this.length));
    this.changed();
  }
}
