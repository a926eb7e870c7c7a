/** The part of the page that is left between the panels. */
import type { Rect } from "./lens";
import { element } from "./ui";

/** Narrower or lower than this, panels lie over the picture instead of beside it. */
export const ROOMY = matchMedia("(min-width: 900px) and (min-height: 461px)");

export function roomBetweenPanels(): Rect {
  const gap = ROOMY.matches ? 14 : 8;
  let [left, right, top, bottom] = [0, innerWidth, 0, innerHeight];
  if (!document.body.classList.contains("bare")) {
    const box = (id: string) => element(id).getBoundingClientRect();
    if (box("strip").height) bottom = box("strip").top - gap;
    if (ROOMY.matches) {
      const panel = box("panel");
      const tall = panel.height > 80; // folded, it is but a title
      const side = ["edit-panel", "path-panel", "tools"].find((id) => !element(id).hidden) ?? "tools";
      left = tall ? panel.right + gap : gap;
      right = box(side).left - gap;
      top = tall ? gap : panel.bottom + gap;
    } else {
      top = 66; // the folded panel; unfolded, it lies over the picture
    }
  }
  return { x: left, y: top, width: Math.max(50, right - left), height: Math.max(50, bottom - top) };
}
