/** Fewer pixels while things move and frames are slow; all of them as soon as the view stands still. */

/** More would cost four times the pixels for a difference that splats, being soft, do not show. */
const MAX_PIXEL_RATIO = 2;
/**
 * Milliseconds per frame: above, the picture gets coarser; below, finer. A browser that saves energy shows 30 frames a
 * second however few pixels there are: that is not slow.
 */
const SLOW = 36;
const FAST = 20;
const LEAST = 0.4;

export const QUALITIES = ["auto", "full", "half"] as const;
export type QualityMode = (typeof QUALITIES)[number];

export class Quality {
  mode: QualityMode = "auto";
  private share = 1;
  private typical = 0;

  /** Canvas pixels per CSS pixel. */
  ratio(moving: boolean): number {
    const full = Math.min(devicePixelRatio, MAX_PIXEL_RATIO);
    if (this.mode === "half") return full / 2;
    return this.mode === "auto" && moving ? full * this.share : full;
  }

  /** A frame of a movement took this long; null: it was the first of one. */
  frame(milliseconds: number | null): void {
    if (milliseconds === null) {
      this.typical = 0;
      return;
    }
    this.typical = this.typical ? 0.7 * this.typical + 0.3 * milliseconds : milliseconds;
    if (this.typical > SLOW) this.share = Math.max(LEAST, this.share * 0.85);
    else if (this.typical < FAST) this.share = Math.min(1, this.share * 1.06);
    else return;
    // Give the new size a few frames to show what it costs.
    this.typical = (SLOW + FAST) / 2;
  }
}
