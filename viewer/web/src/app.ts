/** Puts the parts together: what is on show at which time, where the camera stands, and what controls do. */
import * as THREE from "three";
import { Commands } from "./commands";
import { Compare } from "./compare";
import { CropBox } from "./crop_box";
import { type Edits, History, NO_EDITS } from "./edits";
import { EditPanel } from "./edit_panel";
import { Frusta } from "./frusta";
import { bindKeys } from "./keys";
import { isLive, laneOf, Layers } from "./layers";
import { DEFAULT_LENS, type Lens, openCvMatrix, poseOf, type Rect } from "./lens";
import { LivePanel } from "./live_panel";
import { Overlay } from "./overlay";
import { lensOf, PathLine, type Shot } from "./path";
import { PathPanel } from "./path_panel";
import { Player } from "./player";
import { Pointing } from "./pointing";
import { Probe } from "./probe";
import { roomBetweenPanels, ROOMY } from "./room";
import { loadManifest, saveEdits } from "./source";
import type { Splats } from "./splats";
import { Stage } from "./stage";
import { Strip } from "./strip";
import { Timeline } from "./timeline";
import { Tracks } from "./tracks";
import { type CameraEntry, type Manifest, Problem, type SplatEntry } from "./types";
import { element, type Messages, Panel } from "./ui";
import { Viewpoint } from "./viewpoint";

const BACKGROUNDS = [null, "#000000", "#ffffff"] as const;
const LIGHT = matchMedia("(prefers-color-scheme: light)");

export class App {
  readonly stage: Stage;
  readonly view: Viewpoint;
  readonly layers: Layers;
  readonly timeline = new Timeline();
  readonly history = new History(NO_EDITS);
  readonly compare: Compare;
  readonly paths: PathPanel;
  readonly player: Player;
  manifest: Manifest = { name: "", splats: [], cameras: [], notes: [] };

  private readonly panel = new Panel();
  private readonly strip: Strip;
  private readonly frusta: Frusta;
  private readonly probe: Probe;
  private readonly overlay = new Overlay();
  private readonly edits: EditPanel;
  private readonly commands: Commands;
  private readonly pathLine = new PathLine();
  readonly tracks = new Tracks();
  readonly live: LivePanel;
  private loading = new AbortController();
  /** The entry whose cameras, time line and first view are set up. */
  private adapted: SplatEntry | null = null;

  constructor(readonly messages: Messages) {
    this.stage = new Stage(element<HTMLCanvasElement>("canvas"));
    this.view = new Viewpoint(this.stage, () => this.manifest.cameras);
    this.layers = new Layers(this.stage.scene);
    this.compare = new Compare(this.stage);
    this.strip = new Strip(this.timeline);
    this.player = new Player(this.timeline, this.layers, this.view, this.strip, this.compare);
    this.frusta = new Frusta(() => this.stage.invalidate());
    this.probe = new Probe(this.overlay);
    this.edits = new EditPanel(this.history, new CropBox(this.stage, this.view.controls), this.probe);
    this.paths = new PathPanel(this.history);
    this.live = new LivePanel();
    this.stage.extras.add(this.frusta.group, this.pathLine.group, this.tracks.group);
    this.commands = new Commands(this, { edit: () => this.edits.toggle(), path: () => this.paths.toggle() });
    this.connect();
    this.bindPage();
  }

  async start(): Promise<void> {
    this.manifest = await loadManifest();
    const { manifest } = this;
    document.title = `${manifest.name} · splatreel`;
    this.panel.show(manifest);
    if (!ROOMY.matches) this.panel.toggle(false);
    element("tools").hidden = false;
    this.history.reset(manifest.edits ?? NO_EDITS);
    this.showPath();
    this.applyBackground();
    if (manifest.live) this.live.connect();
    const first = manifest.splats[0];
    if (first) await this.show(first);
    else this.messages.waiting("Waiting for the first splats");
    const other = manifest.splats.find(({ id }) => id === manifest.compare);
    if (other) await this.setAgainst(other);
  }

  // -- what is on show ------------------------------------------------------------------------

  get splats(): Splats | null {
    return this.layers.current;
  }

  get entry(): SplatEntry | null {
    return this.layers.entry;
  }

