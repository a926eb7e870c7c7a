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
 * - Shaders of our own in two passes (`shaders.ts`), and 128 splats per instance.
 */
import { SparkRenderer } from "@sparkjsdev/spark";
import * as THREE from "three";
import { Projection } from "./projection";
import { BATCH, FRAGMENT, VERTEX } from "./shaders";

const EPS2D = 0.3;
const ALPHA_MIN = 1 / 255;

export function makeSpark(renderer: THREE.WebGLRenderer, onDirty: () => void): SparkRenderer {
  const active = { value: 0 };
  const projection = new Projection();
  const spark = new SparkRenderer({
    renderer,
    onDirty,
    sortRadial: false,
    enableLod: false,
    accumExtSplats: true, // float positions, 16-bit colours and opacity instead of 8-bit ones
    minAlpha: ALPHA_MIN,
    maxPixelRadius: 4096,
    clipXY: 3, // splats this far outside may still reach in; the clamp of the Jacobian keeps them tame
    preBlurAmount: EPS2D,
    blurAmount: 0,
    depthTest: false, // nothing else has depth
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    extraUniforms: { activeSplats: active, ...projection.uniforms },
  });
  spark.geometry.dispose();
  spark.geometry = batched(active);
  projection.attach(spark, active);
  return spark;
}

/** `k`: canvas pixels per training pixel. `coarse`: let splats end earlier, for speed. */
export function matchResolution(spark: SparkRenderer, k: number, coarse: boolean): void {
  spark.minAlpha = coarse ? 4 * ALPHA_MIN : ALPHA_MIN;
  spark.preBlurAmount = EPS2D * k * k;
  spark.blurAmount = Math.max(0, EPS2D * (1 - k * k));
}

/** `BATCH` triangles around the unit circle per instance. Spark sets the number of splats, as `instanceCount`, before each draw. */
function batched(active: THREE.IUniform<number>): THREE.InstancedBufferGeometry {
  const geometry = new THREE.InstancedBufferGeometry();
  const corners = [0, 2, 0, -Math.sqrt(3), -1, 0, Math.sqrt(3), -1, 0];
  const positions = new Float32Array(BATCH * 9);
  for (let i = 0; i < BATCH; i++) positions.set(corners, i * 9);
  geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
  Object.defineProperty(geometry, "instanceCount", {
    get: () => Math.ceil(active.value / BATCH),
    set: (splats: number) => {
      active.value = splats;
    },
  });
  return geometry;
}
