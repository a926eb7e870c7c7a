/**
 * Sets the render against something else: the source frame, or other splats seen by the same camera.
 *
 * The other picture is an element of its own, over the render or beside it, so that all modes are a matter
 * of style: opacity (blend), clipping (slider), place (side by side) or blending (difference).
 */
import { fit, type Lens, type Rect } from "./lens";
import { Pictures } from "./pictures";
import { Splats } from "./splats";
import { Stage } from "./stage";
import type { CameraEntry, SplatEntry } from "./types";
import { element } from "./ui";

export const MODES = ["off", "blend", "slider", "side", "difference"] as const;
export type CompareMode = (typeof MODES)[number];
const GAP = 6;

export class Compare {
  /** Something changed that moves the render: place everything anew. */
  changed: () => void = () => {};
  /** Other splats to set against those on show; null: the source frame. */
  against: SplatEntry | null = null;
  mode: CompareMode = "off";
  /** Opacity of the other picture when blending, place of the divider when sliding; 0..1. */
  private readonly shares = { blend: 0.5, slider: 0.5 };
  private readonly view = element("view");
  private readonly frame = element("frame");
  private readonly image = element<HTMLCanvasElement>("frame-image");
  private readonly divider = element("divider");
  private readonly select = element<HTMLSelectElement>("compare-mode");
  private readonly mix = element<HTMLInputElement>("mix");
  private readonly pictures = new Pictures();
  private second: { stage: Stage; splats: Splats | null } | null = null;
  private loading = new AbortController();
  private drawnUrl = "";
  private area: Rect = { x: 0, y: 0, width: 1, height: 1 };

