/** What the clock does: shows the splats of that time, and takes the view along the cameras. */
import type { Compare } from "./compare";
import type { Layers } from "./layers";
import { type Pose, poseOf } from "./lens";
import type { Strip } from "./strip";
import { ticksOf } from "./strip";
import type { Tick, Timeline } from "./timeline";
import type { CameraEntry, Manifest, SplatEntry } from "./types";
import type { Viewpoint } from "./viewpoint";

/** Source frames fetched ahead of time while playing. */
const PRELOADED = 10;

export class Player {
  manifest: () => Manifest = () => ({ name: "", splats: [], cameras: [], notes: [] });
  /** Playing has come to the splats of another chunk, shot or moment. */
  entered: (entry: SplatEntry) => void = () => {};
  moved: () => void = () => {};
  /** The user holds the camera while the scene plays. */
  private free = false;
  /** The entry that was shown last. */
  private entry: SplatEntry | null = null;

  constructor(
    private readonly timeline: Timeline,
    private readonly layers: Layers,
    private readonly view: Viewpoint,
    private readonly strip: Strip,
    private readonly compare: Compare,
  ) {
    timeline.changed = () => this.changed();
    layers.arrived = () => this.changed();
    strip.chosen = (place) => void this.standAt(place);
    strip.sought = (index) => this.seek(index);
  }

  /** The camera that the view stands at (or flies to), or plays along. */
  get at(): CameraEntry | undefined {
    const { view, timeline } = this;
    const place = view.standing ?? (timeline.playing && !this.free ? timeline.tick?.camera : null);
    return place == null ? undefined : this.manifest().cameras[place];
  }

  /** The frames for new splats; the time stays when it is in reach. */
  setUp(entry: SplatEntry, sameWorld: boolean): void {
    const { timeline } = this;
    const manifest = this.manifest();
    this.entry = entry;
    const at = sameWorld ? timeline.time : 0;
    timeline.set(this.ticks(entry, manifest), manifest.fps || 24);
    this.strip.set(manifest.cameras, this.layers.segments);
    const first = entry.first === undefined ? 0 : this.timeOf(entry.first);
    const last = entry.last === undefined ? Number.POSITIVE_INFINITY : this.timeOf(entry.last);
    timeline.time = at >= first && at <= last ? at : first;
    this.layers.setTime(timeline.time);
    this.update();
  }

  timeOf(frame: number): number {
    const { cameras, fps } = this.manifest();
    return cameras.find((candidate) => candidate.frame === frame)?.time ?? frame / (fps || 24);
  }

  /** Places of the cameras that see what is on show. */
  places(entry: SplatEntry): number[] {
    return this.timeline.ticks.flatMap(({ camera, shot }) => (camera === null || (entry.shot != null && shot !== entry.shot) ? [] : [camera]));
  }

  /** Fly to a training camera (a place in the manifest), which sets the time too. */
  async standAt(place: number, seconds = 0.9): Promise<boolean> {
    const index = this.timeline.ticks.findIndex(({ camera }) => camera === place);
    this.free = false;
    this.timeline.pause();
    const arriving = this.view.standAt(place, seconds);
    if (index >= 0) this.timeline.seekIndex(index);
    return arriving;
  }

  /** Go to a frame of the time line; the view goes to its camera, when it has one. */
  seek(index: number, seconds = 0): void {
    const { timeline } = this;
    const tick = timeline.ticks[Math.min(timeline.ticks.length - 1, Math.max(0, index))];
    if (!tick) return;
    timeline.pause();
    if (tick.camera === null) timeline.seek(tick.time);
    else void this.standAt(tick.camera, seconds);
  }

  stepFrame(by: number): void {
    const { timeline, view } = this;
    const at = timeline.index();
    const away = timeline.tick?.camera !== null && view.standing === null && !timeline.playing;
    // From a free view, first go back to the camera one came from.
    this.seek(away ? at : at + by, Number.isFinite(by) && !timeline.playing ? 0.3 : 0.6);
  }

  toggle(): void {
    const { timeline } = this;
    if (!timeline.playing) return timeline.play();
    timeline.pause();
    const { camera } = timeline.tick ?? {};
    if (camera != null && !this.free) void this.standAt(camera, 0);
  }

  /** The user has taken the camera. */
  left(): void {
    // A still scene plays by moving the camera: who takes it, stops it. What moves by itself goes on.
    if (this.layers.moves) this.free = true;
    else if (this.timeline.tick?.camera !== null) this.timeline.pause();
    this.update();
  }

  private ticks(entry: SplatEntry, { kind, splats, cameras, fps }: Manifest): Tick[] {
    const rate = fps || 24;
    if (kind === "sequence") return splats.map((_, frame) => ({ time: frame / rate, frame, camera: null, shot: 0 }));
    const motion = this.layers.current?.motion;
    if (cameras.length === 0 && motion) {
      const { start, seconds } = motion.bases;
      return Array.from({ length: Math.max(1, Math.round(seconds * rate)) }, (_, frame) => ({ time: start + frame / rate, frame, camera: null, shot: 0 }));
    }
    // With several shots, what lasts the whole time is the splats of one of them.
    const alone = this.layers.segments.length < 2;
    return ticksOf(cameras, rate, alone ? (entry.shot ?? null) : null);
  }

  private changed(): void {
    const { timeline, layers } = this;
    const { tick } = timeline;
    if (!tick) return;
    timeline.waiting = !layers.setTime(timeline.time);
    if (layers.entry && layers.entry !== this.entry && !timeline.waiting) {
      this.entry = layers.entry;
      this.entered(layers.entry);
    }
    if (timeline.playing && tick.camera !== null && !this.free) this.follow(tick.camera);
    this.moved();
    this.update();
  }

  /** Put the view between this camera and the next. */
  private follow(place: number): void {
    const { timeline } = this;
    const { cameras } = this.manifest();
    const index = timeline.index();
    const now = cameras[place];
    if (now) this.view.place(between(now, cameras[timeline.ticks[index + 1]?.camera ?? -1], timeline.fraction), now);
    const ahead = timeline.ticks.slice(index, index + PRELOADED);
    this.compare.preload(ahead.flatMap(({ camera }) => cameras[camera ?? -1] ?? []));
  }

  private update(): void {
    this.strip.update(this.at);
  }
}

/** Between two cameras of a path. */
function between(now: CameraEntry, next: CameraEntry | undefined, share: number): Pose {
  const from = poseOf(now);
  if (!next || next.shot !== now.shot || next.frame < now.frame) return from;
  const to = poseOf(next);
  return { position: from.position.lerp(to.position, share), quaternion: from.quaternion.slerp(to.quaternion, share) };
}
