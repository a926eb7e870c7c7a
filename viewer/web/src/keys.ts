/** The keyboard: what moves the camera goes to the controls, everything else is a command. */
import type { App } from "./app";
import type { Commands } from "./commands";
import { element } from "./ui";

/** Elements that use the arrows and letters themselves. */
const TYPING = "input:not([type=checkbox]):not([type=radio]), select, textarea";

export function bindKeys(app: App, page: Commands, panels: Record<string, () => void>): void {
  const byKey: Record<string, () => void> = {
    arrowleft: () => app.player.stepFrame(-1),
    arrowright: () => app.player.stepFrame(1),
    home: () => app.player.stepFrame(-Infinity),
    end: () => app.player.stepFrame(Infinity),
    " ": () => app.togglePlay(),
    f: () => page.toggleMode(),
    c: () => page.toggleCameras(),
    r: () => app.goHome(0.9),
    b: () => app.nextBackground(),
    p: () => void page.savePicture(),
    o: () => app.compare.toggleSource(),
    v: () => app.compare.nextMode(),
    h: () => page.toggleBare(),
    g: () => page.toggleMoving(),
    t: () => page.toggleTracks(),
    escape: () => app.messages.clear(),
    "?": () => page.toggleHelp(),
    ...panels,
  };
  const withControl: Record<string, () => void> = {
    z: () => app.history.undo(),
    "shift+z": () => app.history.redo(),
    y: () => app.history.redo(),
    s: () => void app.save(),
  };
  addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const target = event.target instanceof Element ? event.target : null;
    if (element<HTMLDialogElement>("help-box").open) return key === "?" ? page.toggleHelp() : undefined;
    const typing = target?.closest(TYPING);
    const control = event.ctrlKey || event.metaKey;
    const command = control ? withControl[(event.shiftKey ? "shift+" : "") + key] : byKey[key];
    if (typing && !(control && key === "s") && key !== "escape") return;
    // Space presses the button that has the focus.
    if (key === " " && target?.closest("button, summary, a")) return;
    if (event.altKey || (!control && app.view.controls.keyDown(event)) || !command) return;
    event.preventDefault();
    command();
  });
}