  constructor(private readonly stage: Stage) {
    this.select.addEventListener("change", () => this.setMode(this.select.value as CompareMode));
    this.mix.addEventListener("input", () => this.setShare(Number(this.mix.value) / 100));
    this.divider.addEventListener("pointerdown", (event) => this.divider.setPointerCapture(event.pointerId));
    this.divider.addEventListener("pointermove", (event) => {
      if (event.buttons) this.setShare((event.clientX - this.area.x) / this.area.width);
    });
    this.divider.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.setShare(this.share + by);
    });
  }

  get share(): number {
    return this.mode === "slider" ? this.shares.slider : this.shares.blend;
  }

  setShare(share: number): void {
    const value = Math.min(1, Math.max(0, share));
    if (this.mode === "slider") this.shares.slider = value;
    else this.shares.blend = value;
    this.changed();
  }

  setMode(mode: CompareMode): void {
    this.mode = mode;
    this.changed();
  }

  /** The source frame over the render, or away. */
  toggleSource(): void {
    const full = this.mode === "blend" && this.shares.blend === 1;
    this.shares.blend = 1;
    this.setMode(full ? "off" : "blend");
  }

  nextMode(): void {
    this.setMode(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length] ?? "off");
  }

  /** Load splats to set against those on show, or go back to the source frame. */
  async setAgainst(entry: SplatEntry | null): Promise<void> {
    this.loading.abort();
    const { signal } = (this.loading = new AbortController());
    const splats = entry ? await Splats.load(entry, () => {}, signal) : null;
    signal.throwIfAborted();
    this.second?.splats?.dispose();
    this.against = entry;
    if (splats) {
      this.second ??= this.makeSecond();
      this.second.stage.scene.add(splats.mesh);
      if (this.mode === "off") this.mode = "slider";
    }
    if (this.second) this.second.splats = splats;
    this.changed();
  }

  /** Is there something to compare with? */
  available(camera: CameraEntry | undefined): boolean {
    return this.against !== null || camera?.image !== undefined;
  }

  /** Where render and other picture lie in the room between the panels. */
  rooms(room: Rect, lens: Lens, camera: CameraEntry | undefined): { main: Rect; other: Rect } {
    if (this.mode !== "side" || !this.available(camera)) {
      const main = fit(lens, room);
      return { main, other: main };
    }
    const lying = room.width / lens.width > room.height / lens.height; // more room beside than below
    const [w, h] = lying ? [(room.width - GAP) / 2, room.height] : [room.width, (room.height - GAP) / 2];
    const main = fit(lens, { x: room.x, y: room.y, width: w, height: h });
    const other = fit(lens, { x: room.x + (lying ? w + GAP : 0), y: room.y + (lying ? 0 : h + GAP), width: w, height: h });
    return { main, other };
  }

  /** After each picture: put the other one where it belongs. `at`: the camera the view stands at. */
  place(at: CameraEntry | undefined, main: Rect, other: Rect): void {
    const available = this.available(at);
    const mode = available ? this.mode : "off";
    element("compare").hidden = !available;
    this.select.value = this.mode;
    this.mix.hidden = mode !== "blend";
    this.mix.value = String(Math.round(100 * this.shares.blend));
    this.view.classList.toggle("difference", mode === "difference");

    const framed = at !== undefined;
    this.frame.hidden = !framed;
    // Around the frame lies what its camera did not see; other splats have something to show there too.
    this.frame.classList.toggle("open", this.against !== null && mode !== "off");
    if (framed) put(this.frame, main);
    const source = framed && !this.against && mode !== "off" ? at.image : undefined;
    const shown = source !== undefined && this.drawSource(source);
    this.image.hidden = !shown;
    if (shown) {
      put(this.image, other);
      this.style(this.image, mode, this.share * other.width);
    }
    this.area = other;
    this.placeSecond(mode, main, other);
    this.divider.hidden = mode !== "slider" || (!shown && !this.against);
    if (!this.divider.hidden) {
      const { x, width } = this.area;
      const { y, height } = this.against ? { y: 0, height: innerHeight } : other;
      Object.assign(this.divider.style, { left: `${x + this.share * width}px`, top: `${y}px`, height: `${height}px` });
      this.divider.setAttribute("aria-valuenow", String(Math.round(100 * this.share)));
    }
  }

  /** Fetch the source frames that will be wanted soon. */
  preload(cameras: CameraEntry[]): void {
    if (this.mode === "off" || this.against) return;
    for (const { image } of cameras) if (image) this.pictures.get(image);
  }

  resize(): void {
    this.second?.stage.resize(innerWidth, innerHeight);
  }

  setBackground(colour: string): void {
    this.second?.stage.setBackground(colour);
  }

  /** `left`: where the divider lies, pixels from the left end of the element. */
  private style(it: HTMLElement, mode: CompareMode, left: number): void {
    it.style.opacity = mode === "blend" ? String(this.shares.blend) : "1";
    it.style.clipPath = mode === "slider" ? `inset(0 0 0 ${left}px)` : "none";
    it.style.mixBlendMode = mode === "difference" ? "difference" : "normal";
  }

  /** Draw the frame into its canvas; false when there is none yet. */
  private drawSource(url: string): boolean {
    if (url === this.drawnUrl) return true;
    const picture = this.pictures.get(url, () => this.stage.invalidate());
    if (!picture) return false;
    this.image.width = picture.naturalWidth;
    this.image.height = picture.naturalHeight;
    this.image.getContext("2d")?.drawImage(picture, 0, 0);
    this.drawnUrl = url;
    return true;
  }

  private makeSecond(): { stage: Stage; splats: Splats | null } {
    const canvas = document.createElement("canvas");
    canvas.id = "other";
    this.stage.canvas.after(canvas);
    const stage = new Stage(canvas);
    stage.resize(innerWidth, innerHeight);
    stage.copyBackground(this.stage);
    return { stage, splats: null };
  }

  /** The other splats, seen by the same camera. */
  private placeSecond(mode: CompareMode, main: Rect, other: Rect): void {
    if (!this.second) return;
    const { stage } = this.second;
    const shown = this.against !== null && mode !== "off";
    stage.canvas.hidden = !shown;
    if (!shown) return;
    this.style(stage.canvas, mode, main.x + this.share * main.width);
    const view = { ...this.stage.camera.view_ };
    if (mode === "side") {
      view.cx += other.x - main.x;
      view.cy += other.y - main.y;
      const lying = other.x > main.x;
      stage.canvas.style.clipPath = lying ? `inset(0 0 0 ${other.x - GAP / 2}px)` : `inset(${other.y - GAP / 2}px 0 0 0)`;
    }
    stage.follow(this.stage, view);
  }
}

function put(it: HTMLElement, { x, y, width, height }: Rect): void {
  Object.assign(it.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
}
