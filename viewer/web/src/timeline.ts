/** The clock: frames of the video in order of time, and playing them. It moves nothing by itself. */

/** A frame on the time line. */
export interface Tick {
  /** Seconds. */
  time: number;
  /** Global number. */
  frame: number;
  /** Place of its camera in the manifest; null: it has none. */
  camera: number | null;
  shot: number;
}

export const SPEEDS = [0.25, 0.5, 1, 2, 4] as const;

export class Timeline {
  ticks: Tick[] = [];
  /** Seconds, from 0 to `duration`. */
  time = 0;
  playing = false;
  speed = 1;
  loop = true;
  /** Something the clock must wait for (splats on their way). */
  waiting = false;
  /** The time has moved, or playing has begun or ended. */
  changed: () => void = () => {};
  private frameSeconds = 1 / 24;

  set(ticks: Tick[], fps: number): void {
    this.ticks = ticks;
    this.frameSeconds = 1 / fps;
    this.playing = false;
    this.waiting = false;
    this.time = Math.min(this.time, this.duration);
  }

  get start(): number {
    return this.ticks[0]?.time ?? 0;
  }

  /** End of the last frame. */
  get duration(): number {
    const last = this.ticks.at(-1);
    return last ? last.time + this.frameSeconds : 0;
  }

  /** Index of the frame shown at a time. */
  index(time = this.time): number {
    let low = 0;
    let high = this.ticks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      // Times come from frame rates: a seek to exactly a frame must find that frame.
      if ((this.ticks[middle]?.time ?? 0) <= time + 1e-6) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  get tick(): Tick | undefined {
    return this.ticks[this.index()];
  }

  /** How far the time is from the present frame to the next, 0..1. */
  get fraction(): number {
    const index = this.index();
    const now = this.ticks[index];
    const next = this.ticks[index + 1];
    if (!now || !next) return 0;
    return Math.min(1, Math.max(0, (this.time - now.time) / Math.max(1e-6, next.time - now.time)));
  }

  seek(time: number): void {
    this.time = Math.min(this.ticks.at(-1)?.time ?? 0, Math.max(this.start, time));
    this.changed();
  }

  seekIndex(index: number): void {
    const tick = this.ticks[Math.min(this.ticks.length - 1, Math.max(0, index))];
    if (tick) this.seek(tick.time);
  }

  play(): void {
    if (this.ticks.length < 2) return;
    if (!this.loop && this.time >= (this.ticks.at(-1)?.time ?? 0) - 1e-6) this.time = this.start;
    this.playing = true;
    this.changed();
  }

  pause(): void {
    if (!this.playing) return;
    this.playing = false;
    this.changed();
  }

  /** One step of the clock; true while it runs. */
  advance(seconds: number): boolean {
    if (!this.playing) return false;
    if (this.waiting) return true;
    let time = this.time + seconds * this.speed;
    if (time >= this.duration) {
      if (!this.loop) {
        this.time = this.ticks.at(-1)?.time ?? 0;
        this.pause();
        return false;
      }
      time = this.start + ((time - this.start) % Math.max(1e-3, this.duration - this.start));
    }
    this.time = time;
    this.changed();
    return true;
  }
}
