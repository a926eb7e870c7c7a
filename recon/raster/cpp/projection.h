// Projection of Gaussians to the image (EWA splatting, Zwicker et al. 2001), lanes over Gaussians; what the
// forward and the backward pass share. In double, because for needles and for splats close to the camera the
// products cancel; with half as many lanes it costs little.
#pragma once
#include "core.h"
#include "simd.h"

namespace splat {
namespace {

constexpr int kChunk = 64;  // Gaussians gathered at a time; stays in L1
static_assert(kChunk % kLanes == 0, "chunks are whole vectors");

typedef float Row[kChunk] __attribute__((aligned(64)));

// Gaussians out of the list, by coordinate. Scales and opacities may still be logarithms and logits.
struct Chunk {
  int count = 0;
  uint32_t id[kChunk];
  Row mean[3], quat[4], scale[3], opacity;

  SPLAT_INLINE_MEMBER void add(const Gaussians& g, int64_t i) {
    const int n = count++;
    id[n] = static_cast<uint32_t>(i);
    for (int k = 0; k < 3; k++) mean[k][n] = g.means[3 * i + k], scale[k][n] = g.scales[3 * i + k];
    for (int k = 0; k < 4; k++) quat[k][n] = g.quats[4 * i + k];
    opacity[n] = g.opacities[i];
  }
  // Fills the last vector with copies of the first Gaussian; then exponential of scales, sigmoid of opacities.
  SPLAT_INLINE_MEMBER void finish(bool raw) {
    for (int n = count; n % kLanes; n++) {
      for (int k = 0; k < 3; k++) mean[k][n] = mean[k][0], scale[k][n] = scale[k][0];
      for (int k = 0; k < 4; k++) quat[k][n] = quat[k][0];
      opacity[n] = opacity[0];
    }
    if (!raw) return;
    for (int n = 0; n < count; n += kLanes) {
      for (int k = 0; k < 3; k++) store(scale[k] + n, exp_fast(load(scale[k] + n)));
      store(opacity + n, 1.0f / (1.0f + exp_fast(-load(opacity + n))));
    }
  }
};

// Depth of a point along the camera's z axis; the same number decides visibility in both passes.
SPLAT_INLINE double depth_of(const Camera& c, const float* mean) {
  return static_cast<double>(c.R[6]) * mean[0] + static_cast<double>(c.R[7]) * mean[1] +
         static_cast<double>(c.R[8]) * mean[2] + c.t[2];
}

struct Projection {
  vd x, y, z, inv_z;    // camera coordinates
  vd ratio_x, ratio_y;  // x/z, y/z clamped to a border of 30 % around the image
  vl free_x, free_y;    // not clamped
  vd quat[4], inv_norm;
  vd R[9], M[9];  // rotation, rotation * diag(scales)
  vd T[6];        // J W: pixels from world, linearised
  vd A[6];        // T M: the 2D covariance is A A^T + eps2d I
};

// Gaussians [first, first + kWide) of a chunk.
SPLAT_INLINE void project_lanes(const Camera& c, const Chunk& g, int first, Projection& o) {
  const float* W = c.R;
  const vd mx = widen(g.mean[0] + first), my = widen(g.mean[1] + first), mz = widen(g.mean[2] + first);
  o.x = mx * W[0] + my * W[1] + mz * W[2] + c.t[0];
  o.y = mx * W[3] + my * W[4] + mz * W[5] + c.t[1];
  o.z = mx * W[6] + my * W[7] + mz * W[8] + c.t[2];
  o.inv_z = 1.0 / o.z;

  vd q[4];
  for (int k = 0; k < 4; k++) q[k] = widen(g.quat[k] + first);
  const vd squared = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
  o.inv_norm = 1.0 / vsqrt(vmax(squared, vd{} + 1e-24));
  for (int k = 0; k < 4; k++) o.quat[k] = q[k] * o.inv_norm;
  const vd w = o.quat[0], x = o.quat[1], y = o.quat[2], z = o.quat[3];
  vd* R = o.R;
  R[0] = 1 - 2 * (y * y + z * z), R[1] = 2 * (x * y - w * z), R[2] = 2 * (x * z + w * y);
  R[3] = 2 * (x * y + w * z), R[4] = 1 - 2 * (x * x + z * z), R[5] = 2 * (y * z - w * x);
  R[6] = 2 * (x * z - w * y), R[7] = 2 * (y * z + w * x), R[8] = 1 - 2 * (x * x + y * y);
  for (int j = 0; j < 3; j++) {
    const vd s = widen(g.scale[j] + first);
    for (int i = 0; i < 3; i++) o.M[3 * i + j] = R[3 * i + j] * s;
  }

  // The linearisation is taken at a point not further outside than 30 % of the image (as gsplat does).
  const double left = c.cx / c.fx, right = (c.width - c.cx) / c.fx, border_x = 0.15f * c.width / c.fx;
  const double above = c.cy / c.fy, below = (c.height - c.cy) / c.fy, border_y = 0.15f * c.height / c.fy;
  const vd rx = o.x * o.inv_z, ry = o.y * o.inv_z;
  o.ratio_x = vmin(vmax(rx, vd{} - (left + border_x)), vd{} + (right + border_x));
  o.ratio_y = vmin(vmax(ry, vd{} - (above + border_y)), vd{} + (below + border_y));
  o.free_x = o.ratio_x == rx, o.free_y = o.ratio_y == ry;
  const vd j00 = c.fx * o.inv_z, j02 = -j00 * o.ratio_x, j11 = c.fy * o.inv_z, j12 = -j11 * o.ratio_y;
  for (int k = 0; k < 3; k++) {
    o.T[k] = j00 * W[k] + j02 * W[6 + k];
    o.T[3 + k] = j11 * W[3 + k] + j12 * W[6 + k];
  }
  for (int r = 0; r < 2; r++)
    for (int k = 0; k < 3; k++)
      o.A[3 * r + k] = o.T[3 * r] * o.M[k] + o.T[3 * r + 1] * o.M[3 + k] + o.T[3 * r + 2] * o.M[6 + k];
}

// Unit directions from the camera centre to Gaussians [first, first + kLanes), and 1 / distance.
SPLAT_INLINE void view_directions(const Camera& c, const Chunk& g, int first, vf* d, vf& inv_length) {
  for (int k = 0; k < 3; k++) d[k] = load(g.mean[k] + first) - c.centre[k];
  inv_length = 1.0f / vmax(vsqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), splat1(1e-12f));
  for (int k = 0; k < 3; k++) d[k] *= inv_length;
}

}  // namespace
}  // namespace splat
