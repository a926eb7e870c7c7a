/**
 * The shaders that draw splats, in place of Spark's: gsplat's semantics and nothing else, with triangles that
 * fit tightly around where a splat's alpha is 1/255 at least.
 *
 * Two passes. `PROJECT` works out once per splat, in sorted order, where it lies on the canvas; `VERTEX` only
 * places the three corners of its triangle. In one pass, each corner would do all the work: on a software
 * rasterizer that is most of the frame.
 *
 * Spark feeds them: its uniforms, its textures of splats (always the extended kind, `accumExtSplats`), and its chunk
 * `splatDefines` for reading those. Colours go to the canvas as they are: both are sRGB. There is no branch for the
 * other cases, because a software rasterizer works out both sides of one for every fragment.
 */

/** Splats per instance: one triangle per instance is slow where instancing is. */
export const BATCH = 128;
/** Bits of a row of the textures between the passes. */
export const ROW_BITS = 11;

export const FULL_SCREEN = `
in vec3 position;
void main() { gl_Position = vec4(position.xy, 0.0, 1.0); }`;

export const PROJECT = `
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp usampler2DArray;

#include <splatDefines>

/** Bits of floats: centre in normalised device coordinates, first half-axis in pixels. */
layout(location = 0) out uvec4 shape;
/** Second half-axis (its y; x is 0), colours as halves, and the binary logarithm of how much alpha falls
    until it is minAlpha: 0 for what is not drawn. */
layout(location = 1) out uvec4 look;

uniform mat4 lensMatrix;
uniform vec2 renderSize;
uniform vec4 renderToViewQuat;
uniform vec3 renderToViewPos;
uniform float maxPixelRadius;
uniform float minAlpha;
uniform float blurAmount;
uniform float preBlurAmount;
uniform float clipXY;
uniform int activeSplats;
uniform usampler2D ordering;
uniform usampler2DArray extSplats;
uniform usampler2DArray extSplats2;

void main() {
  shape = uvec4(0u);
  look = uvec4(0u); // nothing, until the end
  int slot = (int(gl_FragCoord.y) << ${ROW_BITS}) + int(gl_FragCoord.x);
  if (slot >= activeSplats) return;
  uint index = texelFetch(ordering, ivec2((slot >> 2) & 4095, slot >> 14), 0)[slot & 3];
  if (index == 0xffffffffu) return;
  ivec3 coord = splatTexCoord(int(index));
  uvec4 packed1 = texelFetch(extSplats, coord, 0);
  vec3 centre, scales;
  vec4 quaternion, rgba;
  if (unpackSplatExtAlpha(packed1) < minAlpha) return;
  unpackSplatExt(packed1, texelFetch(extSplats2, coord, 0), centre, scales, quaternion, rgba);
  rgba.a = min(rgba.a, 0.999);
  if (rgba.a < minAlpha || scales == vec3(0.0)) return;

  vec3 view = quatVec(renderToViewQuat, centre) + renderToViewPos;
  vec4 clip = lensMatrix * vec4(view, 1.0);
  // Splats somewhat outside may still reach in.
  if (view.z >= 0.0 || abs(clip.z) >= clip.w || any(greaterThan(abs(clip.xy), vec2(clipXY * clip.w)))) return;

  // Jacobian of the projection; gsplat clamps its slope to (far edge - principal point) / f + 0.3 tan(fov / 2).
  vec2 tanHalf = 1.0 / vec2(lensMatrix[0][0], lensMatrix[1][1]);
  vec2 focal = 0.5 * renderSize / tanHalf;
  vec2 shift = vec2(lensMatrix[2][0], lensMatrix[2][1]) * tanHalf;
  float invZ = 1.0 / view.z;
  vec2 slope = clamp(view.xy * -invZ, shift - 1.3 * tanHalf, shift + 1.3 * tanHalf);
  vec2 J1 = focal * invZ;
  vec2 J2 = J1 * slope;
  mat3 axes = transpose(scaleQuaternionToMatrix(scales, quatQuat(renderToViewQuat, quaternion)));
  vec3 rowX = J1.x * axes[0] + J2.x * axes[2];
  vec3 rowY = J1.y * axes[1] + J2.y * axes[2];
  float a = dot(rowX, rowX) + preBlurAmount;
  float d = dot(rowY, rowY) + preBlurAmount;
  float b = dot(rowX, rowY);
  float before = a * d - b * b;
  a += blurAmount;
  d += blurAmount;
  float after = a * d - b * b;
  rgba.a *= sqrt(max(0.0, before / after));
  if (rgba.a < minAlpha) return;

  float reach = log(rgba.a / minAlpha);
  float radius = sqrt(2.0 * reach);
  // Two conjugate half-axes (Cholesky): the parallelogram has the area of the box along the main axes.
  float first = sqrt(a);
  float cross_ = b / first;
  float second = sqrt(max(1e-12, d - cross_ * cross_));
  float limit = min(radius, maxPixelRadius / max(first, max(abs(cross_), second)));
  vec2 ndc = clip.xy / clip.w;
  vec2 extent = limit * vec2(first, abs(cross_) + second) * 2.0 / renderSize;
  if (any(greaterThan(abs(ndc) - extent, vec2(1.0)))) return; // does not reach in
  shape = floatBitsToUint(vec4(ndc, limit * vec2(first, cross_)));
  vec3 rgb = max(rgba.rgb, vec3(0.0));
  look = uvec4(floatBitsToUint(limit * second), packHalf2x16(rgb.rg), packHalf2x16(vec2(rgb.b, rgba.a)), floatBitsToUint(reach * 1.44269504));
}`;

