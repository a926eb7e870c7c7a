/** What the buttons and keys of the page do that belongs to no panel. */
import type { App } from "./app";
import type { QualityMode } from "./quality";
import { element } from "./ui";

export class Commands {
  /** Are the training cameras drawn? */
  camerasShown = true;
  /** Are the tracks of what moves drawn? */
  tracksShown = false;

  /** `panels`: buttons that open something, by their id. */
  constructor(
    private readonly app: App,
    panels: Record<string, () => void>,
  ) {
    const actions: Record<string, () => void> = {
      mode: () => this.toggleMode(),
      cameras: () => this.toggleCameras(),
      moving: () => this.toggleMoving(),
      tracks: () => this.toggleTracks(),
      reset: () => app.goHome(0.9),
      background: () => app.nextBackground(),
      picture: () => void this.savePicture(),
      help: () => this.toggleHelp(),
      previous: () => app.player.stepFrame(-1),
      next: () => app.player.stepFrame(1),
      play: () => app.togglePlay(),
      "help-close": () => this.toggleHelp(),
      ...panels,
    };
    for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);
    if (document.getElementById("embedded-scene")) element("licences").hidden = true; // they are in the file
    this.bindQuality();
    this.applyMode();
  }

  private bindQuality(): void {
    const { stage } = this.app;
    const quality = element<HTMLSelectElement>("quality");
    const asked = /[#&]quality=(auto|full|half)/.exec(location.hash)?.[1];
    if (asked) quality.value = stage.quality.mode = asked as QualityMode;
    quality.addEventListener("change", () => {
      stage.quality.mode = quality.value as QualityMode;
      this.app.resize();
    });
  }

  toggleMode(): void {
    const { controls } = this.app.view;
    controls.mode = controls.mode === "orbit" ? "fly" : "orbit";
    if (controls.mode === "orbit") this.app.view.setDistance();
    this.applyMode();
  }

  private applyMode(): void {
    const flying = this.app.view.controls.mode === "fly";
    const button = element("mode");
    button.querySelector("use")?.setAttribute("href", flying ? "#i-fly" : "#i-orbit");
    button.setAttribute("aria-label", flying ? "Flying: switch to orbit" : "Orbiting: switch to fly");
    button.title = flying ? "Flying: drag looks around (F)" : "Orbiting: drag turns around the target (F)";
  }

  toggleCameras(): void {
    this.camerasShown = !this.camerasShown;
    element("cameras").setAttribute("aria-pressed", String(this.camerasShown));
    this.app.stage.invalidate();
  }

  /** What moves, and what stands still alone. */
  toggleMoving(): void {
    const { layers, stage } = this.app;
    layers.showMoving(!layers.showsMoving);
    element("moving").setAttribute("aria-pressed", String(layers.showsMoving));
    stage.invalidate();
  }

  toggleTracks(): void {
    if (!this.app.layers.moves) return;
    this.tracksShown = !this.tracksShown;
    element("tracks").setAttribute("aria-pressed", String(this.tracksShown));
    this.app.stage.invalidate();
  }

  toggleBare(): void {
    document.body.classList.toggle("bare");
    this.app.resize();
  }

  toggleHelp(): void {
    const box = element<HTMLDialogElement>("help-box");
    if (box.open) box.close();
    else box.showModal();
  }

  /** What is on screen, without the panels, at the screen's resolution. */
  async savePicture(): Promise<void> {
    const { stage, view, manifest } = this.app;
    const { width, height } = stage.size;
    const scale = stage.quality.ratio(false);
    const url = await stage.capture(stage.pose(), { ...stage.camera.view_, width, height }, width * scale, height * scale);
    const link = document.createElement("a");
    const where = view.standing === null ? "view" : `frame-${manifest.cameras[view.standing]?.frame}`;
    link.download = `${manifest.name}-${where}.png`;
    link.href = url;
    link.click();
  }
}
