/** The first of two passes: where each splat lies on the canvas, worked out once and in sorted order. */
import type { SparkRenderer } from "@sparkjsdev/spark";
import * as THREE from "three";
import { FULL_SCREEN, PROJECT, ROW_BITS } from "./shaders";

const ROW = 1 << ROW_BITS;

export class Projection {
  /** For the second pass. */
  readonly uniforms: Record<"shapes" | "looks", THREE.IUniform<THREE.Texture | undefined>>;
  private target = makeTarget(1);
  private readonly scene = new THREE.Scene();
  private readonly camera = new THREE.Camera();
  private readonly lens = { value: new THREE.Matrix4() };

  constructor() {
    this.uniforms = { shapes: { value: this.target.textures[0] }, looks: { value: this.target.textures[1] } };
  }

  /** Run before each draw of Spark's mesh, after Spark has set its uniforms. */
  attach(spark: SparkRenderer, active: THREE.IUniform<number>): void {
    const material = new THREE.RawShaderMaterial({
      glslVersion: THREE.GLSL3,
      vertexShader: FULL_SCREEN,
      fragmentShader: PROJECT,
      uniforms: { ...spark.uniforms, activeSplats: active, lensMatrix: this.lens },
      depthTest: false,
      depthWrite: false,
      blending: THREE.NoBlending,
    });
    const triangle = new THREE.BufferGeometry();
    triangle.setAttribute("position", new THREE.Float32BufferAttribute([-1, -1, 0, 3, -1, 0, -1, 3, 0], 3));
    const mesh = new THREE.Mesh(triangle, material);
    mesh.frustumCulled = false;
    this.scene.add(mesh);
    const prepare = spark.onBeforeRender.bind(spark);
    spark.onBeforeRender = (renderer, scene, camera) => {
      prepare(renderer, scene, camera);
      this.lens.value.copy(camera.projectionMatrix);
      // Before the pass: inside it, a new texture's first data came too late.
      const ordering = spark.orderingTexture;
      if (ordering) renderer.initTexture(ordering);
      if (active.value > 0) this.run(renderer, active.value); // else there are no textures yet
    };
  }

  private run(renderer: THREE.WebGLRenderer, splats: number): void {
    const rows = Math.max(1, Math.ceil(splats / ROW));
    if (this.target.height < rows) this.grow(Math.ceil(rows * 1.25));
    const { target } = this;
    target.viewport.set(0, 0, ROW, rows);
    const before = { target: renderer.getRenderTarget(), clear: renderer.autoClear };
    renderer.autoClear = false;
    renderer.setRenderTarget(target);
    renderer.render(this.scene, this.camera);
    renderer.setRenderTarget(before.target);
    renderer.autoClear = before.clear;
  }

  private grow(rows: number): void {
    this.target.dispose();
    this.target = makeTarget(rows);
    [this.uniforms.shapes.value, this.uniforms.looks.value] = this.target.textures;
  }
}

function makeTarget(rows: number): THREE.WebGLRenderTarget {
  return new THREE.WebGLRenderTarget(ROW, rows, {
    count: 2,
    format: THREE.RGBAIntegerFormat,
    type: THREE.UnsignedIntType,
    internalFormat: "RGBA32UI",
    minFilter: THREE.NearestFilter,
    magFilter: THREE.NearestFilter,
    depthBuffer: false,
  });
}
