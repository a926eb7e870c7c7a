/** The canvas: draws only when something has changed, and can take exact pictures. */
import type { SparkRenderer } from "@sparkjsdev/spark";
import * as THREE from "three";
import { type Lens, PinholeCamera, type Pose, type View, viewOf } from "./lens";
import { Quality } from "./quality";
import { makeSpark, matchResolution } from "./spark";
import { Problem } from "./types";

/** Still for this long: sort once more for exactly this view. */
const SETTLE_MS = 120;

export class Stage {
  readonly renderer: THREE.WebGLRenderer;
  readonly scene = new THREE.Scene();
  /** Frusta and other things that are not part of the picture. */
  readonly extras = new THREE.Group();
  readonly camera = new PinholeCamera(55, 1, 0.01, 1000);
  readonly spark: SparkRenderer;
  readonly quality = new Quality();
  /** Frames drawn so far. */
  frames = 0;
  /** Moves the camera by one step; true while there is more to do. */
  step: (seconds: number) => boolean = () => false;
  /** After each frame drawn. */
  drawn: () => void = () => {};
  /** Shared focal length of the lens on show, in its pixels; null: no training camera to match. */
  trainingFocal: number | null = null;
  /** Size of the pictures at training over that of the lens. */
  trainedScale = 1;

  /** A frame is due, or the sorting that leads to one is under way. */
  get busy(): boolean {
    return this.scheduled || this.spark.sorting || this.spark.sortDirty;
  }

  private scheduled = false;
  private paused = false;
  private last = 0;
  private settleTimer = 0;

