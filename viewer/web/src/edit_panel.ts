/** The panel for crop, filters, up, scale and background. It shows the edits and reports what the user does. */
import * as THREE from "three";
import type { CropBox, Handle } from "./crop_box";
import type { Crop, Edits, History, Triple } from "./edits";
import type { Probe } from "./probe";
import { element } from "./ui";

const HANDLES = ["translate", "scale", "rotate"] as const;

export class EditPanel {
  readonly root = element("edit-panel");
  opened: (open: boolean) => void = () => {};
  /** A first crop, around what is on show. */
  firstCrop: (shape: Crop["shape"]) => Crop = () => ({ shape: "box", centre: [0, 0, 0], size: [1, 1, 1], rotation: [0, 0, 0, 1], keep: "inside" });
  /** Upward direction of the present view. */
  viewUp: () => THREE.Vector3 = () => new THREE.Vector3(0, -1, 0);
  ghostsChanged: () => void = () => {};
  save: () => void = () => {};
  /** Largest standard deviations of the splats: the slider runs from the first to the second. */
  extents: [number, number] = [0.01, 1];
  private readonly ghostBox = element<HTMLInputElement>("ghosts");
  private readonly shape = element<HTMLSelectElement>("crop-shape");
  private readonly keep = element<HTMLSelectElement>("crop-keep");
  private readonly opacity = element<HTMLInputElement>("min-opacity");
  private readonly extent = element<HTMLInputElement>("max-extent");
  private readonly known = element<HTMLInputElement>("known");
  private readonly background = element<HTMLInputElement>("background-colour");

  constructor(
    private readonly history: History,
    private readonly box: CropBox,
    private readonly probe: Probe,
  ) {
    this.bindFilters();
    this.bindCrop();
    this.bindUpAndScale();
    this.background.addEventListener("input", () => history.push({ background: this.background.value }, "background"));
    const click = (id: string, action: () => void) => element(id).addEventListener("click", action);
    click("undo", () => history.undo());
    click("redo", () => history.redo());
    click("edit-save", () => this.save());
    click("edit-revert", () => {
      while (history.dirty && history.canUndo) history.undo();
    });
    click("edit-close", () => this.toggle(false));
    this.root.addEventListener("change", () => history.seal());
  }

  get open(): boolean {
    return !this.root.hidden;
  }

  get ghosts(): boolean {
    return this.open && this.ghostBox.checked;
  }

  toggle(open = !this.open): void {
    this.root.hidden = !open;
    if (!open && this.probe.mode !== "off") this.probe.set("off");
    this.opened(open);
    this.show(this.history.now);
  }

  /** Bring every control in line with the edits. */
  show(edits: Edits): void {
    const { crop } = edits;
    this.opacity.value = String(Math.round(100 * edits.min_opacity));
    element("min-opacity-value").textContent = edits.min_opacity ? `${Math.round(100 * edits.min_opacity)} %` : "all";
    const [least, most] = this.extents;
    this.extent.value = String(edits.max_extent === null ? 100 : Math.round((100 * Math.log(edits.max_extent / least)) / Math.log(most / least)));
    element("max-extent-value").textContent = edits.max_extent === null ? "all" : this.probe.inWords(edits.max_extent);
    this.shape.value = crop?.shape ?? "";
    this.keep.hidden = !crop;
    this.keep.value = crop?.keep ?? "inside";
    element("crop-more").hidden = !crop;
    if (crop) this.showTriples(crop);
    this.box.set(crop, this.open);
    if (edits.background) this.background.value = edits.background;
    element<HTMLButtonElement>("undo").disabled = !this.history.canUndo;
    element<HTMLButtonElement>("redo").disabled = !this.history.canRedo;
    element<HTMLButtonElement>("edit-revert").disabled = !(this.history.dirty && this.history.canUndo);
  }

