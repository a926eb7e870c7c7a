/** The panel of the camera path: its keyframes, a preview, and the video that the server renders of it. */
import type * as THREE from "three";
import type { CameraPath, Edits, History } from "./edits";
import { openCvMatrix } from "./lens";
import { along, keyframeOf, orbitOf, type Shot } from "./path";
import { cancelVideo, startVideo, type VideoState, videoState } from "./source";
import { element, make } from "./ui";

const MOST = 200;
/** Height of the smaller sizes on offer. */
const HEIGHTS = [480, 720, 1080] as const;

export class PathPanel {
  readonly root = element("path-panel");
  /** The view now, and what it turns around. */
  present: () => Shot & { target: THREE.Vector3; up: THREE.Vector3 } = () => {
    throw new Error("no view");
  };
  /** Keyframes along the training cameras. */
  cameras: () => Shot[] = () => [];
  /** Go to a place of the path. */
  visit: (shot: Shot, seconds: number) => void = () => {};
  playing = false;
  changed: () => void = () => {};
  opened: () => void = () => {};
  /** What to draw: id of the splats, edits, width over height. */
  subject: () => { splats: string; aspect: number; background: string; edits: Edits } = () => {
    throw new Error("nothing on show");
  };
  private time = 0;
  private job: string | null = null;
  private readonly seconds = element<HTMLInputElement>("path-seconds");
  private readonly loop = element<HTMLInputElement>("path-loop");
  private readonly size = element<HTMLSelectElement>("video-size");

  constructor(private readonly history: History) {
    const click = (id: string, action: () => void) => element(id).addEventListener("click", action);
    click("path-close", () => this.toggle(false));
    click("path-add", () => this.add());
    click("path-cameras", () => this.alongCameras());
    click("path-orbit", () => {
      const { pose, focal, target, up } = this.present();
      history.push({ path: orbitOf(pose, target, up, focal) });
    });
    click("path-clear", () => history.push({ path: null }));
    click("path-play", () => this.togglePlay());
    click("video-start", () => void this.render());
    click("video-cancel", () => {
      if (this.job) void cancelVideo(this.job);
    });
    this.seconds.addEventListener("change", () => {
      const seconds = Math.min(120, Math.max(0.5, Number.parseFloat(this.seconds.value) || 8));
      if (this.path) history.push({ path: { ...this.path, seconds } });
    });
    this.loop.addEventListener("change", () => {
      if (this.path) history.push({ path: { ...this.path, loop: this.loop.checked } });
    });
  }

  get path(): CameraPath | null {
    return this.history.now.path;
  }

  get open(): boolean {
    return !this.root.hidden;
  }

  toggle(open = !this.open): void {
    this.root.hidden = !open;
    if (!open) this.stop();
    else this.setSizes();
    this.opened();
  }

  /** Add the present view at the end of the path. */
  add(): void {
    const { pose, focal } = this.present();
    const before = this.path ?? { seconds: Number(this.seconds.value) || 8, loop: false, keyframes: [] };
    if (before.keyframes.length >= MOST) return;
    this.history.push({ path: { ...before, keyframes: [...before.keyframes, keyframeOf(pose, focal)] } });
  }

  /** `editable`: there is a server that can render. */
  show(path: CameraPath | null, editable: boolean): void {
    const keyframes = path?.keyframes ?? [];
    if (path) this.seconds.value = String(path.seconds);
    this.loop.checked = path?.loop ?? false;
    const list = element("path-list");
    list.textContent = "";
    keyframes.forEach((_, i) => {
      const go = make("button", "quiet", String(i + 1));
      go.type = "button";
      go.title = `Go to view ${i + 1}`;
      go.addEventListener("click", () => this.visit(this.at(i), 0.6));
      const remove = make("button", "quiet remove", "×");
      remove.type = "button";
      remove.setAttribute("aria-label", `Remove view ${i + 1}`);
      remove.addEventListener("click", () => this.remove(i));
      const item = make("li");
      item.append(go, remove);
      list.append(item);
    });
    element("path-empty").hidden = keyframes.length > 1;
    for (const id of ["path-play", "video-start"]) element<HTMLButtonElement>(id).disabled = keyframes.length < 2;
    element<HTMLButtonElement>("path-clear").disabled = !path;
    if (!editable) {
      element<HTMLButtonElement>("video-start").disabled = true;
      element("video-says").textContent = "Videos are rendered by “splatreel view”; this page has no server.";
    }
    if (keyframes.length < 2) this.stop();
  }

