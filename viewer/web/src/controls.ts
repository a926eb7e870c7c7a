/**
 * Moving about: orbit or fly, by mouse, touch and keyboard, with damping.
 *
 * Input is collected as amounts still to be moved; each step takes a share of what is left, so that a
 * drag moves exactly as far as the pointer did, only smoothly. The camera may stand at any pose (a
 * training camera has roll); turning levels it little by little instead of snapping.
 */
import * as THREE from "three";

/** splatreel's world: -y is up, unless the user says otherwise. */
export const UP: readonly [number, number, number] = [0, -1, 0];
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
/** Per second: how fast the remaining motion is worked off. */
const DAMPING = 14;
const TURN_PER_PIXEL = 0.006;
const LOOK_PER_PIXEL = 0.0035;
const POLE = 0.06;
/** What is left of a motion that nobody sees: a fifth of a pixel, about. */
const DONE = 2e-4;

export type Mode = "orbit" | "fly";

export class Controls {
  mode: Mode = "orbit";
  /** Unit vector that points up in the world. */
  readonly up = new THREE.Vector3(...UP);
  /** False while a drag belongs to something else (a handle of the crop). */
  enabled = true;
  /** Distance from the camera to what it turns around, along its view. */
  distance = 1;
  /** Typical length of the scene; speeds scale with it. */
  scale = 1;
  /** Factor on the speed of keys and wheel. */
  speed = 1;
  /** Called when the user moves; flights stop, and the camera no longer stands at a training camera. */
  moved: () => void = () => {};
  doubleClicked: (x: number, y: number) => void = () => {};
  clicked: (x: number, y: number) => void = () => {};

  private readonly turn = new THREE.Vector2();
  private readonly shift = new THREE.Vector3();
  private zoom = 0;
  private readonly keys = new Set<string>();
  /** Keys pressed since the last step: a short tap counts even when frames are slow. */
  private readonly tapped = new Set<string>();
  private readonly keyVelocity = new THREE.Vector3();
  private readonly keyTurn = new THREE.Vector2();
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private travelled = 0;
  private panning = false;
  private lastTap = { time: 0, x: 0, y: 0 };

  constructor(
    private readonly camera: THREE.PerspectiveCamera,
    private readonly element: HTMLElement,
    private readonly invalidate: () => void,
  ) {
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    element.addEventListener("pointerup", (event) => this.release(event));
    element.addEventListener("pointercancel", (event) => this.release(event));
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("keyup", (event) => this.keys.delete(event.code));
    addEventListener("blur", () => this.keys.clear());
  }

  get target(): THREE.Vector3 {
    return this.forward().multiplyScalar(this.distance).add(this.camera.position);
  }

  /** Forget all motion under way. */
  stop(): void {
    this.turn.set(0, 0);
    this.shift.set(0, 0, 0);
    this.zoom = 0;
    this.keyVelocity.set(0, 0, 0);
    this.keyTurn.set(0, 0);
  }

  /** A key that moves; true when it was one. Shift and an arrow turns. */
  keyDown(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const turns = event.shiftKey && event.code.startsWith("Arrow");
    if (!turns && !["KeyW", "KeyA", "KeyS", "KeyD", "KeyQ", "KeyE"].includes(event.code)) {
      if (event.key !== "+" && event.key !== "=" && event.key !== "-") return false;
      this.zoom += event.key === "-" ? -0.25 : 0.25;
      this.begin();
      return true;
    }
    this.keys.add(event.code);
    this.tapped.add(event.code);
    this.begin();
    return true;
  }

  /** One step; true while anything moves. */
  step(seconds: number): boolean {
    const share = CALM.matches ? 1 : 1 - Math.exp(-DAMPING * seconds);
    this.stepKeys(seconds, share);
    const turn = this.turn.clone().multiplyScalar(share);
    const shift = this.shift.clone().multiplyScalar(share);
    const zoom = this.zoom * share;
    this.turn.sub(turn);
    this.shift.sub(shift);
    this.zoom -= zoom;
    if (turn.lengthSq() > 0) this.rotate(turn);
    this.camera.position.add(shift.applyQuaternion(this.camera.quaternion));
    if (this.mode === "fly") {
      this.camera.position.addScaledVector(this.forward(), zoom * this.distance);
    } else {
      const after = Math.min(1e4 * this.scale, Math.max(1e-3 * this.scale, this.distance * Math.exp(-zoom)));
      this.camera.position.addScaledVector(this.forward(), this.distance - after);
      this.distance = after;
    }
    const left = this.turn.length() + this.shift.length() / this.scale + Math.abs(this.zoom);
    if (left < DONE) {
      this.turn.set(0, 0);
      this.shift.set(0, 0, 0);
      this.zoom = 0;
    }
    const keys = this.keyVelocity.length() + this.keyTurn.length();
    return left >= DONE || keys > 1e-3 || this.keys.size > 0;
  }

