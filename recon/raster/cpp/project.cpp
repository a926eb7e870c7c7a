// Projection of Gaussians to the image (EWA splatting, Zwicker et al. 2001), their colour, the tiles
// they touch, and the way back from 2D gradients to 3D parameters and the camera pose.
#include <cmath>

#include "core.h"
#include "sh.h"

namespace splat {
namespace SPLAT_ISA {
namespace {

// In float for the forward pass; the backward pass repeats it in double, because for needles and for
// splats close to the camera the products below cancel (and the pass waits for memory anyway).
template <class Real>
struct Projection {
  Real x, y, z;                // camera coordinates
  Real ratio_x, ratio_y;       // x/z, y/z clamped to a border of 30 % around the image
  bool clamped_x, clamped_y;
  Real quat[4], quat_norm;
  Real R[9], M[9];             // rotation, rotation * diag(scales)
  Real T[6];                   // J W: pixels from world, linearised
  Real A[6];                   // T M: the 2D covariance is A A^T + eps2d I
};

template <class Real>
SPLAT_INLINE Real clamp(Real v, Real low, Real high) {
  return v < low ? low : v > high ? high : v;
}

template <class Real>
SPLAT_INLINE bool project_one(const Camera& c, const float* mean, const float* q, const float* s,
                              Projection<Real>& o) {
  const float* W = c.R;
  o.z = Real(W[6]) * mean[0] + Real(W[7]) * mean[1] + Real(W[8]) * mean[2] + c.t[2];
  if (!(o.z > c.near_plane)) return false;  // also refuses NaN
  o.x = Real(W[0]) * mean[0] + Real(W[1]) * mean[1] + Real(W[2]) * mean[2] + c.t[0];
  o.y = Real(W[3]) * mean[0] + Real(W[4]) * mean[1] + Real(W[5]) * mean[2] + c.t[1];

  const Real squared = Real(q[0]) * q[0] + Real(q[1]) * q[1] + Real(q[2]) * q[2] + Real(q[3]) * q[3];
  o.quat_norm = squared > 1e-24f ? std::sqrt(squared) : Real(1e-12);
  for (int k = 0; k < 4; k++) o.quat[k] = q[k] / o.quat_norm;
  const Real w = o.quat[0], x = o.quat[1], y = o.quat[2], z = o.quat[3];
  Real* R = o.R;
  R[0] = 1 - 2 * (y * y + z * z), R[1] = 2 * (x * y - w * z), R[2] = 2 * (x * z + w * y);
  R[3] = 2 * (x * y + w * z), R[4] = 1 - 2 * (x * x + z * z), R[5] = 2 * (y * z - w * x);
  R[6] = 2 * (x * z - w * y), R[7] = 2 * (y * z + w * x), R[8] = 1 - 2 * (x * x + y * y);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) o.M[3 * i + j] = R[3 * i + j] * s[j];