  togglePlay(): void {
    if (this.playing) return this.stop();
    if ((this.path?.keyframes.length ?? 0) < 2) return;
    this.playing = true;
    this.time = 0;
    element("path-play").textContent = "Stop";
    this.changed();
  }

  stop(): void {
    if (!this.playing) return;
    this.playing = false;
    element("path-play").textContent = "Preview";
    this.changed();
  }

  /** One step of the preview; true while it plays. */
  step(seconds: number): boolean {
    const { path } = this;
    if (!this.playing || !path) return false;
    this.time += seconds;
    if (this.time >= path.seconds && !path.loop) {
      this.visit(along(path, 1), 0);
      this.stop();
      return false;
    }
    this.visit(along(path, (this.time / path.seconds) % 1), 0);
    return true;
  }

  private at(i: number): Shot {
    const path = this.path as CameraPath;
    if (path.keyframes.length === 1) return along({ ...path, loop: false, keyframes: [...path.keyframes, ...path.keyframes] }, 0);
    return along(path, i / (path.loop ? path.keyframes.length : path.keyframes.length - 1));
  }

  private remove(i: number): void {
    const { path } = this;
    if (!path) return;
    const keyframes = path.keyframes.filter((_, j) => j !== i);
    this.history.push({ path: keyframes.length ? { ...path, keyframes } : null });
  }

  private alongCameras(): void {
    const shots = this.cameras();
    const step = Math.max(1, (shots.length - 1) / 11);
    const chosen = Array.from({ length: Math.min(12, shots.length) }, (_, i) => shots[Math.round(i * step)]).filter((shot) => shot !== undefined);
    if (chosen.length < 2) return;
    const keyframes = chosen.map(({ pose, focal }) => keyframeOf(pose, focal));
    this.history.push({ path: { seconds: Number(this.seconds.value) || 8, loop: false, keyframes } });
  }

  private setSizes(): void {
    const { aspect } = this.subject();
    const even = (value: number) => 2 * Math.round(value / 2);
    const before = this.size.selectedIndex;
    this.size.textContent = "";
    for (const height of HEIGHTS) {
      // The shorter side has the name: 1080 is 1080 x 1920 for an upright video.
      const [w, h] = aspect >= 1 ? [even(height * aspect), height] : [height, even(height / aspect)];
      this.size.append(new Option(`${w} × ${h}`, `${w}x${h}`));
    }
    this.size.selectedIndex = before < 0 ? 1 : before;
  }

  private async render(): Promise<void> {
    const { path } = this;
    if (!path) return;
    const [width, height] = this.size.value.split("x").map(Number) as [number, number];
    const fps = Number(element<HTMLSelectElement>("video-fps").value);
    const count = Math.max(2, Math.min(3000, Math.round(path.seconds * fps)));
    const shots = Array.from({ length: count }, (_, i) => along(path, i / (path.loop ? count : count - 1)));
    const { splats, background, edits } = this.subject();
    const frames = shots.map(({ pose }) => openCvMatrix(pose));
    const focals = shots.map(({ focal }) => focal * height);
    this.report({ state: "running", done: 0, total: count, error: "", url: "", path: "" });
    try {
      this.job = await startVideo({ splats, frames, focals, width, height, fps, background, edits: { ...edits, path: null } });
      for (;;) {
        const state = await videoState(this.job);
        this.report(state);
        if (state.state !== "running") break;
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.report({ state: "failed", done: 0, total: count, error: message, url: "", path: "" });
    }
    this.job = null;
  }

  private report({ state, done, total, error, url, path }: VideoState): void {
    const running = state === "running";
    const bar = element<HTMLProgressElement>("video-bar");
    bar.hidden = !running;
    bar.value = done / Math.max(1, total);
    element("video-cancel").hidden = !running;
    element("video-start").hidden = running;
    const says = element("video-says");
    says.textContent = running ? `${done} of ${total} frames` : state === "failed" ? error : state === "cancelled" ? "Cancelled." : "";
    if (state !== "done") return;
    const link = make("a", "", path);
    link.href = url;
    link.download = path.split("/").pop() ?? "path.mp4";
    says.append("Written: ", link);
  }
}