  constructor(readonly canvas: HTMLCanvasElement) {
    if (!canvas.getContext("webgl2", { antialias: false, alpha: false })) {
      throw new Problem(
        "This browser offers no WebGL 2, which is needed to draw splats.",
        "Turn on hardware acceleration in the browser's settings, or try a current Firefox, Chrome, Edge or Safari.",
      );
    }
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: false, alpha: false });
    this.spark = makeSpark(this.renderer, () => this.invalidate());
    this.scene.add(this.spark, this.extras);
  }

  setBackground(colour: string): void {
    this.renderer.setClearColor(new THREE.Color(colour));
    this.invalidate();
  }

  copyBackground(other: Stage): void {
    this.renderer.setClearColor(other.renderer.getClearColor(new THREE.Color()));
  }

  /** Draw what another stage shows, through the same eye and a view of one's own. */
  follow(other: Stage, view: View): void {
    const { width, height } = other.size;
    this.camera.near = other.camera.near;
    this.camera.far = other.camera.far;
    this.setPose(other.pose());
    this.camera.setView(view, width, height);
    this.trainingFocal = other.trainingFocal;
    this.trainedScale = other.trainedScale;
    this.usePixels(other.renderer.getPixelRatio());
    this.draw();
    this.settleSoon();
  }

  resize(width: number, height: number): void {
    this.renderer.setPixelRatio(this.quality.ratio(false));
    this.renderer.setSize(width, height, false);
    this.invalidate();
  }

  get size(): { width: number; height: number } {
    const size = this.renderer.getSize(new THREE.Vector2());
    return { width: size.x, height: size.y };
  }

  /** Draw again at the next chance. */
  invalidate(): void {
    if (this.scheduled || this.paused) return;
    this.scheduled = true;
    requestAnimationFrame((now) => this.tick(now));
  }

  private tick(now: number): void {
    this.scheduled = false;
    if (this.paused) return;
    const passed = this.last ? now - this.last : null;
    const moving = this.step(Math.min(0.2, passed === null ? 1 / 60 : passed / 1000));
    this.quality.frame(passed);
    this.last = moving ? now : 0;
    this.usePixels(this.quality.ratio(moving || !this.sharp));
    this.draw();
    this.drawn();
    clearTimeout(this.settleTimer);
    if (moving) this.invalidate();
    else this.settleSoon();
  }

  /** Make the picture final, unless it is or something comes before. */
  private settleSoon(): void {
    clearTimeout(this.settleTimer);
    if (!this.sharp || !this.sortedExactly()) this.settleTimer = window.setTimeout(() => void this.settle(), SETTLE_MS);
  }

  /** As many pixels as a still picture has? */
  private get sharp(): boolean {
    return this.renderer.getPixelRatio() === this.quality.ratio(false);
  }

  private usePixels(ratio: number): void {
    if (this.renderer.getPixelRatio() !== ratio) this.renderer.setPixelRatio(ratio);
  }

  /** Draw now. */
  draw(): void {
    const k = this.trainingFocal ? (this.camera.view_.fy * this.renderer.getPixelRatio()) / (this.trainingFocal * this.trainedScale) : 1;
    matchResolution(this.spark, k, !this.sharp && !this.paused);
    this.camera.updateMatrixWorld();
    // Colours for this view are worked out once per sorting, not for every frame until it is done.
    if (!this.paused) this.spark.autoUpdate = !this.spark.sorting && !this.spark.sortDirty;
    this.renderer.render(this.scene, this.camera);
    this.frames++;
  }

  /** Spark sorts anew only after a move it finds large enough; is its order exactly this view's? */
  private sortedExactly(): boolean {
    const { spark, camera } = this;
    if (spark.sorting || spark.sortDirty) return true; // it will ask for a frame when done
    const direction = camera.getWorldDirection(new THREE.Vector3());
    return spark.sortedCenter.distanceTo(camera.position) < 1e-7 && spark.sortedDir.distanceTo(direction) < 1e-6;
  }

  /** Sort for exactly the present view and draw; resolves when the picture is final. */
  async settle(): Promise<void> {
    await this.sort();
    if (this.paused) return;
    if (this.last === 0) this.usePixels(this.quality.ratio(false)); // else it moves again
    this.draw();
    this.drawn();
  }

  private async sort(): Promise<void> {
    const { spark, scene, camera } = this;
    const idle = async () => {
      while (spark.sorting || spark.sortDirty) await new Promise((resolve) => setTimeout(resolve, 4));
    };
    camera.updateMatrixWorld();
    await idle();
    await spark.update({ scene, camera });
    await idle();
  }

  /** The splats alone, as seen through a lens at its own resolution or another. */
  async capture(pose: Pose, lens: Lens, width: number, height: number, background?: string): Promise<string> {
    const before = { pose: this.pose(), view: this.camera.view_, size: this.size, focal: this.trainingFocal };
    const clear = this.renderer.getClearColor(new THREE.Color());
    this.paused = true;
    clearTimeout(this.settleTimer);
    this.spark.autoUpdate = false;
    this.extras.visible = false;
    try {
      if (background) this.setBackground(background);
      this.renderer.setPixelRatio(1);
      this.renderer.setSize(width, height, false);
      this.setPose(pose);
      this.camera.setView(viewOf(lens, { x: 0, y: 0, width, height }), width, height);
      this.trainingFocal &&= lens.fy;
      await this.sort();
      this.draw();
      return this.canvas.toDataURL("image/png"); // right after drawing, while the buffer still holds it
    } finally {
      this.renderer.setClearColor(clear);
      this.extras.visible = true;
      this.spark.autoUpdate = true;
      this.trainingFocal = before.focal;
      this.setPose(before.pose);
      this.camera.setView(before.view, before.size.width, before.size.height);
      this.paused = false;
      this.resize(before.size.width, before.size.height);
    }
  }

  pose(): Pose {
    return { position: this.camera.position.clone(), quaternion: this.camera.quaternion.clone() };
  }

  setPose(pose: Pose): void {
    this.camera.position.copy(pose.position);
    this.camera.quaternion.copy(pose.quaternion);
    this.camera.updateMatrixWorld();
  }
}
