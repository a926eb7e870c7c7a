/** Where some of what moves goes: a line through time for each, with a dot where it is now. */
import * as THREE from "three";
import type { Motion } from "./motion";
import type { Splats } from "./splats";

/** More lines hide each other. */
const TRACKS = 160;
/** Pieces of a line between two control poses: motions are smooth between them. */
const PIECES = 4;
/** Hues of neighbours in the file lie far apart. */
const GOLDEN = 0.618;

export class Tracks {
  readonly group = new THREE.Group();
  /** What the lines are of. */
  private of: Splats | null = null;
  /** The splats that the lines follow. */
  private followed: number[] = [];
  private readonly lines = new THREE.LineSegments(
    new THREE.BufferGeometry(),
    new THREE.LineBasicMaterial({ vertexColors: true, depthTest: false, transparent: true, opacity: 0.75 }),
  );
  private readonly dots = new THREE.Points(
    new THREE.BufferGeometry(),
    new THREE.PointsMaterial({ vertexColors: true, depthTest: false, transparent: true, size: 5, sizeAttenuation: false }),
  );

  constructor() {
    this.group.visible = false;
    this.group.add(this.lines, this.dots);
    for (const child of this.group.children) child.frustumCulled = false;
  }

  /** Show the tracks of these splats at a time; null: none. */
  show(splats: Splats | null, time: number): void {
    const motion = splats?.motion;
    this.group.visible = motion != null;
    if (!splats || !motion) return;
    if (this.of !== splats) this.draw(splats, motion);
    const poses = motion.bases.at(time);
    const there = this.followed.flatMap((index, i) => (motion.present(index, time) ? [{ at: motion.place(index, poses), colour: colourOf(i) }] : []));
    set(this.dots, there);
  }

  /** The edits have changed what is left of the splats. */
  forget(): void {
    this.of = null;
  }

  /** How many lines there are, and where they are now: for the tests. */
  state(): { lines: number; dots: number[][] } {
    const { visible } = this.group;
    const places = this.dots.geometry.getAttribute("position") as THREE.BufferAttribute | undefined;
    const dots = visible && places ? Array.from({ length: places.count }, (_, i) => new THREE.Vector3().fromBufferAttribute(places, i).toArray()) : [];
    return { lines: visible ? this.followed.length : 0, dots };
  }

  private draw(splats: Splats, motion: Motion): void {
    this.of = splats;
    this.followed = splats.moving(TRACKS);
    const { bases } = motion;
    const pieces = (bases.control - 3) * PIECES;
    const times = Array.from({ length: pieces + 1 }, (_, i) => bases.start + (i / pieces) * bases.seconds);
    const poses = times.map((time) => bases.at(time));
    const ends: Vertex[] = [];
    this.followed.forEach((index, i) => {
      const colour = colourOf(i);
      const places = poses.map((pose) => motion.place(index, pose));
      for (let k = 0; k < pieces; k++) {
        const [from, to] = [places[k], places[k + 1]];
        if (!from || !to || !motion.present(index, times[k] ?? 0) || !motion.present(index, times[k + 1] ?? 0)) continue;
        ends.push({ at: from, colour }, { at: to, colour });
      }
    });
    set(this.lines, ends);
  }
}

interface Vertex {
  at: THREE.Vector3;
  colour: THREE.Color;
}

function colourOf(i: number): THREE.Color {
  return new THREE.Color().setHSL((i * GOLDEN) % 1, 0.9, 0.6);
}

/** Give an object new vertices. */
function set(object: THREE.LineSegments | THREE.Points, vertices: Vertex[]): void {
  object.geometry.dispose();
  object.geometry = new THREE.BufferGeometry();
  object.geometry.setAttribute("position", new THREE.Float32BufferAttribute(vertices.flatMap(({ at }) => at.toArray()), 3));
  object.geometry.setAttribute("color", new THREE.Float32BufferAttribute(vertices.flatMap(({ colour }) => colour.toArray()), 3));
}
