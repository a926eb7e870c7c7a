// From the gradients of splats back to those of Gaussians and of the camera; then either written out,
// or used at once for an Adam step.
#include "adam.h"
#include "projection.h"
#include "sh.h"

namespace splat {
namespace SPLAT_ISA {
namespace {

// Gradients of a chunk of Gaussians, by coordinate.
struct ChunkGradients {
  Row sums[10];               // of the Gaussian's slots, see blend.cpp
  Row colour[3];              // dL/d(colour), zero where the colour was clamped at 0
  Row weight[16], basis[16];  // dL/d(basis), SH basis
  Row mean[3], quat[4], scale[3], opacity, pixel[2];
};

// What blend_backward left in the slots of a Gaussian, added up.
SPLAT_INLINE void add_slots(const Context& ctx, int64_t block, const Slots& slots, ChunkGradients& v, int n) {
  typedef float Quad __attribute__((vector_size(16)));
  Quad sums[3] = {}, part[3];
  const float* slot = ctx.pair_grads.data() + (ctx.block_pairs[block] + slots.begin) * kPairGrads;
  for (uint32_t k = 0; k < slots.count; k++, slot += kPairGrads) {
    memcpy(part, slot, sizeof part);  // the last two floats are never used
    for (int j = 0; j < 3; j++) sums[j] += part[j];
  }
  for (int j = 0; j < 10; j++) v.sums[j][n] = sums[j / 4][j % 4];
}

SPLAT_INLINE void quat_backward(const vd* q, vd inv_norm, const vd* G, Row* out, int n) {
  const vd w = q[0], x = q[1], y = q[2], z = q[3];  // G = dL/dR
  const vd v[4] = {
      2 * (-z * G[1] + y * G[2] + z * G[3] - x * G[5] - y * G[6] + x * G[7]),
      2 * (y * G[1] + z * G[2] + y * G[3] - 2 * x * G[4] - w * G[5] + z * G[6] + w * G[7] - 2 * x * G[8]),
      2 * (-2 * y * G[0] + x * G[1] + w * G[2] + x * G[3] + z * G[5] - w * G[6] + z * G[7] - 2 * y * G[8]),
      2 * (-2 * z * G[0] - w * G[1] + x * G[2] + w * G[3] - 2 * z * G[4] + y * G[5] + x * G[6] + y * G[7])};
  const vd radial = v[0] * w + v[1] * x + v[2] * y + v[3] * z;
  for (int k = 0; k < 4; k++) narrow(out[k] + n, (v[k] - q[k] * radial) * inv_norm);
}

// Geometry of Gaussians [n, n + kWide) of a chunk.
SPLAT_INLINE void geometry_backward(const Camera& c, const Chunk& g, int n, ChunkGradients& v, vd* camera) {
  // e was half the conic times (dx, dy), in log2 units: a factor 2 / log2(e) per e.
  const double per_e = 2.0 / kLog2e, half = 0.5 * per_e * per_e;
  const vd v_x = widen(v.sums[1] + n) * per_e, v_y = widen(v.sums[2] + n) * per_e;
  const vd v_xx = half * widen(v.sums[3] + n), v_xy = half * widen(v.sums[4] + n), v_yy = half * widen(v.sums[5] + n);
  narrow(v.pixel[0] + n, v_x), narrow(v.pixel[1] + n, v_y);

  Projection p;
  project_lanes(c, g, n, p);
  vd v_A[6], v_T[6], v_M[9], v_R[9];
  for (int k = 0; k < 3; k++) {
    v_A[k] = 2 * (v_xx * p.A[k] + v_xy * p.A[3 + k]);  // v_xx, v_xy, v_yy: dL/d(2D covariance)
    v_A[3 + k] = 2 * (v_xy * p.A[k] + v_yy * p.A[3 + k]);
  }
  for (int r = 0; r < 2; r++)
    for (int k = 0; k < 3; k++)
      v_T[3 * r + k] = v_A[3 * r] * p.M[3 * k] + v_A[3 * r + 1] * p.M[3 * k + 1] + v_A[3 * r + 2] * p.M[3 * k + 2];
  for (int r = 0; r < 3; r++)
    for (int k = 0; k < 3; k++) v_M[3 * r + k] = p.T[r] * v_A[k] + p.T[3 + r] * v_A[3 + k];
  for (int k = 0; k < 3; k++) {
    narrow(v.scale[k] + n, v_M[k] * p.R[k] + v_M[3 + k] * p.R[3 + k] + v_M[6 + k] * p.R[6 + k]);
    const vd s = widen(g.scale[k] + n);
    for (int r = 0; r < 3; r++) v_R[3 * r + k] = v_M[3 * r + k] * s;
  }
  quat_backward(p.quat, p.inv_norm, v_R, v.quat, n);

  // T = J W: to the Jacobian J, and through it and the pixel position to camera coordinates.
  const float* W = c.R;
  vd j00{}, j02{}, j11{}, j12{};
  for (int k = 0; k < 3; k++) {
    j00 += v_T[k] * W[k], j02 += v_T[k] * W[6 + k];
    j11 += v_T[3 + k] * W[3 + k], j12 += v_T[3 + k] * W[6 + k];
  }
  const vd fx_z = c.fx * p.inv_z, fy_z = c.fy * p.inv_z;
  const vd through_x = fx_z * p.inv_z * j02, through_y = fy_z * p.inv_z * j12;
  vd v_cam[3] = {fx_z * v_x - keep(p.free_x, through_x), fy_z * v_y - keep(p.free_y, through_y), vd{}};
  v_cam[2] = widen(v.sums[9] + n) - p.inv_z * (fx_z * (p.x * v_x + j00) + fy_z * (p.y * v_y + j11));
  v_cam[2] += (1.0 + keep(p.free_x, vd{} + 1.0)) * p.ratio_x * through_x;
  v_cam[2] += (1.0 + keep(p.free_y, vd{} + 1.0)) * p.ratio_y * through_y;
  for (int k = 0; k < 3; k++) narrow(v.mean[k] + n, v_cam[0] * W[k] + v_cam[1] * W[3 + k] + v_cam[2] * W[6 + k]);

  if (!camera) return;
  for (int k = 0; k < 3; k++) {
    const vd mean = widen(g.mean[k] + n);
    for (int r = 0; r < 3; r++) camera[3 * r + k] += v_cam[r] * mean;
    camera[k] += fx_z * v_T[k];
    camera[3 + k] += fy_z * v_T[3 + k];
    camera[6 + k] -= fx_z * p.ratio_x * v_T[k] + fy_z * p.ratio_y * v_T[3 + k];
    camera[9 + k] += v_cam[k];
  }
  // Where the ratio is clamped, fx times it does not depend on fx, but on cx.
  const vd bent_x = p.inv_z * j02, bent_y = p.inv_z * j12;
  camera[12] += p.inv_z * (p.x * v_x + j00) - keep(p.free_x, p.ratio_x * bent_x);
  camera[13] += p.inv_z * (p.y * v_y + j11) - keep(p.free_y, p.ratio_y * bent_y);
  camera[14] += v_x + keep(~p.free_x, bent_x);
  camera[15] += v_y + keep(~p.free_y, bent_y);
}

// Colour gradients to the SH basis, and through the view direction to means and the camera centre.
SPLAT_INLINE void direction_backward(const Camera& c, const Chunk& g, int n, int degree, ChunkGradients& v,
                                     vf* centre) {
  vf d[3], inv_length, basis[16], weight[16], v_dir[3];
  view_directions(c, g, n, d, inv_length);
  sh_basis(degree, d[0], d[1], d[2], basis);
  for (int k = 0; k < (degree + 1) * (degree + 1); k++)
    store(v.basis[k] + n, basis[k]), weight[k] = load(v.weight[k] + n);
  if (degree == 0) return;
  sh_basis_backward(degree, d[0], d[1], d[2], weight, v_dir);
  const vf radial = v_dir[0] * d[0] + v_dir[1] * d[1] + v_dir[2] * d[2];
  for (int k = 0; k < 3; k++) {
    const vf along = (v_dir[k] - d[k] * radial) * inv_length;
    store(v.mean[k] + n, load(v.mean[k] + n) + along);
    centre[k] -= along;
  }
}

SPLAT_INLINE void chunk_backward(const Context& ctx, const Chunk& g, ChunkGradients& v, float* camera) {
  const int degree = ctx.gaussians.sh_degree;
  vd to_camera[16] = {};
  vf to_centre[3] = {};
  for (int n = 0; n < g.count; n += kWide) geometry_backward(ctx.camera, g, n, v, camera ? to_camera : nullptr);
  for (int n = 0; n < g.count; n += kLanes) {
    direction_backward(ctx.camera, g, n, degree, v, to_centre);
    const vf o = load(g.opacity + n), sum = load(v.sums[0] + n);
    store(v.opacity + n, ctx.gaussians.raw ? sum * (1.0f - o) : sum / o);
    if (ctx.gaussians.raw)
      for (int k = 0; k < 3; k++) store(v.scale[k] + n, load(v.scale[k] + n) * load(g.scale[k] + n));
  }
  if (!camera) return;
  for (int k = 0; k < 16; k++)
    for (int lane = 0; lane < kWide; lane++) camera[k < 12 ? k : k + 3] += static_cast<float>(to_camera[k][lane]);
  for (int k = 0; k < 3; k++)
    for (int lane = 0; lane < kLanes; lane++) camera[12 + k] += to_centre[k][lane];
}

// Gathers a Gaussian that was visible: its parameters and what comes back from its splat.
SPLAT_INLINE void add_visible(const Context& ctx, int64_t block, int64_t i, Chunk& g, ChunkGradients& v) {
  const Gaussians& all = ctx.gaussians;
  const int n = g.count, terms = (all.sh_degree + 1) * (all.sh_degree + 1);
  g.add(all, i);
  add_slots(ctx, block, ctx.slots[i], v, n);
  float colour[3];
  for (int ch = 0; ch < 3; ch++)
    v.colour[ch][n] = colour[ch] = ctx.splats[i].positive >> ch & 1 ? v.sums[6 + ch][n] : 0.0f;
  if (all.sh_degree == 0) return;
  const float* sh = all.sh + i * all.sh_stride * 3;
  for (int k = 0; k < terms; k++)
    v.weight[k][n] = sh[3 * k] * colour[0] + sh[3 * k + 1] * colour[1] + sh[3 * k + 2] * colour[2];
}

// Gradients that are not there: zero, for the lanes that fill up a chunk's last vector.
SPLAT_INLINE void fill_up(const Chunk& g, ChunkGradients& v) {
  for (int n = g.count; n % kLanes; n++) {
    for (int j = 0; j < 10; j++) v.sums[j][n] = 0;
    for (int k = 0; k < 16; k++) v.weight[k][n] = 0;
  }
}

// Of the SH coefficients in use, [terms, 3].
SPLAT_INLINE void sh_gradient(const ChunkGradients& v, int n, int terms, float* sh) {
  for (int k = 0; k < terms; k++)
    for (int ch = 0; ch < 3; ch++) sh[3 * k + ch] = v.basis[k][n] * v.colour[ch][n];
}

SPLAT_INLINE void write_gradients(const Gaussians& all, const Chunk& g, const ChunkGradients& v,
                                  const ParameterGradients& out) {
  const int terms = (all.sh_degree + 1) * (all.sh_degree + 1);
  for (int n = 0; n < g.count; n++) {
    const int64_t i = g.id[n];
    for (int k = 0; k < 3; k++) out.means[3 * i + k] = v.mean[k][n], out.scales[3 * i + k] = v.scale[k][n];
    for (int k = 0; k < 4; k++) out.quats[4 * i + k] = v.quat[k][n];
    out.opacities[i] = v.opacity[n];
    if (out.means2d) out.means2d[2 * i] = v.pixel[0][n], out.means2d[2 * i + 1] = v.pixel[1][n];
    float* sh = out.sh + i * all.sh_stride * 3;
    sh_gradient(v, n, terms, sh);
    for (int k = 3 * terms; k < 3 * all.sh_stride; k++) sh[k] = 0;
  }
}

void write_zero(const Gaussians& g, const ParameterGradients& out, int64_t i) {
  for (int k = 0; k < 3; k++) out.means[3 * i + k] = out.scales[3 * i + k] = 0;
  for (int k = 0; k < 4; k++) out.quats[4 * i + k] = 0;
  out.opacities[i] = 0;
  memset(out.sh + i * g.sh_stride * 3, 0, g.sh_stride * 3 * sizeof(float));
  if (out.means2d) out.means2d[2 * i] = out.means2d[2 * i + 1] = 0;
}

SPLAT_INLINE void adam_chunk(const Gaussians& all, const Chunk& g, const ChunkGradients& v, const AdamStep& adam) {
  const int terms = (all.sh_degree + 1) * (all.sh_degree + 1);
  for (int n = 0; n < g.count; n++) {
    const float opacity = g.opacity[n];
    alignas(64) float geometry[16] = {};
    for (int k = 0; k < 3; k++) {
      geometry[k] = v.mean[k][n];
      geometry[7 + k] = v.scale[k][n] + adam.scale_weight * g.scale[k][n];
    }
    for (int k = 0; k < 4; k++) geometry[3 + k] = v.quat[k][n];
    geometry[10] = v.opacity[n] + adam.opacity_weight * opacity * (1.0f - opacity);
    alignas(64) float sh[48];
    sh_gradient(v, n, terms, sh);
    adam_update(adam, g.id[n], geometry, sh, 3 * terms, all.sh_stride * 3);
    if (adam.pixel_gradients) {
      float* sums = adam.pixel_gradients + 2 * static_cast<int64_t>(g.id[n]);
      sums[0] += __builtin_sqrtf(v.pixel[0][n] * v.pixel[0][n] + v.pixel[1][n] * v.pixel[1][n]), sums[1] += 1;
    }
  }
}

void project_backward(Context& ctx, int64_t begin, int64_t end, const ParameterGradients* out, const AdamStep* adam,
                      float* camera) {
  if (camera) memset(camera, 0, kCameraGrads * sizeof(float));
  const int64_t block = begin / kGaussiansPerBlock;
  ChunkGradients v;
  for (int64_t i = begin; i < end;) {
    Chunk chunk;
    for (; i < end && chunk.count < kChunk; i++) {
      if (ctx.slots[i].count)
        add_visible(ctx, block, i, chunk, v);
      else if (out)
        write_zero(ctx.gaussians, *out, i);
    }
    chunk.finish(ctx.gaussians.raw);
    fill_up(chunk, v);
    chunk_backward(ctx, chunk, v, camera);
    if (out) write_gradients(ctx.gaussians, chunk, v, *out);
    if (adam) adam_chunk(ctx.gaussians, chunk, v, *adam);
  }
}

}  // namespace

extern const decltype(Kernels::project_backward) project_backward_kernel = project_backward;

}  // namespace SPLAT_ISA
}  // namespace splat
