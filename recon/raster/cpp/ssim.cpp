// L1 + structural dissimilarity, value and gradient, in one pass down vertical strips of the image.
//
//   loss = (1 - lambda) mean |x - y| + lambda (1 - mean SSIM(x, y))
//
// SSIM (Wang et al. 2004) as in 3DGS: 11 x 11 Gaussian window of sigma 1.5, zero padding, C1 = 0.01^2,
// C2 = 0.03^2, per channel. The window is separable; rows stay interleaved RGB, so the horizontal taps are
// 3 floats apart and everything is straight vector code. With p = blur(x), q = blur(y) and the second
// moments, dL/dx = blur(dL/dp) + 2 x blur(dL/dblur(xx)) + y blur(dL/dblur(xy)). The moments are blurred down
// the columns straight from the images, the derivatives from a ring of eleven rows that stays in the cache:
// no map of the whole image is ever stored.
#include "core.h"
#include "simd.h"

namespace splat {
namespace SPLAT_ISA {
namespace {

constexpr int kRadius = 5, kTaps = 2 * kRadius + 1, kHalo = 3 * kRadius;  // kHalo: floats
// exp(-k^2 / 4.5), k = 0..5, normalised over the 11 taps.
constexpr float kWindow[6] = {0.26601172486179436f, 0.21300553771125369f, 0.10936068950970002f,
                              0.03600077212843083f, 0.00759875813523919f, 0.00102838008447911f};
constexpr float kC1 = 1e-4f, kC2 = 9e-4f;

constexpr int kWidth = (kSsimStrip + 4 * kHalo + 2 * kLanes + 15) & ~15;  // of a row buffer, with room to round up
// A row is stored with index 0 at the strip's first float minus 2 kHalo; so kHalo and 2 kHalo are where the
// statistics and the strip itself begin.
typedef float Line[kWidth] __attribute__((aligned(64)));

// out[i] = sum_k window[k] in[i + 3 k] for i in [from, to), rounded up to whole vectors.
SPLAT_INLINE void blur_row(const float* in, float* out, int from, int to) {
  for (int i = from; i < to; i += kLanes) {
    vf s = kWindow[0] * load(in + i);
    for (int k = 1; k <= kRadius; k++) s += kWindow[k] * (load(in + i - 3 * k) + load(in + i + 3 * k));
    store(out + i, s);
  }
}

// The same over rows row - 5 .. row + 5 of a ring; rows outside the image are zero.
SPLAT_INLINE void blur_column(const Line* ring, const float* zero, int64_t row, int64_t height, float* out, int from,
                              int to) {
  const float* line[kTaps];
  for (int k = 0; k < kTaps; k++) {
    const int64_t r = row + k - kRadius;
    line[k] = r >= 0 && r < height ? ring[r % kTaps] : zero;
  }
  const float *l0 = line[0], *l1 = line[1], *l2 = line[2], *l3 = line[3], *l4 = line[4], *l5 = line[5];
  const float *l6 = line[6], *l7 = line[7], *l8 = line[8], *l9 = line[9], *l10 = line[10];
  for (int i = from; i < to; i += kLanes) {
    vf s = kWindow[0] * load(l5 + i) + kWindow[1] * (load(l4 + i) + load(l6 + i));
    s += kWindow[2] * (load(l3 + i) + load(l7 + i)) + kWindow[3] * (load(l2 + i) + load(l8 + i));
    s += kWindow[4] * (load(l1 + i) + load(l9 + i)) + kWindow[5] * (load(l0 + i) + load(l10 + i));
    store(out + i, s);
  }
}

struct Strip {
  const SsimJob& job;
  int64_t row_begin, row_end, begin;  // rows; first float of the strip in a row of the image
  int count, low, high;               // floats of the strip; buffer indices that lie inside the image
  Line derivatives[3][kTaps], zero = {};
  double l1 = 0, ssim = 0;

  Strip(const SsimJob& j, int64_t first_row, int64_t last_row, int64_t first, int floats)
      : job(j), row_begin(first_row), row_end(last_row), begin(first), count(floats) {
    const int64_t row_floats = job.width * 3, shift = 2 * kHalo - begin;
    low = static_cast<int>(shift > 0 ? shift : 0);
    high = static_cast<int>(row_floats + shift < 4 * kHalo + count ? row_floats + shift : 4 * kHalo + count);
  }

