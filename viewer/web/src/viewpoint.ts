/** Where the eye is: at a training camera, on its way to one, on the time line between two, or anywhere. */
import * as THREE from "three";
import { Controls } from "./controls";
import { type Flight, fly, lookAt } from "./flight";
import { DEFAULT_LENS, type Lens, type Pose, poseOf, type Rect, viewOf } from "./lens";
import type { Splats } from "./splats";
import type { Stage } from "./stage";
import type { CameraEntry } from "./types";

export class Viewpoint {
  readonly controls: Controls;
  flight: Flight | null = null;
  /** Place (in the manifest) of the camera that the view stands at exactly, or flies to. */
  standing: number | null = null;
  lens: Lens = DEFAULT_LENS;
  home: Pose = { position: new THREE.Vector3(0, 0, -2), quaternion: new THREE.Quaternion() };
  /** Where the whole frame lies on the page. */
  rect: () => Rect = () => ({ x: 0, y: 0, width: innerWidth, height: innerHeight });
  splats: () => Splats | null = () => null;
  /** The user has taken the camera. */
  left: () => void = () => {};

  constructor(
    private readonly stage: Stage,
    private readonly cameras: () => CameraEntry[],
  ) {
    this.controls = new Controls(stage.camera, stage.canvas, () => stage.invalidate());
    this.controls.moved = () => this.leave();
  }

  /** Fly to a training camera and stand exactly there; false when something came between. */
  async standAt(index: number, seconds = 0.9): Promise<boolean> {
    const camera = this.cameras()[index];
    if (!camera) return false;
    this.standing = index;
    return this.flyTo(poseOf(camera), camera, seconds);
  }

  async flyTo(pose: Pose, lens: Lens, seconds: number): Promise<boolean> {
    this.flight?.cancel();
    this.controls.stop();
    this.setLens(lens);
    const { stage } = this;
    const flight = fly(stage.camera, pose, () => viewOf(this.lens, this.rect()), () => stage.size, seconds);
    this.flight = flight;
    if (seconds <= 0) flight.finish();
    stage.invalidate();
    const arrived = await flight.done;
    if (this.flight === flight) this.flight = null;
    if (arrived) this.setDistance();
    return arrived;
  }

  /** Be at a pose at once, without standing at a camera: what the time line and a camera path do. */
  place(pose: Pose, lens: Lens): void {
    this.flight?.cancel();
    this.flight = null;
    this.standing = null;
    this.controls.stop();
    this.setLens(lens);
    this.stage.setPose(pose);
    this.apply();
  }

  /** Lay the lens onto the page as it is now. */
  apply(): void {
    const { width, height } = this.stage.size;
    if (!this.flight) this.stage.camera.setView(viewOf(this.lens, this.rect()), width, height);
    this.stage.invalidate();
  }

  /** The user moves: no longer at a training camera. */
  leave(): void {
    this.flight?.cancel();
    this.flight = null;
    this.standing = null;
    this.left();
  }

  /** One step of a flight or of the controls; true while there is more. */
  step(seconds: number): boolean {
    if (this.flight) {
      this.flight.step(seconds);
      return true; // one more, to draw what was set on arrival
    }
    return this.controls.step(seconds);
  }

  /** Turn around what lies ahead: the median depth of what the camera sees. */
  setDistance(): void {
    this.controls.distance = this.splats()?.medianDepth(this.stage.camera) ?? this.controls.scale;
    this.stage.invalidate();
  }

  /** Turn around a point, looking at it from a third nearer. */
  focus(point: THREE.Vector3): void {
    const { camera } = this.stage;
    this.leave();
    const forward = camera.getWorldDirection(new THREE.Vector3());
    const depth = Math.max(point.clone().sub(camera.position).dot(forward), camera.near);
    const position = point.clone().addScaledVector(forward, -0.67 * depth);
    void this.flyTo({ position, quaternion: camera.quaternion.clone() }, this.lens, 0.6).then((arrived) => {
      if (arrived) this.controls.distance = 0.67 * depth;
    });
  }

  /** First view, clipping planes and speeds for new splats: from their first camera, or around the bulk. */
  adapt(splats: Splats, first: CameraEntry | undefined): void {
    const { stage, controls } = this;
    if (first) {
      this.home = poseOf(first);
      stage.trainingFocal = first.fy;
      const before = stage.pose();
      stage.setPose(this.home);
      stage.camera.setView(viewOf(first, this.rect()), stage.size.width, stage.size.height);
      controls.scale = splats.medianDepth(stage.camera) ?? splats.bulk().radius;
      stage.setPose(before);
    } else {
      const { centre, radius } = splats.bulk();
      const offset = new THREE.Vector3(0.35, 0, -1).addScaledVector(controls.up, 0.28);
      this.home = lookAt(offset.normalize().multiplyScalar(2.1 * radius).add(centre), centre, controls.up);
      this.lens = DEFAULT_LENS;
      stage.trainingFocal = null;
      controls.scale = radius;
    }
    stage.camera.near = 0.005 * controls.scale;
    stage.camera.far = 1e4 * controls.scale;
    this.apply();
  }

  /** Turn the view upright after the world's up has changed. */
  upright(): void {
    const { camera } = this.stage;
    const forward = camera.getWorldDirection(new THREE.Vector3());
    if (Math.abs(forward.dot(this.controls.up)) > 0.98) return;
    this.leave();
    const pose = lookAt(camera.position.clone(), forward.add(camera.position), this.controls.up);
    void this.flyTo(pose, this.lens, 0.5);
  }

  private setLens(lens: Lens): void {
    this.lens = lens;
    if (this.stage.trainingFocal) this.stage.trainingFocal = lens.fy;
  }
}