  // The linearisation is taken at a point not further outside than 30 % of the image (as gsplat does).
  const float left = c.cx / c.fx, right = (c.width - c.cx) / c.fx, border_x = 0.15f * c.width / c.fx;
  const float above = c.cy / c.fy, below = (c.height - c.cy) / c.fy, border_y = 0.15f * c.height / c.fy;
  const Real inv_z = 1 / o.z, rx = o.x * inv_z, ry = o.y * inv_z;
  o.ratio_x = clamp<Real>(rx, -(left + border_x), right + border_x);
  o.ratio_y = clamp<Real>(ry, -(above + border_y), below + border_y);
  o.clamped_x = o.ratio_x != rx, o.clamped_y = o.ratio_y != ry;
  const Real j00 = c.fx * inv_z, j02 = -j00 * o.ratio_x, j11 = c.fy * inv_z, j12 = -j11 * o.ratio_y;
  for (int k = 0; k < 3; k++) {
    o.T[k] = j00 * W[k] + j02 * W[6 + k];
    o.T[3 + k] = j11 * W[3 + k] + j12 * W[6 + k];
  }
  for (int r = 0; r < 2; r++)
    for (int k = 0; k < 3; k++)
      o.A[3 * r + k] = o.T[3 * r] * o.M[k] + o.T[3 * r + 1] * o.M[3 + k] + o.T[3 * r + 2] * o.M[6 + k];
  return true;
}

SPLAT_INLINE void view_direction(const Camera& c, const float* mean, float* d, float& inv_length) {
  for (int k = 0; k < 3; k++) d[k] = mean[k] - c.centre[k];
  inv_length = 1.0f / maxf(__builtin_sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), 1e-12f);
  for (int k = 0; k < 3; k++) d[k] *= inv_length;
}

SPLAT_INLINE bool make_splat(const Context& ctx, int64_t i, Splat& s) {
  const Camera& c = ctx.camera;
  const Gaussians& g = ctx.gaussians;
  const float opacity = g.opacities[i];
  if (!(opacity >= kMinAlpha)) return false;
  Projection<double> p;
  if (!project_one(c, g.means + 3 * i, g.quats + 4 * i, g.scales + 3 * i, p)) return false;
  const double* a = p.A;
  const double* b = p.A + 3;
  const double xx = a[0] * a[0] + a[1] * a[1] + a[2] * a[2], yy = b[0] * b[0] + b[1] * b[1] + b[2] * b[2];
  const double cov_xx = xx + c.eps2d, cov_yy = yy + c.eps2d, cov_xy = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  // det(A A^T + eps I) by the cross product of A's rows: xx * yy - xy^2 would cancel for needles.
  const double n0 = a[1] * b[2] - a[2] * b[1], n1 = a[2] * b[0] - a[0] * b[2], n2 = a[0] * b[1] - a[1] * b[0];
  const double determinant = n0 * n0 + n1 * n1 + n2 * n2 + c.eps2d * (xx + yy) + c.eps2d * c.eps2d;

  s.log2_opacity = std::log2(opacity);
  s.reach = s.log2_opacity - kLog2MinAlpha;
  const float sigmas_squared = 2.0f * s.reach / kLog2e;
  const float half_width = __builtin_sqrtf(sigmas_squared * cov_xx);
  s.half_height = __builtin_sqrtf(sigmas_squared * cov_yy);
  s.x = c.fx * (p.x / p.z) + c.cx, s.y = c.fy * (p.y / p.z) + c.cy;
  const bool touches = s.x + half_width > 0 && s.x - half_width < c.width && s.y + s.half_height > 0 &&
                       s.y - s.half_height < c.height && determinant < 1e30f;
  if (!touches) return false;
  const float inv_det = 1.0f / determinant;
  s.a = 0.5f * kLog2e * cov_yy * inv_det;
  s.b = -kLog2e * cov_xy * inv_det;
  s.c = 0.5f * kLog2e * cov_xx * inv_det;
  s.discriminant = kLog2e * kLog2e * inv_det;
  s.colour[3] = p.z, s.opacity = opacity, s.unused = 0;

  float d[3], inv_length, basis[16];
  view_direction(c, g.means + 3 * i, d, inv_length);
  sh_basis(g.sh_degree, d[0], d[1], d[2], basis);
  const int terms = (g.sh_degree + 1) * (g.sh_degree + 1);
  const float* sh = g.sh + i * g.sh_stride * 3;
  float colour[3] = {0.5f, 0.5f, 0.5f};
  for (int k = 0; k < terms; k++)
    for (int ch = 0; ch < 3; ch++) colour[ch] += basis[k] * sh[3 * k + ch];
  s.positive = 0;
  for (int ch = 0; ch < 3; ch++) {
    s.positive |= (colour[ch] > 0) << ch;
    s.colour[ch] = maxf(colour[ch], 0.0f);
  }
  return true;
}

int64_t project(Context& ctx, int64_t begin, int64_t end, uint64_t* keys) {
  int64_t visible = 0;
  for (int64_t i = begin; i < end; i++) {
    Splat& s = ctx.splats[i];
    ctx.slot_count[i] = 0;
    if (!make_splat(ctx, i, s)) continue;
    uint32_t depth_bits;  // positive floats sort like their bits
    memcpy(&depth_bits, &s.colour[3], 4);
    keys[visible++] = static_cast<uint64_t>(depth_bits) << 32 | static_cast<uint32_t>(i);
  }
  return visible;
}

// Tiles under the ellipse alpha = 1/255, row of tiles by row of tiles: within a row the ellipse's
// extent in x is at its ends or, if inside, where the ellipse is widest.
int64_t tiles(const Splat& s, const Camera& c, uint32_t* out) {
  const int y0 = static_cast<int>(std::ceil(maxf(0.0f, s.y - s.half_height - 0.5f)));
  const int y1 = static_cast<int>(std::floor(minf(c.height - 1.0f, s.y + s.half_height - 0.5f)));
  if (y0 > y1) return 0;
  const float inv_2a = 0.5f / s.a, four_a_reach = 4 * s.a * s.reach;
  const float widest = -s.b * __builtin_sqrtf(s.reach / (s.c * s.discriminant));  // dy where x is largest
  int64_t n = 0;
  for (int ty = y0 / kTile; ty <= y1 / kTile; ty++) {
    const float low = maxf(ty * kTile + 0.5f - s.y, -s.half_height);
    const float high = minf(ty * kTile + kTile - 0.5f - s.y, s.half_height);
    const float right_dy = minf(maxf(widest, low), high), left_dy = minf(maxf(-widest, low), high);
    const float right_root = maxf(0.0f, four_a_reach - s.discriminant * right_dy * right_dy);
    const float left_root = maxf(0.0f, four_a_reach - s.discriminant * left_dy * left_dy);
    const float right = (-s.b * right_dy + __builtin_sqrtf(right_root)) * inv_2a;
    const float left = (-s.b * left_dy - __builtin_sqrtf(left_root)) * inv_2a;
    const float slack = 1e-3f + 1e-6f * (right - left);
    const int x0 = static_cast<int>(std::ceil(maxf(0.0f, s.x + left - 0.5f - slack)));
    const int x1 = static_cast<int>(std::floor(minf(c.width - 1.0f, s.x + right - 0.5f + slack)));
    if (x0 > x1) continue;
    for (int tx = x0 / kTile; tx <= x1 / kTile; tx++, n++)
      if (out) out[n] = static_cast<uint32_t>(ty * c.tiles_x + tx);
  }
  return n;
}

void zero(const Gaussians& g, const ParameterGradients& out, int64_t i) {
  for (int k = 0; k < 3; k++) out.means[3 * i + k] = out.scales[3 * i + k] = 0;
  for (int k = 0; k < 4; k++) out.quats[4 * i + k] = 0;
  out.opacities[i] = 0;
  memset(out.sh + i * g.sh_stride * 3, 0, g.sh_stride * 3 * sizeof(float));
  if (out.means2d) out.means2d[2 * i] = out.means2d[2 * i + 1] = 0;
}

// Colour gradients to SH coefficients, and through the view direction to the mean.
SPLAT_INLINE void sh_backward(const Context& ctx, int64_t i, const float* v_colour, float* v_sh, float* v_mean) {
  const Gaussians& g = ctx.gaussians;
  float d[3], inv_length, basis[16], weight[16];
  view_direction(ctx.camera, g.means + 3 * i, d, inv_length);
  sh_basis(g.sh_degree, d[0], d[1], d[2], basis);
  const int terms = (g.sh_degree + 1) * (g.sh_degree + 1);
  for (int k = 0; k < terms; k++)
    for (int ch = 0; ch < 3; ch++) v_sh[3 * k + ch] = basis[k] * v_colour[ch];
  for (int k = 3 * terms; k < 3 * g.sh_stride; k++) v_sh[k] = 0;
  v_mean[0] = v_mean[1] = v_mean[2] = 0;
  if (g.sh_degree == 0) return;
  const float* sh = g.sh + i * g.sh_stride * 3;
  for (int k = 0; k < terms; k++)
    weight[k] = sh[3 * k] * v_colour[0] + sh[3 * k + 1] * v_colour[1] + sh[3 * k + 2] * v_colour[2];
  float v_dir[3];
  sh_basis_backward(g.sh_degree, d[0], d[1], d[2], weight, v_dir);
  const float radial = v_dir[0] * d[0] + v_dir[1] * d[1] + v_dir[2] * d[2];
  for (int k = 0; k < 3; k++) v_mean[k] = (v_dir[k] - d[k] * radial) * inv_length;
}

SPLAT_INLINE void quat_backward(const double* q, double norm, const double* G, float* out) {
  const double w = q[0], x = q[1], y = q[2], z = q[3];  // G = dL/dR
  const double v[4] = {
      2 * (-z * G[1] + y * G[2] + z * G[3] - x * G[5] - y * G[6] + x * G[7]),
      2 * (y * G[1] + z * G[2] + y * G[3] - 2 * x * G[4] - w * G[5] + z * G[6] + w * G[7] - 2 * x * G[8]),
      2 * (-2 * y * G[0] + x * G[1] + w * G[2] + x * G[3] + z * G[5] - w * G[6] + z * G[7] - 2 * y * G[8]),
      2 * (-2 * z * G[0] - w * G[1] + x * G[2] + w * G[3] - 2 * z * G[4] + y * G[5] + x * G[6] + y * G[7])};
  const double radial = v[0] * w + v[1] * x + v[2] * y + v[3] * z;
  for (int k = 0; k < 4; k++) out[k] = static_cast<float>((v[k] - q[k] * radial) / norm);
}

// sums: what blend_backward left in the slots of Gaussian i, added up.
SPLAT_INLINE void backward_one(const Context& ctx, int64_t i, const float* sums, const ParameterGradients& out,
                               float* pose) {
  const Camera& c = ctx.camera;
  const Gaussians& g = ctx.gaussians;
  const Splat& s = ctx.splats[i];
  const float* mean = g.means + 3 * i;
  out.opacities[i] = sums[0] / s.opacity;
  // The conic was in log2 units: one factor log2(e) per e.
  const double v_x = sums[1] / kLog2e, v_y = sums[2] / kLog2e, half = 0.5 / (kLog2e * kLog2e);
  const double v_xx = half * sums[3], v_xy = half * sums[4], v_yy = half * sums[5];  // dL/dcov
  if (out.means2d) out.means2d[2 * i] = static_cast<float>(v_x), out.means2d[2 * i + 1] = static_cast<float>(v_y);

  Projection<double> p;
  if (!project_one(c, mean, g.quats + 4 * i, g.scales + 3 * i, p)) return;
  double v_A[6], v_T[6], v_M[9], v_R[9];
  for (int k = 0; k < 3; k++) {
    v_A[k] = 2 * (v_xx * p.A[k] + v_xy * p.A[3 + k]);
    v_A[3 + k] = 2 * (v_xy * p.A[k] + v_yy * p.A[3 + k]);
  }
  for (int r = 0; r < 2; r++)
    for (int k = 0; k < 3; k++)
      v_T[3 * r + k] =
          v_A[3 * r] * p.M[3 * k] + v_A[3 * r + 1] * p.M[3 * k + 1] + v_A[3 * r + 2] * p.M[3 * k + 2];
  for (int r = 0; r < 3; r++)
    for (int k = 0; k < 3; k++) v_M[3 * r + k] = p.T[r] * v_A[k] + p.T[3 + r] * v_A[3 + k];
  const float* scale = g.scales + 3 * i;
  for (int k = 0; k < 3; k++)
    out.scales[3 * i + k] =
        static_cast<float>(v_M[k] * p.R[k] + v_M[3 + k] * p.R[3 + k] + v_M[6 + k] * p.R[6 + k]);
  for (int r = 0; r < 3; r++)
    for (int k = 0; k < 3; k++) v_R[3 * r + k] = v_M[3 * r + k] * scale[k];
  quat_backward(p.quat, p.quat_norm, v_R, out.quats + 4 * i);

  // T = J W: to the Jacobian J, and through it and the pixel position to camera coordinates.
  const float* W = c.R;
  double j00 = 0, j02 = 0, j11 = 0, j12 = 0;
  for (int k = 0; k < 3; k++) {
    j00 += v_T[k] * W[k], j02 += v_T[k] * W[6 + k];
    j11 += v_T[3 + k] * W[3 + k], j12 += v_T[3 + k] * W[6 + k];
  }
  const double inv_z = 1 / p.z, fx_z = c.fx * inv_z, fy_z = c.fy * inv_z;
  double v_cam[3] = {fx_z * v_x, fy_z * v_y, 0};
  v_cam[2] = sums[9] - (fx_z * (p.x * v_x * inv_z + j00 * inv_z) + fy_z * (p.y * v_y * inv_z + j11 * inv_z));
  v_cam[2] += (p.clamped_x ? 1 : 2) * fx_z * p.ratio_x * inv_z * j02;
  v_cam[2] += (p.clamped_y ? 1 : 2) * fy_z * p.ratio_y * inv_z * j12;
  if (!p.clamped_x) v_cam[0] -= fx_z * inv_z * j02;
  if (!p.clamped_y) v_cam[1] -= fy_z * inv_z * j12;

  float v_colour[3], v_dir[3];
  for (int ch = 0; ch < 3; ch++) v_colour[ch] = s.positive >> ch & 1 ? sums[6 + ch] : 0.0f;
  sh_backward(ctx, i, v_colour, out.sh + i * g.sh_stride * 3, v_dir);
  for (int k = 0; k < 3; k++)
    out.means[3 * i + k] =
        static_cast<float>(W[k] * v_cam[0] + W[3 + k] * v_cam[1] + W[6 + k] * v_cam[2] + v_dir[k]);

  if (!pose) return;
  for (int k = 0; k < 3; k++) {
    for (int r = 0; r < 3; r++) pose[3 * r + k] += static_cast<float>(v_cam[r] * mean[k]);
    pose[k] += static_cast<float>(fx_z * v_T[k]);
    pose[3 + k] += static_cast<float>(fy_z * v_T[3 + k]);
    pose[6 + k] -= static_cast<float>(fx_z * p.ratio_x * v_T[k] + fy_z * p.ratio_y * v_T[3 + k]);
    pose[9 + k] += static_cast<float>(v_cam[k]);
    pose[12 + k] -= v_dir[k];
  }
}

void project_backward(Context& ctx, int64_t begin, int64_t end, const ParameterGradients& out, float* pose) {
  if (pose) memset(pose, 0, kPoseGrads * sizeof(float));
  for (int64_t i = begin; i < end; i++) {
    const uint32_t count = ctx.slot_count[i];
    if (count == 0) {
      zero(ctx.gaussians, out, i);
      continue;
    }
    const float* slot = ctx.pair_grads.data() + static_cast<size_t>(ctx.slot_begin[i]) * kPairGrads;
    float sums[kPairGrads] = {};
    for (uint32_t k = 0; k < count; k++, slot += kPairGrads)
      for (int j = 0; j < kPairGrads; j++) sums[j] += slot[j];
    backward_one(ctx, i, sums, out, pose);
  }
}

}  // namespace

extern const decltype(Kernels::project) project_kernel = project;
extern const decltype(Kernels::tiles) tiles_kernel = tiles;
extern const decltype(Kernels::project_backward) project_backward_kernel = project_backward;

}  // namespace SPLAT_ISA
}  // namespace splat