  /** Load and show splats; what was on show stays until the new ones are ready. */
  async show(entry: SplatEntry): Promise<void> {
    this.loading.abort();
    const loading = new AbortController();
    this.loading = loading;
    this.messages.clear();
    if (!isLive(entry)) this.timeline.pause();
    const before = this.entry;
    try {
      const quiet = this.splats !== null;
      const progress = (loaded: number, total: number) => {
        // While training, new splats come every other second: no need to say so each time.
        if (!quiet || !isLive(entry)) this.messages.loading(entry.label.toLowerCase(), loaded, total, quiet);
      };
      const lane = laneOf(entry, this.manifest, (frame) => this.player.timeOf(frame));
      await this.layers.show(entry, lane, progress, loading.signal);
      this.setUp(entry, before);
      this.messages.loaded();
      await this.stage.settle();
    } catch (error) {
      if (loading.signal.aborted) return;
      this.notShown(entry, error);
      if (before && this.splats) this.panel.facts(before, this.splats.count, this.manifest);
    }
  }

  /** Cameras, time line, first view and panels for what is on show now. */
  private setUp(entry: SplatEntry, before: SplatEntry | null): void {
    const { splats, manifest, player, view } = this;
    if (!splats) return;
    this.adapted = entry;
    const known = before !== null && (before.shot ?? null) === (entry.shot ?? null);
    player.setUp(entry, known);
    this.stage.trainedScale = manifest.trained_scale ?? 1;
    this.resize();
    const places = this.setCameras(entry, splats);
    const most = splats.largestExtent(0.0005);
    this.edits.extents = [most / 200, most];
    this.applyEdits();
    this.panel.facts(entry, splats.count, manifest);
    const lost = view.standing !== null && !places.includes(view.standing);
    if (!known || lost) this.goHome();
  }

  /** The cameras that see these splats, and what follows from them; returns their places in the manifest. */
  private setCameras(entry: SplatEntry, splats: Splats): number[] {
    const places = this.player.places(entry);
    const cameras = places.flatMap((place) => this.manifest.cameras[place] ?? []);
    element("cameras").hidden = cameras.length === 0;
    for (const id of ["moving", "tracks"]) element(id).hidden = !this.layers.moves;
    this.view.adapt(splats, cameras[0]);
    this.frusta.set(cameras, places, this.frustumSize(cameras));
    return places;
  }

  /** Playing has come to the splats of another chunk, shot or moment. */
  private entered(entry: SplatEntry): void {
    const { splats } = this;
    const before = this.adapted;
    this.adapted = entry;
    if (!splats) return;
    if (this.manifest.kind !== "sequence") this.panel.facts(entry, splats.count, this.manifest);
    if ((entry.shot ?? 0) !== (before?.shot ?? 0)) this.setCameras(entry, splats);
  }

  /** The files have changed (trained on, trained anew): show what is there now, from the same view. */
  async refresh(): Promise<void> {
    const { entry } = this;
    const fresh = await this.manifestAnew(entry);
    const same = entry && fresh && fresh.version === entry.version && fresh.bytes === entry.bytes;
    if (fresh && !same) {
      this.layers.forget();
      await this.show(fresh);
    } else if (entry && fresh && this.splats) this.panel.facts(fresh, this.splats.count, this.manifest);
  }

  /** Read the manifest again; what it has now in the place of these splats. */
  private async manifestAnew(entry: SplatEntry | null): Promise<SplatEntry | undefined> {
    this.manifest = await loadManifest();
    this.panel.show(this.manifest);
    return this.manifest.splats.find(({ id }) => id === entry?.id) ?? this.manifest.splats[0];
  }

  /** Say so, and let the user try again with what the files are by then: the manifest may have known what was wrong. */
  private notShown(entry: SplatEntry, error: unknown): void {
    this.messages.error(error, `${entry.label} cannot be shown`, () => {
      this.manifestAnew(entry)
        .then((fresh) => this.show(fresh ?? entry))
        .catch((again: unknown) => this.notShown(entry, again));
    });
  }

  private async setAgainst(entry: SplatEntry | null): Promise<void> {
    try {
      await this.compare.setAgainst(entry);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return; // something else was chosen
      this.messages.error(error, `${entry?.label ?? "It"} cannot be shown`, null);
    }
    this.panel.against(this.compare.against);
  }

  // -- edits ------------------------------------------------------------------------------------

  private applyEdits(): void {
    const { now } = this.history;
    this.layers.applyEdits(now, this.edits.ghosts);
    this.tracks.forget();
    this.edits.count(this.splats?.hiddenCount ?? 0, this.splats?.count ?? 0);
    this.stage.invalidate();
  }

