/** The bottom of the page: transport, the time line with a bar per frame for its score, and the frames. */
import type { Segment } from "./layers";
import { SPEEDS, type Tick, type Timeline } from "./timeline";
import type { CameraEntry } from "./types";
import { decibels, element, make } from "./ui";

/** Decibels below the typical frame from which a frame stands out. */
const UNSURE = 2.5;
const FAILED = 5;

export class Strip {
  readonly root = element("strip");
  /** A thumbnail was clicked (place of the camera in the manifest). */
  chosen: (camera: number) => void = () => {};
  /** A place on the time line was chosen (index of the frame). */
  sought: (index: number) => void = () => {};
  private readonly play = element<HTMLButtonElement>("play");
  private readonly speed = element<HTMLSelectElement>("speed");
  private readonly loop = element<HTMLButtonElement>("loop");
  private readonly track = element("track");
  private readonly bars = element<HTMLCanvasElement>("track-bars");
  private readonly head = element("track-head");
  private thumbs = new Map<number, HTMLButtonElement>();
  private cameras: CameraEntry[] = [];
  private segments: Segment[] = [];
  private current = -1;

  constructor(private readonly timeline: Timeline) {
    for (const speed of SPEEDS) this.speed.append(new Option(`${speed}×`.replace("0.", "."), String(speed), speed === 1, speed === 1));
    this.speed.addEventListener("change", () => {
      timeline.speed = Number(this.speed.value);
    });
    this.loop.addEventListener("click", () => {
      timeline.loop = !timeline.loop;
      this.loop.setAttribute("aria-pressed", String(timeline.loop));
    });
    const seek = (event: PointerEvent) => {
      const box = this.bars.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      this.sought(Math.round(Math.min(1, Math.max(0, share)) * timeline.ticks.length - 0.5));
    };
    this.track.addEventListener("pointerdown", (event) => {
      this.track.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.track.addEventListener("pointermove", (event) => {
      if (event.buttons) seek(event);
    });
    new ResizeObserver(() => this.drawBars()).observe(this.track);
  }

  /** Show these frames; `all` are the cameras of the manifest. */
  set(all: CameraEntry[], segments: Segment[]): void {
    const { ticks } = this.timeline;
    this.cameras = all;
    this.segments = segments.length > 1 ? segments : [];
    this.current = -1;
    this.setThumbs(ticks.flatMap(({ camera }) => (camera === null ? [] : [camera])));
    this.root.hidden = ticks.length === 0;
    for (const id of ["play", "speed", "loop", "track"]) element(id).hidden = ticks.length < 2;
    this.track.setAttribute("aria-valuemax", String(Math.max(0, ticks.length - 1)));
    this.drawBars();
  }

  /** Follow the clock. `camera`: the one the view stands at, or plays along; undefined: a free view. */
  update(camera: CameraEntry | undefined): void {
    const { timeline } = this;
    const { playing, tick } = timeline;
    const index = timeline.index();
    this.play.querySelector("use")?.setAttribute("href", playing ? "#i-pause" : "#i-play");
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.play.title = playing ? "Pause (space)" : "Play (space)";
    const share = (index + 0.5 + (playing ? timeline.fraction : 0)) / Math.max(1, timeline.ticks.length);
    this.head.style.left = `${100 * Math.min(1, share)}%`;
    const shown = camera?.frame ?? tick?.frame;
    if (this.current !== index) {
      this.current = index;
      this.track.setAttribute("aria-valuenow", String(index));
      this.track.setAttribute("aria-valuetext", tick ? `Frame ${tick.frame}, ${(tick.time - timeline.start).toFixed(2)} seconds` : "");
    }
    this.mark(camera, playing);
    const where = element("where");
    const moving = timeline.waiting ? "Loading" : camera || tick?.camera === null ? `Frame ${shown}` : "Free view";
    const more = camera && !playing ? describe(camera).split(", ").slice(1).join(" · ") : "";
    where.textContent = moving;
    if (more) where.append(make("small", "", ` · ${more}`));
  }

  /** Redraw the bars (the theme or the size has changed). */
  drawBars(): void {
    const { ticks } = this.timeline;
    const width = this.track.clientWidth;
    const height = this.track.clientHeight;
    const context = this.bars.getContext("2d");
    if (!context || width === 0 || ticks.length === 0) return;
    const scale = devicePixelRatio;
    this.bars.width = width * scale;
    this.bars.height = height * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(this.track);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const step = width / ticks.length;
    const scores = ticks.map(({ camera }) => (camera === null ? null : (this.cameras[camera]?.psnr ?? null)));
    const known = scores.filter((score) => score !== null).sort((a, b) => a - b);
    const typical = known[Math.floor(known.length / 2)] ?? 0;
    const least = Math.min(known[0] ?? 0, typical - 6) - 2;
    const most = Math.max(known.at(-1) ?? 1, typical + 1);
    this.drawSegments(context, height, step, colour("--hover"), colour("--soft"));
    scores.forEach((score, i) => {
      const share = score === null ? 0.12 : Math.max(0.08, (score - least) / (most - least));
      const tone = score === null ? "--soft" : score < typical - FAILED ? "--failed" : score < typical - UNSURE ? "--unsure" : "--accent";
      context.fillStyle = colour(tone);
      context.globalAlpha = score === null ? 0.5 : 0.85;
      const bar = share * (height - 4);
      context.fillRect(i * step + (step > 3 ? 0.5 : 0), height - bar, Math.max(1, step - (step > 3 ? 1 : 0)), bar);
    });
    context.globalAlpha = 1;
  }

  /** Chunks as alternating bands with a mark where each begins; shots with a stronger one. */
  private drawSegments(context: CanvasRenderingContext2D, height: number, step: number, band: string, mark: string): void {
    const { ticks } = this.timeline;
    this.segments.slice(0, 400).forEach(({ start, end }, i) => {
      const from = this.timeline.index(start);
      const to = Math.min(ticks.length, this.timeline.index(end - 1e-3) + 1);
      context.fillStyle = band;
      if (i % 2 === 0) context.fillRect(from * step, 0, (to - from) * step, height);
      context.fillStyle = mark;
      if (i > 0 && step * (to - from) > 4) context.fillRect(from * step, 0, 1, height);
    });
    ticks.forEach((tick, i) => {
      if (i === 0 || ticks[i - 1]?.shot === tick.shot) return;
      context.fillStyle = mark;
      context.fillRect(i * step - 1, 0, 2, height);
    });
  }

  private setThumbs(indices: number[]): void {
    const box = element("thumbs");
    box.textContent = "";
    box.hidden = indices.length === 0;
    this.thumbs.clear();
    indices.forEach((index, i) => {
      const camera = this.cameras[index];
      if (!camera) return;
      const button = make("button", "thumb");
      button.type = "button";
      button.tabIndex = i === 0 ? 0 : -1;
      button.title = describe(camera);
      button.setAttribute("aria-label", describe(camera));
      button.classList.toggle("held", camera.split === "heldout");
      if (camera.thumb) {
        const image = make("img");
        // Known before it has loaded, so that the strip does not jump.
        Object.assign(image, { loading: "lazy", decoding: "async", alt: "", src: camera.thumb, draggable: false });
        image.style.aspectRatio = `${camera.width} / ${camera.height}`;
        button.append(image);
      } else {
        button.append(make("span", "number", String(camera.frame)));
      }
      button.addEventListener("click", () => this.chosen(index));
      this.thumbs.set(index, button);
      box.append(button);
    });
  }

  /** Mark the frame that the view stands at or plays along. */
  private mark(camera: CameraEntry | undefined, playing: boolean): void {
    const place = this.timeline.tick?.camera ?? -1;
    for (const [key, button] of this.thumbs) {
      const current = key === place && camera !== undefined;
      if (button.getAttribute("aria-current") === String(current)) continue;
      button.setAttribute("aria-current", String(current));
      if (!current) continue;
      for (const other of this.thumbs.values()) other.tabIndex = -1;
      button.tabIndex = 0;
      this.reveal(button, playing);
    }
  }

  private reveal(button: HTMLElement, playing: boolean): void {
    const box = element("thumbs");
    const wanted = button.offsetLeft - box.offsetLeft - (box.clientWidth - button.clientWidth) / 2;
    const calm = playing || matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.scrollTo({ left: wanted, behavior: calm ? "auto" : "smooth" });
  }
}

/** The frames of a manifest in order of time; those of one shot only, when `shot` is given. */
export function ticksOf(cameras: CameraEntry[], fps: number, shot: number | null): Tick[] {
  return cameras
    .flatMap((camera, index) => {
      const { frame, shot: own } = camera;
      return shot === null || own === shot ? [{ time: camera.time ?? frame / fps, frame, camera: index, shot: own }] : [];
    })
    .sort((a, b) => a.time - b.time);
}

export function describe(camera: CameraEntry): string {
  const split = camera.split === "heldout" ? "not trained on" : camera.split === "train" ? "trained on" : "";
  return [`Frame ${camera.frame}`, split, decibels(camera.psnr)].filter(Boolean).join(", ");
}
