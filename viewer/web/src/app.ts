/** Puts the parts together: what is on show, where the camera stands, and what each control does. */
import * as THREE from "three";
import { Controls, UP } from "./controls";
import { type Flight, fly, lookAt } from "./flight";
import { Frusta } from "./frusta";
import { DEFAULT_LENS, fit, type Lens, openCvMatrix, type Pose, poseOf, type Rect, viewOf } from "./lens";
import { loadManifest } from "./source";
import { Splats } from "./splats";
import { Stage } from "./stage";
import { type CameraEntry, type Manifest, Problem, type SplatEntry } from "./types";
import { describe, element, Messages, Panel, Strip } from "./ui";

const BACKGROUNDS = ["theme", "black", "white"] as const;
/** Narrower or lower than this, panels lie over the picture instead of beside it. */
const ROOMY = matchMedia("(min-width: 900px) and (min-height: 461px)");
const LIGHT = matchMedia("(prefers-color-scheme: light)");

export class App {
  readonly stage: Stage;
  readonly controls: Controls;
  readonly messages: Messages;
  manifest: Manifest = { name: "", splats: [], cameras: [], notes: [] };
  /** On show. */
  splats: Splats | null = null;
  entry: SplatEntry | null = null;
  /** Place (in the manifest) of the camera that the view stands at exactly, or flies to. */
  standing: number | null = null;
  flight: Flight | null = null;

  private readonly panel = new Panel();
  private readonly strip = new Strip();
  private readonly frusta = new Frusta();
  private readonly frame = element("frame");
  private readonly frameImage = element<HTMLImageElement>("frame-image");
  private lens: Lens = DEFAULT_LENS;
  /** Places of the cameras that belong to what is on show. */
  private shown: number[] = [];
  /** The camera last stood at: where the arrow keys go on from. */
  private lastStood: number | null = null;
  private home: Pose = { position: new THREE.Vector3(0, 0, -2), quaternion: new THREE.Quaternion() };
  private background: (typeof BACKGROUNDS)[number] = "theme";
  private camerasWanted = true;
  private loading = new AbortController();

  constructor(messages: Messages) {
    this.messages = messages;
    this.stage = new Stage(element<HTMLCanvasElement>("canvas"));
    this.controls = new Controls(this.stage.camera, this.stage.canvas, () => this.stage.invalidate());
    this.stage.extras.add(this.frusta.group);
    this.stage.step = (seconds) => this.step(seconds);
    this.stage.drawn = () => this.placeFrame();
    this.controls.moved = () => this.leave();
    this.controls.clicked = (x, y) => this.click(x, y);
    this.controls.doubleClicked = (x, y) => this.focus(x, y);
    this.panel.chosen = (entry) => void this.show(entry);
    this.panel.folded = () => this.resize();
    this.strip.chosen = (index) => void this.standAt(index);
    this.strip.mixed = () => this.placeFrame();
    this.bindTools();
    this.stage.canvas.addEventListener("webglcontextlost", () => {
      const lost = new Problem("The browser took the graphics card away, as happens after sleep or when memory is short.");
      this.messages.error(lost, "The picture was lost", () => location.reload());
    });
    this.stage.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.stage.canvas.addEventListener("pointerleave", () => this.hover(null));
    addEventListener("resize", () => this.resize());
    addEventListener("keydown", (event) => this.key(event));
    LIGHT.addEventListener("change", () => this.applyBackground());
    ROOMY.addEventListener("change", () => this.resize());
  }

  async start(): Promise<void> {
    this.manifest = await loadManifest();
    document.title = `${this.manifest.name} · splatreel`;
    this.panel.show(this.manifest);
    if (!ROOMY.matches) this.panel.toggle(false);
    element("tools").hidden = false;
    this.applyBackground();
    this.applyMode();
    const first = this.manifest.splats[0];
    if (first) await this.show(first);
  }

  // -- what is on show ------------------------------------------------------------------------

