/** Leaves out Gaussians by crop and filters: on the GPU while drawing, and the same on the CPU for picking. */
import { dyno } from "@sparkjsdev/spark";
import * as THREE from "three";
import { cuts, type Edits } from "./edits";

type Modifier = dyno.DynoBlock<{ gsplat: typeof dyno.Gsplat }, { gsplat: typeof dyno.Gsplat }>;

/** One for all meshes of a page; set it, then tell the meshes (`updateVersion`). */
export class Hiding {
  readonly modifier: Modifier;
  private readonly uniforms = {
    /** 0: no crop, 1: box, 2: sphere. */
    shape: new dyno.DynoInt({ value: 0 }),
    keepInside: new dyno.DynoBool({ value: true }),
    centre: new dyno.DynoVec3({ value: new THREE.Vector3() }),
    half: new dyno.DynoVec3({ value: new THREE.Vector3(1, 1, 1) }),
    /** Crop from world, xyzw. */
    turn: new dyno.DynoVec4({ value: new THREE.Vector4(0, 0, 0, 1) }),
    minOpacity: new dyno.DynoFloat({ value: 0 }),
    maxExtent: new dyno.DynoFloat({ value: 1e30 }),
    /** Draw what is left out faintly in red instead of not at all. */
    ghosts: new dyno.DynoBool({ value: false }),
  };

  constructor() {
    const { uniforms } = this;
    const hide = new dyno.Dyno({
      inTypes: {
        gsplat: dyno.Gsplat,
        shape: "int",
        keepInside: "bool",
        centre: "vec3",
        half: "vec3",
        turn: "vec4",
        minOpacity: "float",
        maxExtent: "float",
        ghosts: "bool",
      },
      outTypes: { gsplat: dyno.Gsplat },
      globals: () => [dyno.defineGsplat],
      statements: ({ inputs: i, outputs: { gsplat } }) =>
        dyno.unindentLines(`
          ${gsplat} = ${i.gsplat};
          {
            vec3 away = ${gsplat}.center - ${i.centre};
            vec3 turned = away + 2.0 * cross(${i.turn}.xyz, cross(${i.turn}.xyz, away) + ${i.turn}.w * away);
            vec3 unit = abs(turned) / ${i.half};
            bool inside = ${i.shape} == 2 ? dot(unit, unit) <= 1.0 : max(unit.x, max(unit.y, unit.z)) <= 1.0;
            vec3 extent = ${gsplat}.scales;
            bool hidden = (${i.shape} != 0 && inside != ${i.keepInside})
              || ${gsplat}.rgba.a < ${i.minOpacity}
              || max(extent.x, max(extent.y, extent.z)) > ${i.maxExtent};
            if (hidden && ${i.ghosts}) ${gsplat}.rgba = vec4(1.0, 0.25, 0.2, 0.12 * ${gsplat}.rgba.a);
            else if (hidden) ${gsplat}.flags = 0u;
          }`),
    });
    this.modifier = dyno.dynoBlock({ gsplat: dyno.Gsplat }, { gsplat: dyno.Gsplat }, ({ gsplat }) => {
      if (!gsplat) throw new Error("no gsplat");
      return { gsplat: hide.apply({ gsplat, ...uniforms }).gsplat };
    });
  }

  set(edits: Edits, ghosts: boolean): void {
    const { uniforms: u } = this;
    const { crop } = edits;
    u.shape.value = crop ? (crop.shape === "sphere" ? 2 : 1) : 0;
    u.minOpacity.value = edits.min_opacity;
    u.maxExtent.value = edits.max_extent ?? 1e30;
    u.ghosts.value = ghosts;
    if (!crop) return;
    u.keepInside.value = crop.keep === "inside";
    u.centre.value.fromArray(crop.centre);
    u.half.value.fromArray(crop.size).multiplyScalar(0.5);
    const [x, y, z, w] = crop.rotation;
    u.turn.value.set(-x, -y, -z, w);
  }
}

/** The same on the CPU: a byte per Gaussian, 1 where it is left out; null when nothing is. */
export function hiddenOf(
  edits: Edits,
  centres: Float32Array,
  opacities: Float32Array,
  largest: Float32Array,
): Uint8Array | null {
  if (!cuts(edits)) return null;
  const hidden = new Uint8Array(opacities.length);
  const { crop, min_opacity: minOpacity } = edits;
  const maxExtent = edits.max_extent ?? Number.POSITIVE_INFINITY;
  const turn = new THREE.Quaternion(...(crop?.rotation ?? [0, 0, 0, 1])).invert();
  const centre = new THREE.Vector3(...(crop?.centre ?? [0, 0, 0]));
  const half = new THREE.Vector3(...(crop?.size ?? [1, 1, 1])).multiplyScalar(0.5);
  const unit = new THREE.Vector3();
  for (let i = 0; i < hidden.length; i++) {
    let out = (opacities[i] ?? 0) < minOpacity || (largest[i] ?? 0) > maxExtent;
    if (crop && !out) {
      unit.fromArray(centres, i * 3).sub(centre).applyQuaternion(turn).divide(half);
      const inside = crop.shape === "sphere" ? unit.lengthSq() <= 1 : Math.max(Math.abs(unit.x), Math.abs(unit.y), Math.abs(unit.z)) <= 1;
      out = inside !== (crop.keep === "inside");
    }
    hidden[i] = out ? 1 : 0;
  }
  return hidden;
}
