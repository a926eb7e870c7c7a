/** Pointing at things in the picture: cameras to fly to, surfaces to turn around or to measure. */
import * as THREE from "three";
import type { Frusta } from "./frusta";
import type { Probe } from "./probe";
import type { Splats } from "./splats";
import type { Stage } from "./stage";
import { describe } from "./strip";
import type { CameraEntry } from "./types";
import { element } from "./ui";
import type { Viewpoint } from "./viewpoint";

export class Pointing {
  /** A camera was clicked (place in the manifest). */
  chosen: (camera: number) => void = () => {};
  private readonly tip = element("tip");

  constructor(
    private readonly stage: Stage,
    private readonly view: Viewpoint,
    private readonly frusta: Frusta,
    private readonly probe: Probe,
    private readonly seen: { splats: () => Splats | null; camera: (place: number) => CameraEntry | undefined },
  ) {
    const { canvas } = stage;
    view.controls.clicked = (x, y) => this.click(x, y);
    view.controls.doubleClicked = (x, y) => this.doubleClick(x, y);
    canvas.addEventListener("pointermove", (event) => this.hover(event));
    canvas.addEventListener("pointerleave", () => this.hover(null));
  }

  private at(x: number, y: number): THREE.Vector2 {
    return new THREE.Vector2((2 * x) / innerWidth - 1, 1 - (2 * y) / innerHeight);
  }

  private surface(x: number, y: number): THREE.Vector3 | null {
    const raycaster = new THREE.Raycaster();
    raycaster.setFromCamera(this.at(x, y), this.stage.camera);
    return this.seen.splats()?.pick(raycaster.ray, this.stage.camera.near) ?? null;
  }

  private hover(event: PointerEvent | null): void {
    const free = event && event.buttons === 0 && event.pointerType !== "touch" && this.probe.mode === "off";
    const index = free ? this.frusta.pick(this.at(event.clientX, event.clientY), this.stage.camera) : null;
    const camera = index === null ? undefined : this.seen.camera(index);
    this.tip.hidden = !camera;
    if (camera && event) {
      this.tip.textContent = describe(camera);
      this.tip.style.left = `${Math.min(event.clientX, innerWidth - 240)}px`;
      this.tip.style.top = `${event.clientY}px`;
    }
    this.stage.canvas.classList.toggle("on-camera", index !== null);
    this.stage.canvas.classList.toggle("picking", this.probe.mode !== "off");
    if (this.frusta.highlight(index)) this.stage.invalidate();
  }

  private click(x: number, y: number): void {
    if (this.probe.mode !== "off") {
      const point = this.surface(x, y);
      if (point) this.probe.pick(point, this.stage.camera.position);
      this.stage.invalidate();
      return;
    }
    const index = this.frusta.pick(this.at(x, y), this.stage.camera);
    if (index === null) return;
    this.tip.hidden = true;
    this.frusta.highlight(null);
    this.chosen(index);
  }

  private doubleClick(x: number, y: number): void {
    const point = this.probe.mode === "off" ? this.surface(x, y) : null;
    if (point) this.view.focus(point);
  }
}
