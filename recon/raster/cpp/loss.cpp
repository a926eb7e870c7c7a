// The photometric loss of a view: a colour correction of the render and a mask around L1 + SSIM (ssim.cpp).
#include "loss.h"

#include <vector>

#include "pool.h"

namespace splat {
namespace {

constexpr int64_t kRows = 64;  // rows in a piece of work, fixed: the sums then do not depend on the threads

// f(first pixel, end pixel, piece) over the image.
template <class F>
void over_rows(const LossJob& job, F f) {
  parallel_blocks(job.height, kRows, [&](int64_t begin, int64_t end, int64_t piece, int) {
    f(begin * job.width, end * job.width, piece);
  });
}

// shown: the render in the frame's colours. wanted: the target, and where the mask is 0 what is shown anyway, so
// that nothing pulls there, not even through the window of SSIM.
void compare(const LossJob& job, float* shown, float* wanted) {
  over_rows(job, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; i++) {
      const float *x = job.image + 3 * i, *y = job.target + 3 * i, *M = job.colour;
      const float m = job.mask ? job.mask[i] : 1.0f;
      for (int k = 0; k < 3; k++) {
        const float s = M ? M[4 * k] * x[0] + M[4 * k + 1] * x[1] + M[4 * k + 2] * x[2] + M[4 * k + 3] : x[k];
        shown[3 * i + k] = s;
        wanted[3 * i + k] = m > 0 ? s + m * (y[k] - s) : s;
      }
    }
  });
}

// From dL/d(shown) to dL/d(image), in place, and dL/d(colour).
void backward(const LossJob& job) {
  const int64_t pieces = (job.height + kRows - 1) / kRows;
  std::vector<double> sums(12 * pieces, 0.0);
  over_rows(job, [&](int64_t begin, int64_t end, int64_t piece) {
    double* sum = &sums[12 * piece];
    for (int64_t i = begin; i < end; i++) {
      float* g = job.gradient + 3 * i;
      const float m = job.mask ? job.mask[i] : 1.0f, v[3] = {m * g[0], m * g[1], m * g[2]};
      if (const float* M = job.colour) {
        const float* x = job.image + 3 * i;
        for (int k = 0; k < 3 && job.v_colour; k++) {
          for (int j = 0; j < 3; j++) sum[4 * k + j] += static_cast<double>(v[k]) * x[j];
          sum[4 * k + 3] += v[k];
        }
        for (int j = 0; j < 3; j++) g[j] = M[j] * v[0] + M[4 + j] * v[1] + M[8 + j] * v[2];
      } else {
        for (int j = 0; j < 3; j++) g[j] = v[j];
      }
    }
  });
  if (!job.v_colour) return;
  for (int k = 0; k < 12; k++) {
    double total = 0;
    for (int64_t piece = 0; piece < pieces; piece++) total += sums[12 * piece + k];
    job.v_colour[k] = static_cast<float>(total);
  }
}

void l1_ssim(const SsimJob& job, double* out) {
  const int64_t floats = job.width * 3, strips = (floats + kSsimStrip - 1) / kSsimStrip;
  const int64_t bands = (job.height + kRows - 1) / kRows;
  std::vector<double> sums(2 * strips * bands);
  parallel(strips * bands, [&](int64_t piece, int) {
    const int64_t row = piece / strips * kRows, begin = piece % strips * kSsimStrip;
    const int64_t end = row + kRows < job.height ? row + kRows : job.height;
    const int64_t count = begin + kSsimStrip < floats ? kSsimStrip : floats - begin;
    kernels().ssim_strip(job, row, end, begin, static_cast<int>(count), &sums[2 * piece]);
  });
  double l1 = 0, ssim = 0;
  for (int64_t piece = 0; piece < strips * bands; piece++) l1 += sums[2 * piece], ssim += sums[2 * piece + 1];
  const double values = 3.0 * job.width * job.height;
  out[0] = (1 - job.lambda) * l1 / values + job.lambda * (1 - ssim / values);
  out[1] = ssim / values;
}

}  // namespace

void photometric_loss(const LossJob& job, double* out) {
  if (!job.mask && !job.colour)
    return l1_ssim({job.image, job.target, job.gradient, job.height, job.width, job.lambda}, out);
  static thread_local Buffer<float> shown, wanted;  // of one size for a long time
  const size_t floats = 3 * static_cast<size_t>(job.width) * job.height;
  float *s = shown.reserve(floats), *w = wanted.reserve(floats);
  compare(job, s, w);
  l1_ssim({s, w, job.gradient, job.height, job.width, job.lambda}, out);
  if (job.gradient) backward(job);
}

}  // namespace splat
