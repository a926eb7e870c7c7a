/**
 * `window.splatreel`: what the tests drive the page with. Stable within a version, not a public API.
 *
 *   await splatreel.ready                      the first picture is drawn, or an error is shown
 *   await splatreel.setCamera(3)               stand at a training camera (place in the manifest), at once
 *   await splatreel.show("chunk-001")          show other splats
 *   await splatreel.capture({camera: 3})       PNG data URL of the splats alone at that camera's resolution
 *   splatreel.state()                          what is on show, where the camera is, frames drawn so far
 */
import { Vector3 } from "three";
import type { App } from "./app";
import { type Edits, NO_EDITS } from "./edits";
import { poseOf } from "./lens";

export interface CaptureOptions {
  camera: number;
  width?: number;
  height?: number;
  background?: string;
}

export function installHooks(app: App | null, ready: Promise<void>): void {
  const need = () => {
    if (!app) throw new Error("the page could not start");
    return app;
  };
  const hooks = {
    ready,
    async setCamera(index: number): Promise<void> {
      await need().player.standAt(index, 0);
      await need().stage.settle();
    },
    async show(id: string): Promise<void> {
      const entry = need().manifest.splats.find((candidate) => candidate.id === id);
      if (!entry) throw new Error(`no splats ${id}`);
      await need().show(entry);
    },
    async capture(options: CaptureOptions): Promise<string> {
      const camera = need().manifest.cameras[options.camera];
      if (!camera) throw new Error(`no camera ${options.camera}`);
      const { width = camera.width, height = camera.height, background = "#000000" } = options;
      return need().stage.capture(poseOf(camera), camera, width, height, background);
    },
    /** Change edits, or go back to none. */
    edit(change: Partial<Edits> | null): void {
      if (change) need().history.push(change);
      else need().history.reset(NO_EDITS);
    },
    /** Where a point of the world lies on the page. */
    project(point: [number, number, number]): { x: number; y: number } {
      const { x, y } = new Vector3(...point).project(need().stage.camera);
      return { x: ((x + 1) / 2) * innerWidth, y: ((1 - y) / 2) * innerHeight };
    },
    /** The connection to a training, to be cut by a test. */
    socket: () => need().live.socket,
    state() {
      const { entry, splats, stage, view, layers, manifest, timeline, compare, history, messages } = need();
      return {
        splats: entry?.id ?? null,
        gaussians: splats?.count ?? 0,
        hidden: splats?.hiddenCount ?? 0,
        standing: view.standing,
        flying: view.flight !== null,
        moving: stage.busy,
        mode: view.controls.mode,
        up: view.controls.up.toArray(),
        worldFromCamera: need().worldFromCamera(),
        frameRect: need().frameRect(),
        frames: stage.frames,
        pixelRatio: stage.renderer.getPixelRatio(),
        cameras: manifest.cameras.length,
        time: timeline.time,
        frame: timeline.tick?.frame ?? null,
        playing: timeline.playing,
        compare: compare.mode,
        edits: history.now,
        dirty: history.dirty,
        layers: layers.shown(),
        tracks: need().tracks.state(),
        error: messages.visible,
      };
    },
  };
  (window as unknown as { splatreel: typeof hooks }).splatreel = hooks;
}
