/**
 * Spark, set to draw what the trainer's rasterizer draws (gsplat semantics), and faster on weak GPUs.
 *
 * - Depth is z, as in training (`sortRadial: false`); opacity below 1/255 is skipped and the Gaussian is
 *   cut where its alpha falls below that.
 * - The 2D covariance is widened by 0.3 px² without compensation. That is 0.3 *training* pixels: on a
 *   canvas with k times the resolution it is 0.3 k², else splats get thin and gaps open. Below the
 *   training resolution the rest up to 0.3 px² is a proper low-pass filter with compensated opacity.
 * - The projection's Jacobian is clamped near the image border, as gsplat does; Spark drops splats
 *   whose centre is outside instead, which makes large ones vanish at the border.
 * - 128 quads per instance instead of one: more than twice as fast where instancing is slow.
 */
import { SparkRenderer } from "@sparkjsdev/spark";
import * as THREE from "three";
import { Problem } from "./types";

const EPS2D = 0.3;
const ALPHA_MIN = 1 / 255;
const BATCH = 128;

export function makeSpark(renderer: THREE.WebGLRenderer, onDirty: () => void): SparkRenderer {
  const spark = new SparkRenderer({
    renderer,
    onDirty,
    sortRadial: false,
    enableLod: false,
    accumExtSplats: true, // float positions, 16-bit colours and opacity instead of 8-bit ones
    maxStdDev: Math.sqrt(2 * Math.log(255)), // beyond this even opacity 1 is below 1/255
    minAlpha: ALPHA_MIN,
    maxPixelRadius: 4096,
    clipXY: 3, // splats this far outside may still reach in; the clamp below keeps them tame
    preBlurAmount: EPS2D,
    blurAmount: 0,
  });
  patch(spark);
  return spark;
}

/** `k`: canvas pixels per training pixel. */
export function matchResolution(spark: SparkRenderer, k: number): void {
  spark.preBlurAmount = EPS2D * k * k;
  spark.blurAmount = Math.max(0, EPS2D * (1 - k * k));
}

function patch(spark: SparkRenderer): void {
  const swaps: [string, string][] = [
    ["void main() {", `uniform int activeSplats;\nvoid main() {\n    int slot = gl_InstanceID * ${BATCH} + (gl_VertexID >> 2);`],
    ["ivec2((gl_InstanceID >> 2) & 4095, gl_InstanceID >> 14)", "ivec2((slot >> 2) & 4095, slot >> 14)"],
    ["texelFetch(ordering, orderingCoord, 0)[gl_InstanceID & 3]", "slot < activeSplats ? texelFetch(ordering, orderingCoord, 0)[slot & 3] : 0xffffffffu"],
    [
      "vec2 J2 = -(J1 * viewCenter.xy) * invZ;",
      // gsplat: lim = (far edge - principal point) / f + 0.3 tan(fov / 2), per side.
      `vec2 tanHalf = 1.0 / vec2(projectionMatrix[0][0], projectionMatrix[1][1]);
        vec2 shift = vec2(projectionMatrix[2][0], projectionMatrix[2][1]) * tanHalf;
        vec2 slope = clamp(viewCenter.xy * -invZ, shift - 1.3 * tanHalf, shift + 1.3 * tanHalf);
        vec2 J2 = J1 * slope;`,
    ],
  ];
  let shader = spark.material.vertexShader;
  for (const [old, replacement] of swaps) {
    if (!shader.includes(old)) throw new Problem("This page was built with a version of Spark it does not know.");
    shader = shader.replace(old, replacement);
  }
  spark.material.vertexShader = shader;

  const geometry = new THREE.InstancedBufferGeometry();
  const corners = [-1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 1, 0];
  const positions = new Float32Array(BATCH * 12);
  const indices = new Uint16Array(BATCH * 6);
  for (let i = 0; i < BATCH; i++) {
    positions.set(corners, i * 12);
    indices.set([0, 1, 2, 0, 2, 3].map((corner) => corner + 4 * i), i * 6);
  }
  geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
  geometry.setIndex(new THREE.BufferAttribute(indices, 1));
  const active = { value: 0 };
  (spark.uniforms as Record<string, THREE.IUniform>).activeSplats = active;
  // Spark sets the number of splats here before each draw.
  Object.defineProperty(geometry, "instanceCount", {
    get: () => Math.ceil(active.value / BATCH),
    set: (splats: number) => {
      active.value = splats;
    },
  });
  spark.geometry.dispose();
  spark.geometry = geometry;
}
