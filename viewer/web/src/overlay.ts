/** Points picked in the scene, and the lengths between them, drawn over the picture. */
import * as THREE from "three";
import { element } from "./ui";

const SVG = "http://www.w3.org/2000/svg";

export class Overlay {
  private points: THREE.Vector3[] = [];
  private label = "";
  private readonly root = element<HTMLElement>("overlay");
  private readonly line = document.createElementNS(SVG, "polyline");
  private readonly text = document.createElementNS(SVG, "text");
  private readonly dots: SVGCircleElement[] = [];

  constructor() {
    this.root.append(this.line, this.text);
  }

  set(points: THREE.Vector3[], label: string): void {
    this.points = points;
    this.label = label;
    while (this.dots.length < points.length) {
      const dot = document.createElementNS(SVG, "circle");
      dot.setAttribute("r", "5");
      this.dots.push(dot);
      this.root.append(dot);
    }
  }

  /** Place everything for the present view. */
  place(camera: THREE.Camera, width: number, height: number): void {
    this.root.toggleAttribute("hidden", this.points.length === 0);
    if (this.points.length === 0) return;
    const behind = new THREE.Vector3();
    const shown = this.points.map((point) => {
      const ahead = behind.copy(point).applyMatrix4(camera.matrixWorldInverse).z < 0;
      const on = point.clone().project(camera);
      return ahead ? ([((on.x + 1) / 2) * width, ((1 - on.y) / 2) * height] as const) : null;
    });
    this.dots.forEach((dot, i) => {
      const at = shown[i];
      dot.toggleAttribute("hidden", !at);
      if (at) {
        dot.setAttribute("cx", String(at[0]));
        dot.setAttribute("cy", String(at[1]));
      }
    });
    const whole = shown.every(Boolean);
    this.line.setAttribute("points", whole ? shown.map((at) => at?.join(",")).join(" ") : "");
    const [a, b] = [shown[0], shown.at(-1)];
    this.text.textContent = whole && this.points.length > 1 ? this.label : "";
    if (a && b) {
      this.text.setAttribute("x", String((a[0] + b[0]) / 2));
      this.text.setAttribute("y", String((a[1] + b[1]) / 2 - 9));
    }
  }
}