  /** Load and show splats; what was on show stays until the new ones are ready. */
  async show(entry: SplatEntry): Promise<void> {
    this.loading.abort();
    const loading = new AbortController();
    this.loading = loading;
    this.messages.clear();
    try {
      const quiet = this.splats !== null;
      const progress = (loaded: number, total: number) => this.messages.loading(entry.label.toLowerCase(), loaded, total, quiet);
      const splats = await Splats.load(entry, progress, loading.signal);
      const before = this.entry;
      this.splats?.dispose();
      this.splats = splats;
      this.entry = entry;
      this.stage.scene.add(splats.mesh);
      this.panel.facts(entry, splats.count, this.manifest);
      this.setCameras();
      const sameWorld = before && (before.shot ?? null) === (entry.shot ?? null);
      if (!sameWorld || (this.standing !== null && !this.shown.includes(this.standing))) this.goHome();
      this.messages.loaded();
      await this.stage.settle();
    } catch (error) {
      if (loading.signal.aborted) return;
      this.messages.error(error, `${entry.label} cannot be shown`, () => void this.show(entry));
      if (this.entry && this.splats) this.panel.facts(this.entry, this.splats.count, this.manifest);
    }
  }

  private setCameras(): void {
    const { entry, manifest, splats } = this;
    if (!entry || !splats) return;
    const belongs = (camera: CameraEntry) =>
      entry.chunk !== undefined ? camera.chunks.includes(entry.chunk) : entry.shot == null || camera.shot === entry.shot;
    this.shown = manifest.cameras.flatMap((camera, index) => (belongs(camera) ? [index] : []));
    const cameras = this.shown.flatMap((index) => manifest.cameras[index] ?? []);
    this.strip.set(cameras, this.shown);
    element("cameras").hidden = cameras.length === 0;
    this.resize();
    const first = cameras[0];
    if (first) {
      this.lens = first;
      this.home = poseOf(first);
      this.stage.trainingFocal = first.fy;
      this.stage.setPose(this.home);
      this.applyView();
      this.controls.scale = splats.medianDepth(this.stage.camera) ?? 1;
    } else {
      const { centre, radius } = splats.bulk();
      const offset = new THREE.Vector3(0.35, -0.28, -1).normalize().multiplyScalar(2.1 * radius);
      this.home = lookAt(offset.add(centre), centre, UP);
      this.lens = DEFAULT_LENS;
      this.stage.trainingFocal = null;
      this.controls.scale = radius;
    }
    this.stage.camera.near = 0.005 * this.controls.scale;
    this.stage.camera.far = 1e4 * this.controls.scale;
    this.applyView();
    this.frusta.set(cameras, this.shown, this.frustumSize(cameras));
  }

  /** Small enough that neighbours on the path can be told apart, large enough to be seen. */
  private frustumSize(cameras: CameraEntry[]): number {
    const centres = cameras.map((camera) => poseOf(camera).position);
    const reach = new THREE.Box3().setFromPoints(centres).getSize(new THREE.Vector3()).length();
    return THREE.MathUtils.clamp(reach * 0.06, 0.03 * this.controls.scale, 0.09 * this.controls.scale);
  }

  private applyBackground(): void {
    const theme = getComputedStyle(document.documentElement).getPropertyValue("--canvas").trim();
    const colour = this.background === "theme" ? theme : this.background === "black" ? "#000000" : "#ffffff";
    this.frusta.onLight(this.background === "theme" ? LIGHT.matches : this.background === "white");
    this.stage.setBackground(colour);
    document.body.style.background = colour;
  }

  // -- where the camera is --------------------------------------------------------------------

  /** Fly to a training camera (a place in the manifest) and stand exactly there. */
  async standAt(index: number, seconds = 0.9): Promise<boolean> {
    const camera = this.manifest.cameras[index];
    if (!camera) return false;
    this.standing = index;
    this.lastStood = index;
    this.strip.select(index, camera, true);
    return this.flyTo(poseOf(camera), camera, seconds);
  }

  goHome(seconds = 0): void {
    const first = this.shown[0];
    if (first !== undefined) void this.standAt(first, seconds);
    else void this.flyTo(this.home, DEFAULT_LENS, seconds);
  }

  private async flyTo(pose: Pose, lens: Lens, seconds: number): Promise<boolean> {
    this.flight?.cancel();
    this.controls.stop();
    this.lens = lens;
    if (this.stage.trainingFocal) this.stage.trainingFocal = lens.fy;
    const end = () => viewOf(this.lens, this.frameRect());
    const flight = fly(this.stage.camera, pose, end, () => this.stage.size, seconds);
    this.flight = flight;
    if (seconds <= 0) flight.finish();
    this.stage.invalidate();
    const arrived = await flight.done;
    if (this.flight === flight) this.flight = null;
    if (arrived) this.setDistance();
    return arrived;
  }