  /** How many splats the edits leave out. */
  count(hidden: number, all: number): void {
    element("hidden-count").textContent = hidden ? `${hidden.toLocaleString("en")} of ${all.toLocaleString("en")} left out` : "";
  }

  /** What the probe has found or wants. */
  showProbe(): void {
    const { probe } = this;
    element("measure").setAttribute("aria-pressed", String(probe.mode === "measure"));
    element("up-ground").setAttribute("aria-pressed", String(probe.mode === "ground"));
    element("probe-says").textContent = probe.sentence;
    this.known.disabled = probe.length === null;
    if (probe.length === null) this.known.value = "";
  }

  /** May the edits be stored, and are they? */
  showState(editable: boolean, sentence = ""): void {
    const { dirty } = this.history;
    element("edit-save").hidden = !editable;
    element<HTMLButtonElement>("edit-save").disabled = !dirty;
    element("edit-state").textContent = sentence || (dirty ? "Not saved" : "");
  }

  private bindFilters(): void {
    const { history } = this;
    this.opacity.addEventListener("input", () => history.push({ min_opacity: Number(this.opacity.value) / 100 }, "opacity"));
    this.extent.addEventListener("input", () => {
      const [least, most] = this.extents;
      const share = Number(this.extent.value) / 100;
      history.push({ max_extent: share >= 1 ? null : least * (most / least) ** share }, "extent");
    });
    this.ghostBox.addEventListener("change", () => this.ghostsChanged());
  }

  private bindCrop(): void {
    const { history } = this;
    this.shape.addEventListener("change", () => {
      const shape = this.shape.value as Crop["shape"] | "";
      const { crop } = history.now;
      history.push({ crop: shape === "" ? null : crop ? { ...crop, shape } : this.firstCrop(shape) });
    });
    this.keep.addEventListener("change", () => this.change({ keep: this.keep.value as Crop["keep"] }));
    for (const handle of HANDLES) {
      element(`crop-${handle}`).addEventListener("click", () => this.setHandle(handle));
    }
    for (const key of ["centre", "size"] as const) {
      const inputs = [...element(`crop-${key}`).querySelectorAll("input")];
      for (const input of inputs) {
        input.addEventListener("input", () => {
          const values = inputs.map((each) => Number.parseFloat(each.value));
          const valid = values.every((value) => Number.isFinite(value) && (key === "centre" || value > 0));
          if (valid) this.change({ [key]: values as Triple }, key);
        });
      }
    }
    this.box.dragged = (crop) => history.push({ crop }, "handles");
    this.box.released = () => history.seal();
  }

  private change(change: Partial<Crop>, merge = ""): void {
    const { crop } = this.history.now;
    if (crop) this.history.push({ crop: { ...crop, ...change } }, merge);
  }

  private setHandle(handle: Handle): void {
    this.box.setHandle(handle);
    for (const each of HANDLES) element(`crop-${each}`).setAttribute("aria-pressed", String(each === handle));
  }

  private showTriples(crop: Crop): void {
    for (const key of ["centre", "size"] as const) {
      element(`crop-${key}`).querySelectorAll("input").forEach((input, i) => {
        if (document.activeElement !== input) input.value = (crop[key][i] ?? 0).toPrecision(3);
      });
    }
  }

  private bindUpAndScale(): void {
    const { history, probe } = this;
    const setUp = (up: THREE.Vector3 | null) => history.push({ up: up ? (up.toArray() as Triple) : null });
    element("up-view").addEventListener("click", () => setUp(this.viewUp()));
    element("up-ground").addEventListener("click", () => probe.set("ground"));
    element("up-reset").addEventListener("click", () => setUp(null));
    element("measure").addEventListener("click", () => probe.set("measure"));
    probe.changed = () => this.showProbe();
    probe.groundFound = (up) => setUp(up);
    this.known.addEventListener("change", () => {
      const metres = Number.parseFloat(this.known.value);
      if (probe.length && metres > 0) history.push({ metres_per_unit: metres / probe.length });
    });
  }
}
