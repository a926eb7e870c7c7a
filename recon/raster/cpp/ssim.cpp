// L1 + structural dissimilarity, value and gradient, in three passes over image rows.
//
//   loss = (1 - lambda) mean |x - y| + lambda (1 - mean SSIM(x, y))
//
// SSIM (Wang et al. 2004) as in 3DGS: 11 x 11 Gaussian window of sigma 1.5, zero padding, C1 = 0.01^2,
// C2 = 0.03^2, per channel. The window is separable; rows stay interleaved RGB, so the horizontal taps
// are 3 floats apart and everything is straight vector code. With p = blur(x), q = blur(y) and the
// second moments, dL/dx = blur(dL/dp) + 2 x blur(dL/dblur(xx)) + y blur(dL/dblur(xy)).
#include "core.h"
#include "simd.h"

namespace splat {
namespace SPLAT_ISA {
namespace {

constexpr int kRadius = 5, kHalo = 3 * kRadius, kSegment = 1536;  // floats; a segment stays in L1
// exp(-k^2 / 4.5), k = 0..5, normalised over the 11 taps.
constexpr float kWindow[6] = {0.26601172486179436f, 0.21300553771125369f, 0.10936068950970002f,
                              0.03600077212843083f, 0.00759875813523919f, 0.00102838008447911f};
constexpr float kC1 = 1e-4f, kC2 = 9e-4f;

SPLAT_INLINE float* map(const SsimJob& job, int index, int64_t row) {
  return job.scratch + (index * job.height + row) * job.width * 3;
}

// out[i] = sum_k window[k] in[i + 3 k]; `in` points at the sample under out[0], halo on both sides.
SPLAT_INLINE void blur_row(const float* in, float* out, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    float s = kWindow[0] * in[i];
    for (int k = 1; k <= kRadius; k++) s += kWindow[k] * (in[i - 3 * k] + in[i + 3 * k]);
    out[i] = s;
  }
}

// Vertical taps over rows y - 5 .. y + 5 of one map, for floats [begin, begin + count).
SPLAT_INLINE void blur_column(const SsimJob& job, int index, int64_t y, int64_t begin, int64_t count, float* out) {
  const float* centre = map(job, index, y) + begin;
  const int64_t stride = job.width * 3;
  for (int64_t i = 0; i < count; i++) out[i] = kWindow[0] * centre[i];
  for (int k = 1; k <= kRadius; k++) {
    const float* above = y - k >= 0 ? centre - k * stride : nullptr;
    const float* below = y + k < job.height ? centre + k * stride : nullptr;
    const float w = kWindow[k];
    if (above && below)
      for (int64_t i = 0; i < count; i++) out[i] += w * (above[i] + below[i]);
    else if (const float* only = above ? above : below)
      for (int64_t i = 0; i < count; i++) out[i] += w * only[i];
  }
}

// Cuts a row into segments: f(begin, count, from, to), where [from, to) is the segment with its halo,
// clipped to the row.
template <class F>
SPLAT_INLINE void for_segments(const SsimJob& job, F f) {
  const int64_t n = job.width * 3;
  for (int64_t begin = 0; begin < n; begin += kSegment) {
    const int64_t count = n - begin < kSegment ? n - begin : kSegment;
    const int64_t from = begin > kHalo ? begin - kHalo : 0;
    const int64_t to = begin + count + kHalo < n ? begin + count + kHalo : n;
    f(begin, count, from, to);
  }
}

// Horizontal blur of x, y, xx, yy, xy into maps 0..4.
void moments(const SsimJob& job, int64_t row) {
  const float* x = job.image + row * job.width * 3;
  const float* y = job.target + row * job.width * 3;
  for_segments(job, [&](int64_t begin, int64_t count, int64_t from, int64_t to) {
    float in[5][kSegment + 2 * kHalo] = {};
    const int64_t shift = kHalo - begin;
    for (int64_t i = from; i < to; i++) {
      const float a = x[i], b = y[i];
      in[0][i + shift] = a, in[1][i + shift] = b;
      in[2][i + shift] = a * a, in[3][i + shift] = b * b, in[4][i + shift] = a * b;
    }
    for (int m = 0; m < 5; m++) blur_row(in[m] + kHalo, map(job, m, row) + begin, count);
  });
}

// Vertical blur of maps 0..4, SSIM, and the horizontal blur of its three derivatives into maps 5..7.
void statistics(const SsimJob& job, int64_t row) {
  double total = 0;
  for_segments(job, [&](int64_t begin, int64_t count, int64_t from, int64_t to) {
    float v[5][kSegment + 2 * kHalo], d[3][kSegment + 2 * kHalo] = {};
    float ssim_map[kSegment + 2 * kHalo];
    const int64_t n = to - from, shift = from - begin + kHalo;
    for (int m = 0; m < 5; m++) blur_column(job, m, row, from, n, v[m]);
    for (int64_t i = 0; i < n; i++) {
      const float p = v[0][i], q = v[1][i];
      const float var_x = v[2][i] - p * p, var_y = v[3][i] - q * q, cov = v[4][i] - p * q;
      const float A = 2 * p * q + kC1, B = 2 * cov + kC2, C = p * p + q * q + kC1, D = var_x + var_y + kC2;
      const float inv = 1.0f / (C * D), ssim = A * B * inv;
      const float d_var = -ssim / D, d_cov = 2 * A * inv, d_p = 2 * q * B * inv - 2 * p * ssim / C;
      ssim_map[i] = ssim;
      d[0][i + shift] = d_p - 2 * p * d_var - q * d_cov;  // through the centred moments as well
      d[1][i + shift] = d_var;
      d[2][i + shift] = d_cov;
    }
    float sum = 0;
    for (int64_t i = begin - from; i < begin - from + count; i++) sum += ssim_map[i];
    total += sum;
    if (job.gradient)
      for (int m = 0; m < 3; m++) blur_row(d[m] + kHalo, map(job, 5 + m, row) + begin, count);
  });
  job.sums[2 * row + 1] = total;
}

// Vertical blur of maps 5..7, the gradient, and the L1 sum.
void gradient(const SsimJob& job, int64_t row) {
  const float* x = job.image + row * job.width * 3;
  const float* y = job.target + row * job.width * 3;
  const float per_value = 1.0f / (3.0f * static_cast<float>(job.width * job.height));
  const float l1 = (1 - job.lambda) * per_value, dssim = job.lambda * per_value;
  double total = 0;
  for_segments(job, [&](int64_t begin, int64_t count, int64_t, int64_t) {
    float v[3][kSegment], sum = 0;
    if (job.gradient) {
      float* g = job.gradient + row * job.width * 3 + begin;
      for (int m = 0; m < 3; m++) blur_column(job, 5 + m, row, begin, count, v[m]);
      for (int64_t i = 0; i < count; i++) {
        const float a = x[begin + i], b = y[begin + i];
        const float sign = a > b ? 1.0f : a < b ? -1.0f : 0.0f;
        g[i] = l1 * sign - dssim * (v[0][i] + 2 * a * v[1][i] + b * v[2][i]);
      }
    }
    for (int64_t i = begin; i < begin + count; i++) sum += __builtin_fabsf(x[i] - y[i]);
    total += sum;
  });
  job.sums[2 * row] = total;
}

void ssim_pass(int pass, const SsimJob& job, int64_t row) {
  (pass == 0 ? moments : pass == 1 ? statistics : gradient)(job, row);
}

}  // namespace

extern const decltype(Kernels::ssim_pass) ssim_kernel = ssim_pass;

}  // namespace SPLAT_ISA
}  // namespace splat