  private stepKeys(seconds: number, share: number): void {
    const on = (code: string) => (this.keys.has(code) || this.tapped.has(code) ? 1 : 0);
    const wanted = new THREE.Vector3(on("KeyD") - on("KeyA"), on("KeyE") - on("KeyQ"), on("KeyS") - on("KeyW"));
    const turning = new THREE.Vector2(on("ArrowLeft") - on("ArrowRight"), on("ArrowUp") - on("ArrowDown"));
    this.keyVelocity.lerp(wanted, share);
    this.keyTurn.lerp(turning, share);
    this.tapped.clear();
    if (this.keys.size === 0 && this.keyVelocity.length() + this.keyTurn.length() < 1e-3) {
      this.keyVelocity.set(0, 0, 0);
      this.keyTurn.set(0, 0);
      return;
    }
    const pace = 0.8 * this.scale * this.speed * seconds;
    this.camera.position.add(this.keyVelocity.clone().multiplyScalar(pace).applyQuaternion(this.camera.quaternion));
    const angle = this.keyTurn.clone().multiplyScalar(1.2 * seconds);
    // The arrow says where to look; in orbit the camera then goes the other way round.
    if (angle.lengthSq() > 0) this.rotate(this.mode === "fly" ? angle : angle.multiplyScalar(-1));
  }

  /** Turn about the world's up axis (x) and the camera's right axis (y), radians. */
  private rotate(angle: THREE.Vector2): void {
    const { camera } = this;
    const pivot = this.mode === "orbit" ? this.target : camera.position.clone();
    const elevation = Math.asin(THREE.MathUtils.clamp(this.forward().dot(this.up), -1, 1));
    const limit = Math.PI / 2 - POLE;
    const pitch = THREE.MathUtils.clamp(elevation + angle.y, Math.min(-limit, elevation), Math.max(limit, elevation)) - elevation;
    const right = new THREE.Vector3(1, 0, 0).applyQuaternion(camera.quaternion);
    const rotation = new THREE.Quaternion().setFromAxisAngle(this.up, angle.x);
    rotation.multiply(new THREE.Quaternion().setFromAxisAngle(right, pitch));
    camera.quaternion.premultiply(rotation).normalize();
    this.level(Math.min(1, 2 * angle.length()));
    if (this.mode === "orbit") camera.position.copy(pivot).addScaledVector(this.forward(), -this.distance);
  }

  private level(share: number): void {
    const forward = this.forward();
    if (Math.abs(forward.dot(this.up)) > 0.98) return; // straight up or down has no level
    const upright = new THREE.Matrix4().lookAt(new THREE.Vector3(), forward, this.up);
    this.camera.quaternion.slerp(new THREE.Quaternion().setFromRotationMatrix(upright), share);
    // The slerp must not change where the camera looks, only its roll.
    this.camera.quaternion.premultiply(new THREE.Quaternion().setFromUnitVectors(this.forward(), forward)).normalize();
  }

  private forward(): THREE.Vector3 {
    return new THREE.Vector3(0, 0, -1).applyQuaternion(this.camera.quaternion);
  }

  private begin(): void {
    this.moved();
    this.invalidate();
  }

  private down(event: PointerEvent): void {
    if (!this.enabled) return;
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.pointers.size === 1) this.travelled = 0;
    this.panning = event.button > 0 || event.shiftKey;
  }

  private move(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.enabled) return;
    const dx = event.clientX - before.x;
    const dy = event.clientY - before.y;
    this.travelled += Math.abs(dx) + Math.abs(dy);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.travelled < 4) return; // a click with an unsteady hand
    const other = others[0];
    if (other) {
      const distance = (x: number, y: number) => Math.max(20, Math.hypot(x - other.x, y - other.y));
      this.zoom += Math.log(distance(event.clientX, event.clientY) / distance(before.x, before.y));
      this.pan(dx / 2, dy / 2);
    } else if (this.panning) {
      this.pan(dx, dy);
    } else if (this.mode === "orbit") {
      this.turn.add(new THREE.Vector2(-dx, -dy).multiplyScalar(TURN_PER_PIXEL));
    } else {
      // A mouse points where to look; a finger drags the world.
      const sign = event.pointerType === "touch" ? 1 : -1;
      this.turn.add(new THREE.Vector2(dx, dy).multiplyScalar(sign * LOOK_PER_PIXEL));
    }
    this.begin();
  }

  private pan(dx: number, dy: number): void {
    const worldPerPixel = (2 * Math.tan(THREE.MathUtils.degToRad(this.camera.fov) / 2) * this.distance) / this.element.clientHeight;
    this.shift.add(new THREE.Vector3(-dx, dy, 0).multiplyScalar(worldPerPixel));
  }

  private release(event: PointerEvent): void {
    if (!this.pointers.delete(event.pointerId) || this.travelled >= 4 || event.type !== "pointerup" || event.button > 0) return;
    const { clientX: x, clientY: y, timeStamp: time } = event;
    const near = Math.hypot(x - this.lastTap.x, y - this.lastTap.y) < 12;
    const double = near && time - this.lastTap.time < 350;
    this.lastTap = { time: double ? 0 : time, x, y };
    (double ? this.doubleClicked : this.clicked)(x, y);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1);
    // Trackpad pinches come as small wheel events with ctrl.
    this.zoom -= THREE.MathUtils.clamp(pixels, -300, 300) * (event.ctrlKey ? 0.008 : 0.0012);
    this.begin();
  }
}