  /** Turn around what lies ahead: the median depth of what the camera sees. */
  private setDistance(): void {
    const depth = this.splats?.medianDepth(this.stage.camera);
    if (depth) this.controls.distance = depth;
    else this.controls.distance = this.controls.scale;
    this.stage.invalidate();
  }

  private step(seconds: number): boolean {
    if (this.flight) {
      this.flight.step(seconds);
      return true; // one more, to draw what was set on arrival
    }
    return this.controls.step(seconds);
  }

  /** The user moves: no longer at a training camera. */
  private leave(): void {
    this.flight?.cancel();
    this.flight = null;
    if (this.standing === null) return;
    this.standing = null;
    this.strip.select(this.lastStood, undefined, false);
  }

  private stepCamera(by: number): void {
    if (this.shown.length === 0) return;
    const at = this.shown.indexOf(this.standing ?? this.lastStood ?? -1);
    // From a free view, first go back to the camera one came from.
    const next = this.standing === null && at >= 0 ? at : at + by;
    const index = this.shown[Math.min(this.shown.length - 1, Math.max(0, next))];
    if (index !== undefined) void this.standAt(index, 0.45);
  }

  // -- the page around it -----------------------------------------------------------------------

  resize(): void {
    this.stage.resize(innerWidth, innerHeight);
    this.applyView();
  }

  private applyView(): void {
    const { width, height } = this.stage.size;
    if (!this.flight) this.stage.camera.setView(viewOf(this.lens, this.frameRect()), width, height);
    this.stage.invalidate();
  }

  /** Where the whole training frame fits between the panels. */
  frameRect(): Rect {
    const gap = ROOMY.matches ? 14 : 8;
    let left = 0;
    let right = innerWidth;
    let top = 0;
    let bottom = innerHeight;
    if (!document.body.classList.contains("bare")) {
      const strip = element("strip").getBoundingClientRect();
      const panel = element("panel").getBoundingClientRect();
      if (strip.height) bottom = strip.top - gap;
      if (ROOMY.matches) {
        const tall = panel.height > 80; // folded, it is but a title
        left = tall ? panel.right + gap : gap;
        right = element("tools").getBoundingClientRect().left - gap;
        top = tall ? gap : panel.bottom + gap;
      } else {
        top = 66; // the folded panel; unfolded, it lies over the picture
      }
    }
    return fit(this.lens, { x: left, y: top, width: Math.max(50, right - left), height: Math.max(50, bottom - top) });
  }

  private placeFrame(): void {
    const camera = this.standing === null || this.flight ? undefined : this.manifest.cameras[this.standing];
    this.frame.hidden = !camera;
    this.frusta.group.visible = this.camerasWanted && !camera;
    if (!camera) return;
    const { x, y, width, height } = this.frameRect();
    Object.assign(this.frame.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
    const mix = Number(this.strip.mix.value) / 100;
    const visible = camera.image !== undefined && mix > 0;
    if (visible && this.frameImage.getAttribute("src") !== camera.image) this.frameImage.src = camera.image ?? "";
    this.frameImage.hidden = !visible;
    this.frameImage.style.opacity = String(mix);
  }

  private pointer(x: number, y: number): THREE.Vector2 {
    return new THREE.Vector2((2 * x) / innerWidth - 1, 1 - (2 * y) / innerHeight);
  }

  private hover(event: PointerEvent | null): void {
    const free = event && event.buttons === 0 && event.pointerType !== "touch";
    const index = free ? this.frusta.pick(this.pointer(event.clientX, event.clientY), this.stage.camera) : null;
    const camera = index === null ? undefined : this.manifest.cameras[index];
    const tip = element("tip");
    tip.hidden = !camera;
    if (camera && event) {
      tip.textContent = describe(camera);
      tip.style.left = `${Math.min(event.clientX, innerWidth - 240)}px`;
      tip.style.top = `${event.clientY}px`;
    }
    this.stage.canvas.classList.toggle("on-camera", index !== null);
    if (this.frusta.highlight(index)) this.stage.invalidate();
  }

  private click(x: number, y: number): void {
    const index = this.frusta.pick(this.pointer(x, y), this.stage.camera);
    if (index === null) return;
    element("tip").hidden = true;
    this.frusta.highlight(null);
    void this.standAt(index);
  }

  /** Turn around the surface under the cursor, and look at it. */
  private focus(x: number, y: number): void {
    const raycaster = new THREE.Raycaster();
    raycaster.setFromCamera(this.pointer(x, y), this.stage.camera);
    const { camera } = this.stage;
    const point = this.splats?.pick(raycaster.ray, camera.near);
    if (!point) return;
    this.leave();
    const forward = camera.getWorldDirection(new THREE.Vector3());
    const depth = Math.max(point.clone().sub(camera.position).dot(forward), camera.near);
    // Nearer by a third, with the point in the middle.
    const position = point.clone().addScaledVector(forward, -0.67 * depth);
    void this.flyTo({ position, quaternion: camera.quaternion.clone() }, this.lens, 0.6).then((arrived) => {
      if (arrived) this.controls.distance = 0.67 * depth;
    });
  }

  private bindTools(): void {
    const actions: Record<string, () => void> = {
      mode: () => this.toggleMode(),
      cameras: () => this.toggleCameras(),
      reset: () => this.goHome(0.9),
      background: () => this.nextBackground(),
      picture: () => void this.savePicture(),
      help: () => this.toggleHelp(),
      previous: () => this.stepCamera(-1),
      next: () => this.stepCamera(1),
      "help-close": () => this.toggleHelp(),
    };
    for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);
    if (document.getElementById("embedded-scene")) element("licences").hidden = true; // they are in the file
  }

