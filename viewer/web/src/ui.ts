/** The panels around the canvas. They show what they are told and report what the user asks for. */
import type { CameraEntry, Manifest, Metrics, SplatEntry } from "./types";
import { Problem } from "./types";

export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}

function decibels(value: number | null | undefined): string {
  return typeof value === "number" ? `${value.toFixed(1)} dB` : "";
}

const VERDICTS = { good: "Good cameras", unsure: "Cameras unsure", failed: "Cameras failed" };

/** Title, verdict, facts and the list of what can be shown. */
export class Panel {
  readonly root = element("panel");
  chosen: (entry: SplatEntry) => void = () => {};
  folded: () => void = () => {};
  private readonly fold = element<HTMLButtonElement>("fold");

  constructor() {
    this.fold.addEventListener("click", () => this.toggle());
  }

  toggle(open = this.root.classList.contains("folded")): void {
    this.root.classList.toggle("folded", !open);
    this.fold.setAttribute("aria-expanded", String(open));
    this.folded();
  }

  show(manifest: Manifest): void {
    element("name").textContent = manifest.name;
    element("name").title = manifest.name;
    const verdict = element("verdict");
    verdict.hidden = !manifest.verdict;
    if (manifest.verdict) {
      verdict.textContent = VERDICTS[manifest.verdict];
      verdict.classList.add(manifest.verdict);
    }
    element("reason").textContent = manifest.reason ?? "";
    element("reason").hidden = !manifest.reason;
    const list = element("choice-list");
    element("choices").hidden = manifest.splats.length < 2;
    for (const entry of manifest.splats) {
      const label = make("label", "choice");
      const input = make("input");
      Object.assign(input, { type: "radio", name: "splats", value: entry.id });
      input.addEventListener("change", () => this.chosen(entry));
      const frames = entry.first === undefined ? "" : `frames ${entry.first}–${entry.last}`;
      label.append(input, make("span", "", entry.label), make("small", "", frames || megabytes(entry.bytes)));
      list.append(label);
    }
    this.root.hidden = false;
  }

  /** Facts about what is on show now. */
  facts(entry: SplatEntry, count: number, manifest: Manifest): void {
    const input = document.querySelector<HTMLInputElement>(`input[name=splats][value="${CSS.escape(entry.id)}"]`);
    if (input) input.checked = true;
    const metrics: Metrics = entry.metrics ?? {};
    const facts = element("facts");
    facts.textContent = "";
    const add = (name: string, value: string, small = "") => {
      if (!value) return;
      const dd = make("dd", "", value);
      if (small) dd.append(" ", make("small", "", small));
      facts.append(make("dt", "", name), dd);
    };
    add("Gaussians", count.toLocaleString("en"), megabytes(entry.bytes));
    const ssim = (value: number | null | undefined) => (typeof value === "number" ? `SSIM ${value.toFixed(3)}` : "");
    add("New views", decibels(metrics.heldout?.psnr), ssim(metrics.heldout?.ssim));
    add("Trained views", decibels(metrics.train?.psnr), ssim(metrics.train?.ssim));
    if (metrics.frames) add("Frames placed", `${metrics.placed ?? "?"} of ${metrics.frames}`);
    for (const note of manifest.notes) facts.append(make("dd", "note", note));
  }
}

/** Frames along the bottom, and which one the camera stands at. */
export class Strip {
  readonly root = element("strip");
  chosen: (index: number) => void = () => {};
  mixed: () => void = () => {};
  readonly mix = element<HTMLInputElement>("mix");
  private buttons = new Map<number, HTMLButtonElement>();

  constructor() {
    this.mix.addEventListener("input", () => this.mixed());
  }

  /** `indices`: places of the cameras in the manifest. */
  set(cameras: CameraEntry[], indices: number[]): void {
    const thumbs = element("thumbs");
    thumbs.textContent = "";
    this.buttons.clear();
    const scores = cameras.map((camera) => camera.psnr).filter((psnr) => typeof psnr === "number");
    const typical = scores.sort((a, b) => a - b)[Math.floor(scores.length / 2)] ?? 0;
    cameras.forEach((camera, i) => {
      const index = indices[i] ?? i;
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
      if (typeof camera.psnr === "number") {
        const bar = make("i", camera.psnr < typical - 5 ? "failed" : camera.psnr < typical - 2.5 ? "unsure" : "");
        bar.style.width = `calc(${Math.min(100, Math.max(6, (camera.psnr - 10) * 4))}% - 2px)`;
        button.append(bar);
      }
      button.addEventListener("click", () => this.chosen(index));
      this.buttons.set(index, button);
      thumbs.append(button);
    });
    this.root.hidden = cameras.length === 0;
  }

  /** `standing`: exactly there, not just on the way or gone elsewhere since. */
  select(index: number | null, camera: CameraEntry | undefined, standing: boolean): void {
    for (const [key, button] of this.buttons) {
      const current = key === index && standing;
      button.setAttribute("aria-current", String(current));
      if (key === index) {
        for (const other of this.buttons.values()) other.tabIndex = -1;
        button.tabIndex = 0;
      }
      if (current) this.reveal(button);
    }
    const where = element("where");
    where.textContent = camera && standing ? `Frame ${camera.frame}` : "Free view";
    const more = camera && standing ? describe(camera).split(", ").slice(1).join(" · ") : "";
    if (more) where.append(make("small", "", ` · ${more}`));
    element("compare").hidden = !(standing && camera?.image);
  }

  private reveal(button: HTMLElement): void {
    const box = element("thumbs");
    const wanted = button.offsetLeft - box.offsetLeft - (box.clientWidth - button.clientWidth) / 2;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.scrollTo({ left: wanted, behavior: calm ? "auto" : "smooth" });
  }
}

export function describe(camera: CameraEntry): string {
  const split = camera.split === "heldout" ? "not trained on" : camera.split === "train" ? "trained on" : "";
  return [`Frame ${camera.frame}`, split, decibels(camera.psnr)].filter(Boolean).join(", ");
}

/** Progress and errors. */
export class Messages {
  private readonly loader = element("loader");
  private readonly box = element("error");
  private retry: (() => void) | null = null;

  constructor() {
    element("error-close").addEventListener("click", () => this.clear());
    element("error-retry").addEventListener("click", () => {
      const again = this.retry;
      this.clear();
      again?.();
    });
  }

  /** `quiet`: something is on show already. */
  loading(what: string, loaded: number, total: number, quiet: boolean): void {
    const done = total > 0 && loaded >= total;
    element("loader-text").textContent = done ? `Preparing ${what}…` : `Loading ${what}: ${megabytes(loaded)} of ${megabytes(total)}`;
    const bar = element<HTMLProgressElement>("loader-bar");
    if (done) bar.removeAttribute("value");
    else bar.value = total > 0 ? loaded / total : 0;
    this.loader.classList.toggle("corner", quiet);
    this.loader.hidden = false;
  }

  loaded(): void {
    this.loader.hidden = true;
  }

  error(error: unknown, title: string, retry: (() => void) | null): void {
    console.info("splatreel:", error); // shown to the user below
    this.loaded();
    this.retry = retry;
    element("error-title").textContent = title;
    element("error-text").textContent = error instanceof Error ? error.message : String(error);
    element("error-advice").textContent = error instanceof Problem ? error.advice : "";
    element("error-retry").hidden = !retry;
    element("error-close").hidden = !retry;
    this.box.hidden = false;
  }

  clear(): void {
    this.box.hidden = true;
  }

  get visible(): boolean {
    return !this.box.hidden;
  }
}