export const VERTEX = `
precision highp float;
precision highp int;
precision highp usampler2D;

flat out vec4 vRgba;
/** Length 1 where alpha has fallen to minAlpha. */
out vec2 vPlace;
/** An eighth of the binary logarithm of alpha there over alpha in the middle: from -1 to 0, as alpha is 8 bits. */
flat out float vFall;

uniform vec2 renderSize;
uniform int activeSplats;
uniform usampler2D shapes;
uniform usampler2D looks;

void main() {
  gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // nothing, until the end
  int slot = gl_InstanceID * ${BATCH} + gl_VertexID / 3;
  if (slot >= activeSplats) return;
  ivec2 at = ivec2(slot & ${(1 << ROW_BITS) - 1}, slot >> ${ROW_BITS});
  uvec4 look = texelFetch(looks, at, 0);
  if (look.w == 0u) return;
  vec4 shape = uintBitsToFloat(texelFetch(shapes, at, 0));
  vFall = -0.125 * uintBitsToFloat(look.w);
  vRgba = vec4(unpackHalf2x16(look.y), unpackHalf2x16(look.z));
  vPlace = position.xy;
  vec2 pixels = position.x * shape.zw + position.y * vec2(0.0, uintBitsToFloat(look.x));
  gl_Position = vec4(shape.xy + (2.0 / renderSize) * pixels, 0.0, 1.0);
}`;

export const FRAGMENT = `
precision highp float;

flat in vec4 vRgba;
in vec2 vPlace;
flat in float vFall;
out vec4 fragColor;

void main() {
  float squared = dot(vPlace, vPlace);
  if (squared > 1.0) discard;
  // exp2(8 * fall), by a cubic and three squarings: a software rasterizer has no instruction for it. Off by 0.12 % at
  // most, and by a tenth of a step of 8 bits.
  float fall = vFall * squared;
  float power = 1.0 + fall * (0.6916 + fall * (0.2312 + fall * 0.0396));
  power *= power;
  power *= power;
  float alpha = vRgba.a * power * power;
  fragColor = vec4(vRgba.rgb * alpha, alpha);
}`;
