/** The panels around the canvas. They show what they are told and report what the user asks for. */
import type { Manifest, Metrics, SplatEntry } from "./types";
import { Problem } from "./types";

export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found as T;
}

export function make<K extends keyof HTMLElementTagNameMap>(tag: K, className = "", text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`;
}

export function decibels(value: number | null | undefined): string {
  return typeof value === "number" ? `${value.toFixed(1)} dB` : "";
}

const VERDICTS = { good: "Good cameras", unsure: "Cameras unsure", failed: "Cameras failed" };

/** Title, verdict, facts and the list of what can be shown. */
export class Panel {
  readonly root = element("panel");
  chosen: (entry: SplatEntry) => void = () => {};
  folded: () => void = () => {};
  /** Other splats to compare with; null: the source frames. */
  setAgainst: (entry: SplatEntry | null) => void = () => {};
  private readonly other = element<HTMLSelectElement>("against");
  private readonly fold = element<HTMLButtonElement>("fold");
  private entries = new Map<string, SplatEntry>();

  constructor() {
    this.fold.addEventListener("click", () => this.toggle());
    this.other.addEventListener("change", () => this.setAgainst(this.entries.get(this.other.value) ?? null));
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
      verdict.className = `badge ${manifest.verdict}`;
    }
    element("reason").textContent = manifest.reason ?? "";
    element("reason").hidden = !manifest.reason;
    this.entries = new Map(manifest.splats.map((entry) => [entry.id, entry]));
    // A sequence is chosen from on the time line.
    const choices = manifest.kind === "sequence" ? [] : manifest.splats;
    this.setChoices(choices);
    element("against-row").hidden = choices.length < 2;
    this.other.textContent = "";
    this.other.append(new Option("source frames", ""), ...choices.map((entry) => new Option(entry.label, entry.id)));
    this.root.hidden = false;
  }

  /** Say what the render is set against. */
  against(entry: SplatEntry | null): void {
    this.other.value = entry?.id ?? "";
  }

  private setChoices(entries: SplatEntry[]): void {
    const list = element("choice-list");
    list.textContent = "";
    element("choices").hidden = entries.length < 2;
    for (const entry of entries) {
      const label = make("label", "choice");
      const input = make("input");
      Object.assign(input, { type: "radio", name: "splats", value: entry.id });
      input.addEventListener("change", () => this.chosen(entry));
      const frames = entry.first === undefined ? "" : `frames ${entry.first}–${entry.last}`;
      label.append(input, make("span", "", entry.label), make("small", "", frames || megabytes(entry.bytes)));
      list.append(label);
    }
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

  /** There is nothing to show yet, and nothing to be done about it. */
  waiting(what: string): void {
    element("loader-text").textContent = `${what}…`;
    element("loader-bar").removeAttribute("value");
    this.loader.classList.remove("corner");
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