  private key(event: KeyboardEvent): void {
    const inside = event.target instanceof Element && event.target.closest("input, dialog");
    if (element<HTMLDialogElement>("help-box").open) return event.key === "?" ? this.toggleHelp() : undefined;
    const slider = inside instanceof HTMLInputElement && event.key.startsWith("Arrow");
    if (slider || this.controls.keyDown(event)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions: Record<string, () => void> = {
      arrowleft: () => this.stepCamera(-1),
      arrowright: () => this.stepCamera(1),
      home: () => this.stepCamera(-Infinity),
      end: () => this.stepCamera(Infinity),
      f: () => this.toggleMode(),
      c: () => this.toggleCameras(),
      r: () => this.goHome(0.9),
      b: () => this.nextBackground(),
      p: () => void this.savePicture(),
      i: () => this.panel.toggle(),
      o: () => this.toggleSource(),
      h: () => this.toggleBare(),
      escape: () => this.messages.clear(),
      "?": () => this.toggleHelp(),
    };
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }

  private toggleMode(): void {
    this.controls.mode = this.controls.mode === "orbit" ? "fly" : "orbit";
    if (this.controls.mode === "orbit") this.setDistance();
    this.applyMode();
  }

  private applyMode(): void {
    const flying = this.controls.mode === "fly";
    const button = element("mode");
    button.querySelector("use")?.setAttribute("href", flying ? "#i-fly" : "#i-orbit");
    button.setAttribute("aria-label", flying ? "Flying: switch to orbit" : "Orbiting: switch to fly");
    button.title = flying ? "Flying: drag looks around (F)" : "Orbiting: drag turns around the target (F)";
  }

  private toggleCameras(): void {
    this.camerasWanted = !this.camerasWanted;
    element("cameras").setAttribute("aria-pressed", String(this.camerasWanted));
    this.frusta.group.visible = this.camerasWanted && this.standing === null;
    this.stage.invalidate();
  }

  private nextBackground(): void {
    this.background = BACKGROUNDS[(BACKGROUNDS.indexOf(this.background) + 1) % BACKGROUNDS.length] ?? "theme";
    this.applyBackground();
  }

  private toggleSource(): void {
    this.strip.mix.value = Number(this.strip.mix.value) > 0 ? "0" : "100";
    this.placeFrame();
  }

  private toggleBare(): void {
    document.body.classList.toggle("bare");
    this.resize();
  }

  private toggleHelp(): void {
    const box = element<HTMLDialogElement>("help-box");
    if (box.open) box.close();
    else box.showModal();
  }

  /** What is on screen, without the panels, at the screen's resolution. */
  private async savePicture(): Promise<void> {
    const { width, height } = this.stage.size;
    const { view_: view } = this.stage.camera;
    const scale = this.stage.renderer.getPixelRatio();
    const url = await this.stage.capture(this.stage.pose(), { ...view, width, height }, width * scale, height * scale);
    const link = document.createElement("a");
    const where = this.standing === null ? "view" : `frame-${this.manifest.cameras[this.standing]?.frame}`;
    link.download = `${this.manifest.name}-${where}.png`;
    link.href = url;
    link.click();
  }

  /** Where the camera is, in splatreel's convention. */
  worldFromCamera(): number[] {
    return openCvMatrix(this.stage.pose());
  }
}