  // Vertical blur of x, y, xx, yy, xy at one row.
  SPLAT_INLINE_MEMBER void vertical_moments(int64_t row, Line* out) {
    const int64_t stride = job.width * 3, at = row * stride + begin - 2 * kHalo;
    const int above = static_cast<int>(row < kRadius ? row : kRadius);
    const int below = static_cast<int>(job.height - 1 - row < kRadius ? job.height - 1 - row : kRadius);
    for (int m = 0; m < 5; m++) memset(out[m], 0, sizeof(Line));
    for (int i = low; i < high; i += kLanes) {
      const int n = high - i < kLanes ? high - i : kLanes;
      vf sums[5] = {};
      auto add = [&](int64_t k, float weight) {
        const float *x = job.image + at + k * stride + i, *y = job.target + at + k * stride + i;
        const vf a = n == kLanes ? load(x) : load_part(x, n), b = n == kLanes ? load(y) : load_part(y, n);
        const vf wa = weight * a, wb = weight * b;
        sums[0] += wa, sums[1] += wb, sums[2] += wa * a, sums[3] += wb * b, sums[4] += wa * b;
      };
      add(0, kWindow[0]);
      for (int k = 1; k <= above; k++) add(-k, kWindow[k]);
      for (int k = 1; k <= below; k++) add(k, kWindow[k]);
      for (int m = 0; m < 5; m++) store(out[m] + i, sums[m]);
    }
  }

  // SSIM of one row and the horizontal blur of its three derivatives.
  SPLAT_INLINE_MEMBER void compare(int64_t row) {
    Line values, d[3];
    Line vertical[5], blurred[5];
    vertical_moments(row, vertical);
    for (int m = 0; m < 5; m++) blur_row(vertical[m], blurred[m], kHalo, 3 * kHalo + count);
    for (int i = kHalo; i < 3 * kHalo + count; i += kLanes) {
      const vf p = load(blurred[0] + i), q = load(blurred[1] + i);
      const vf var_x = load(blurred[2] + i) - p * p, var_y = load(blurred[3] + i) - q * q,
               cov = load(blurred[4] + i) - p * q;
      const vf A = 2 * p * q + kC1, B = 2 * cov + kC2, C = p * p + q * q + kC1, D = var_x + var_y + kC2;
      const vf inv = reciprocal(C * D), ssim = A * B * inv;
      const vf d_var = -ssim * (inv * C), d_cov = 2 * A * inv, d_p = 2 * q * B * inv - 2 * p * ssim * (inv * D);
      store(values + i, ssim);
      store(d[0] + i, d_p - 2 * p * d_var - q * d_cov);  // through the centred moments as well
      store(d[1] + i, d_var), store(d[2] + i, d_cov);
    }
    if (row >= row_begin && row < row_end) {
      float sum = 0;
      for (int i = 2 * kHalo; i < 2 * kHalo + count; i++) sum += values[i];
      ssim += sum;
    }
    if (!job.gradient) return;
    for (int m = 0; m < 3; m++) {
      for (int i = kHalo; i < low; i++) d[m][i] = 0;  // nothing outside the image
      for (int i = high; i < 3 * kHalo + count + kLanes; i++) d[m][i] = 0;
      blur_row(d[m], derivatives[m][row % kTaps], 2 * kHalo, 2 * kHalo + count);
    }
  }

  // The gradient of one row, and its share of the L1 loss.
  SPLAT_INLINE_MEMBER void finish(int64_t row) {
    const float per_value = 1.0f / (3.0f * static_cast<float>(job.width * job.height));
    const float of_l1 = (1 - job.lambda) * per_value, of_ssim = job.lambda * per_value;
    const float *x = job.image + row * job.width * 3 + begin, *y = job.target + row * job.width * 3 + begin;
    Line blurred[3];
    for (int m = 0; m < 3 && job.gradient; m++)
      blur_column(derivatives[m], zero, row, job.height, blurred[m], 2 * kHalo, 2 * kHalo + count);
    vf total{};
    for (int i = 0; i < count; i += kLanes) {
      const int n = count - i < kLanes ? count - i : kLanes, at = 2 * kHalo + i;
      const vf a = n == kLanes ? load(x + i) : load_part(x + i, n),
               b = n == kLanes ? load(y + i) : load_part(y + i, n);
      const vf difference = a - b;
      total += absolute(difference);
      if (!job.gradient) continue;
      const vf sign = choose(gt(a, b), splat1(of_l1), choose(gt(b, a), splat1(-of_l1), vf{}));
      const vf g =
          sign - of_ssim * (load(blurred[0] + at) + 2 * a * load(blurred[1] + at) + b * load(blurred[2] + at));
      float* out = job.gradient + row * job.width * 3 + begin + i;
      if (n == kLanes)
        store(out, g);
      else
        store_part(out, g, n);
    }
    l1 += sum_lanes(total);
  }
};

// Sums |difference| and SSIM over the strip to out[0..1], writes the gradient there.
void ssim_strip(const SsimJob& job, int64_t row_begin, int64_t row_end, int64_t begin, int count, double* out) {
  Strip strip(job, row_begin, row_end, begin, count);
  for (int64_t row = row_begin - kRadius; row < row_end + kRadius; row++) {
    if (row >= 0 && row < job.height) strip.compare(row);
    if (row - kRadius >= row_begin) strip.finish(row - kRadius);
  }
  out[0] = strip.l1, out[1] = strip.ssim;
}

}  // namespace

extern const decltype(Kernels::ssim_strip) ssim_kernel = ssim_strip;

}  // namespace SPLAT_ISA
}  // namespace splat