  private editsChanged(now: Edits, before: Edits): void {
    if (now.crop !== before.crop || now.min_opacity !== before.min_opacity || now.max_extent !== before.max_extent) this.applyEdits();
    const { controls } = this.view;
    if (now.up !== before.up) {
      controls.up.fromArray(now.up ?? [0, -1, 0]);
      if (this.splats) this.view.upright();
    }
    this.probe.metresPerUnit = now.metres_per_unit;
    this.probe.show();
    if (now.background !== before.background) this.applyBackground();
    if (now.path !== before.path) this.showPath();
    this.edits.show(now);
    this.edits.showState(this.manifest.editable ?? false);
    this.stage.invalidate();
  }

  private showPath(): void {
    const { path } = this.history.now;
    this.pathLine.set(path);
    this.paths.show(path, this.manifest.editable ?? false);
  }

  async save(): Promise<void> {
    if (!this.manifest.editable || !this.history.dirty) return;
    const { now } = this.history;
    try {
      const where = await saveEdits(now, this.entry?.id ?? "");
      this.history.markSaved(now);
      this.edits.showState(true, `Saved: ${where}`);
    } catch (error) {
      this.edits.showState(true, error instanceof Error ? error.message : String(error));
    }
  }

  applyBackground(): void {
    const theme = getComputedStyle(document.documentElement).getPropertyValue("--canvas").trim();
    const own = this.history.now.background;
    const colour = own ?? theme;
    const { r, g, b } = new THREE.Color(colour);
    this.frusta.onLight(own ? r + g + b > 1.5 : LIGHT.matches);
    this.stage.setBackground(colour);
    this.compare.setBackground(colour);
    document.body.style.background = colour;
    this.strip.drawBars();
  }

  nextBackground(): void {
    const at = BACKGROUNDS.indexOf(this.history.now.background as null);
    this.history.push({ background: BACKGROUNDS[(at + 1) % BACKGROUNDS.length] ?? null });
  }

  // -- the view ---------------------------------------------------------------------------------

  goHome(seconds = 0): void {
    const first = this.timeline.ticks.find(({ camera, shot }) => camera !== null && (this.adapted?.shot == null || shot === this.adapted.shot));
    if (first?.camera != null) void this.player.standAt(first.camera, seconds);
    else void this.view.flyTo(this.view.home, DEFAULT_LENS, seconds);
  }

  togglePlay(): void {
    if (this.paths.playing) this.paths.stop();
    else this.player.toggle();
  }

  private step(seconds: number): boolean {
    const path = this.paths.step(seconds);
    const clock = this.timeline.advance(seconds);
    const moving = this.view.step(seconds) || clock || path;
    // Not over a comparison with the source frame: they are no part of the render.
    this.tracks.show(this.commands.tracksShown && this.compare.mode === "off" ? this.splats : null, this.timeline.time);
    return moving;
  }

  resize(): void {
    document.documentElement.style.setProperty("--bottom", `${element("strip").offsetHeight}px`);
    this.stage.resize(innerWidth, innerHeight);
    this.compare.resize();
    this.view.apply();
  }

  /** Where the whole training frame fits between the panels. */
  frameRect(): Rect {
    return this.rects().main;
  }

  private rects(): { main: Rect; other: Rect } {
    const { lens, standing } = this.view;
    const camera = this.manifest.cameras[standing ?? this.timeline.tick?.camera ?? -1];
    return this.compare.rooms(roomBetweenPanels(), lens, standing !== null || this.timeline.playing ? camera : undefined);
  }

  private drawn(): void {
    const { main, other } = this.rects();
    const at = this.view.flight ? undefined : this.player.at;
    this.compare.place(at, main, other);
    this.frusta.group.visible = this.commands.camerasShown && !at && !this.paths.playing;
    this.pathLine.group.visible = this.paths.open && !this.paths.playing;
    const { width, height } = this.stage.size;
    this.overlay.place(this.stage.camera, width, height);
  }

  /** Small enough that neighbours on the path can be told apart, large enough to be seen. */
  private frustumSize(cameras: CameraEntry[]): number {
    const reach = new THREE.Box3().setFromPoints(cameras.map((camera) => poseOf(camera).position)).getSize(new THREE.Vector3()).length();
    const { scale } = this.view.controls;
    return THREE.MathUtils.clamp(reach * 0.06, 0.03 * scale, 0.09 * scale);
  }

  private shotNow(): Shot {
    const { main } = this.rects();
    return { pose: this.stage.pose(), focal: this.stage.camera.view_.fy / main.height };
  }

  private visit({ pose, focal }: Shot, seconds: number): void {
    const { width, height } = this.view.lens;
    const lens: Lens = lensOf(focal, width, height);
    if (seconds > 0) {
      this.view.leave();
      void this.view.flyTo(pose, lens, seconds);
    } else this.view.place(pose, lens);
  }

  // -- wiring -------------------------------------------------------------------------------------

  private connect(): void {
    const { stage, view, layers, timeline, player, edits, paths } = this;
    const pointing = new Pointing(stage, view, this.frusta, this.probe, {
      splats: () => this.splats,
      camera: (place) => this.manifest.cameras[place],
    });
    stage.step = (seconds) => this.step(seconds);
    stage.drawn = () => this.drawn();
    view.rect = () => this.frameRect();
    view.splats = () => this.splats;
    view.left = () => {
      paths.stop();
      player.left();
    };
    player.manifest = () => this.manifest;
    player.entered = (entry) => this.entered(entry);
    player.moved = () => stage.invalidate();
    pointing.chosen = (place) => void player.standAt(place);
    layers.failed = (entry, error) => {
      timeline.pause();
      this.notShown(entry, error);
    };
    this.history.changed = (now, before) => this.editsChanged(now, before);
    this.compare.changed = () => this.view.apply();
    this.panel.chosen = (entry) => void this.show(entry);
    this.panel.setAgainst = (entry) => void this.setAgainst(entry);
    this.panel.folded = () => this.resize();
    edits.opened = (open) => {
      if (open && paths.open) paths.toggle(false);
      element("edit").setAttribute("aria-expanded", String(open));
      this.applyEdits();
      this.resize();
    };
    edits.ghostsChanged = () => this.applyEdits();
    edits.save = () => void this.save();
    edits.viewUp = () => new THREE.Vector3(0, 1, 0).applyQuaternion(stage.camera.quaternion);
    edits.firstCrop = (shape) => {
      const { centre, radius } = this.splats?.bulk() ?? { centre: new THREE.Vector3(), radius: 1 };
      const size = 2 * radius;
      return { shape, centre: [centre.x, centre.y, centre.z], size: [size, size, size], rotation: [0, 0, 0, 1], keep: "inside" };
    };
    paths.opened = () => {
      if (paths.open && edits.open) edits.toggle(false);
      element("path").setAttribute("aria-expanded", String(paths.open));
      this.resize();
    };
    paths.present = () => ({ ...this.shotNow(), target: view.controls.target, up: view.controls.up });
    paths.visit = (shot, seconds) => this.visit(shot, seconds);
    paths.changed = () => stage.invalidate();
    paths.cameras = () =>
      timeline.ticks.flatMap(({ camera, shot }) => {
        const found = camera !== null && shot === (this.adapted?.shot ?? shot) ? this.manifest.cameras[camera] : undefined;
        return found ? [{ pose: poseOf(found), focal: found.fy / found.height }] : [];
      });
    paths.subject = () => ({
      splats: this.entry?.id ?? "",
      aspect: view.lens.width / view.lens.height,
      background: `#${stage.renderer.getClearColor(new THREE.Color()).getHexString()}`,
      edits: this.history.now,
    });
    this.live.splats = (entry) => this.show(entry);
    this.live.refresh = () => this.refresh();
  }

  private bindPage(): void {
    this.stage.canvas.addEventListener("webglcontextlost", () => {
      const lost = new Problem("The browser took the graphics card away, as happens after sleep or when memory is short.");
      this.messages.error(lost, "The picture was lost", () => location.reload());
    });
    addEventListener("resize", () => this.resize());
    LIGHT.addEventListener("change", () => this.applyBackground());
    ROOMY.addEventListener("change", () => this.resize());
    bindKeys(this, this.commands, {
      x: () => this.edits.toggle(),
      m: () => {
        if (!this.edits.open) this.edits.toggle(true);
        this.probe.set("measure");
      },
      k: () => this.paths.toggle(),
      n: () => {
        if (this.paths.open) this.paths.add();
      },
      i: () => this.panel.toggle(),
    });
  }

  /** Where the camera is, in splatreel's convention. */
  worldFromCamera(): number[] {
    return openCvMatrix(this.stage.pose());
  }
}
