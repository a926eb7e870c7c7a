#include "render.h"

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "pool.h"

namespace splat {
namespace {

// Blocks of fixed size, not of one per thread: sums and orders then do not depend on the threads.
constexpr int64_t kGaussiansPerBlock = 1024;

class Clock {
 public:
  // Milliseconds since the last call.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last_).count();
    last_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Keys of the visible Gaussians, in index order.
void project_all(Context& ctx) {
  const int64_t n = ctx.gaussians.count, blocks = (n + kGaussiansPerBlock - 1) / kGaussiansPerBlock;
  ctx.splats.reserve(n), ctx.slot_begin.reserve(n), ctx.slot_count.reserve(n);
  ctx.keys.reserve(n), ctx.keys_spare.reserve(n);
  std::vector<int64_t> found(blocks + 1, 0);
  parallel_blocks(n, kGaussiansPerBlock, [&](int64_t begin, int64_t end, int64_t block, int) {
    found[block + 1] = kernels().project(ctx, begin, end, ctx.keys_spare.data() + begin);
  });
  for (int64_t b = 0; b < blocks; b++) found[b + 1] += found[b];
  parallel(blocks, [&](int64_t b, int) {
    memcpy(ctx.keys.data() + found[b], ctx.keys_spare.data() + b * kGaussiansPerBlock,
           (found[b + 1] - found[b]) * sizeof(uint64_t));
  });
  ctx.visible = found[blocks];
}

// Stable radix sort by the upper 32 bits (depth), 11 bits at a time.
void sort_by_depth(Context& ctx) {
  uint64_t *a = ctx.keys.data(), *b = ctx.keys_spare.data();
  std::vector<uint32_t> counts(3 * 2048, 0);
  for (int64_t i = 0; i < ctx.visible; i++) {
    const uint32_t key = a[i] >> 32;
    counts[key & 2047]++, counts[2048 + (key >> 11 & 2047)]++, counts[4096 + (key >> 22)]++;
  }
  for (int pass = 0; pass < 3; pass++) {
    uint32_t* offset = &counts[pass * 2048];
    for (uint32_t digit = 0, sum = 0; digit < 2048; digit++) {
      const uint32_t count = offset[digit];
      offset[digit] = sum, sum += count;
    }
    for (int64_t i = 0; i < ctx.visible; i++) b[offset[a[i] >> (32 + 11 * pass) & 2047]++] = a[i];
    uint64_t* swap = a;
    a = b, b = swap;
  }
  if (a != ctx.keys.data()) memcpy(ctx.keys.data(), a, ctx.visible * sizeof(uint64_t));
}

// Per tile the list of its splats in depth order: count tiles per Gaussian, give out slots, then a
// stable counting sort of the slots by tile.
void bin_into_tiles(Context& ctx) {
  const int64_t tiles = static_cast<int64_t>(ctx.camera.tiles_x) * ctx.camera.tiles_y;
  const uint64_t* keys = ctx.keys.data();
  auto splat_at = [&](int64_t i) { return static_cast<uint32_t>(keys[i]); };
  // A range of the depth order per thread and its own histogram; any cut gives the same lists.
  const int64_t parts = threads(), size = (ctx.visible + parts - 1) / parts;
  std::vector<std::vector<uint32_t>> listed(parts);
  uint32_t* histogram = ctx.histogram.reserve(parts * tiles);
  auto each_part = [&](auto f) {
    parallel(parts, [&](int64_t p, int) {
      const int64_t begin = p * size, end = begin + size < ctx.visible ? begin + size : ctx.visible;
      f(p, begin, end);
    });
  };
  each_part([&](int64_t p, int64_t begin, int64_t end) {
    uint32_t* count = histogram + p * tiles;
    memset(count, 0, tiles * sizeof(uint32_t));
    std::vector<uint32_t>& list = listed[p];
    for (int64_t i = begin; i < end; i++) {
      if (i + 12 < end) __builtin_prefetch(&ctx.splats[splat_at(i + 12)]);
      const uint32_t g = splat_at(i);
      const size_t first = list.size();
      const Splat& s = ctx.splats[g];
      const int64_t rows = static_cast<int64_t>(2 * s.half_height) / kTile + 2;
      list.resize(first + (rows < ctx.camera.tiles_y ? rows : ctx.camera.tiles_y) * ctx.camera.tiles_x);
      const int64_t n = kernels().tiles(s, ctx.camera, list.data() + first);
      list.resize(first + n);
      ctx.slot_begin[g] = static_cast<uint32_t>(first), ctx.slot_count[g] = static_cast<uint32_t>(n);
      for (int64_t k = 0; k < n; k++) count[list[first + k]]++;
    }
  });
  std::vector<int64_t> base(parts + 1, 0);
  for (int64_t p = 0; p < parts; p++) base[p + 1] = base[p] + static_cast<int64_t>(listed[p].size());
  ctx.pairs = base[parts];
  if (ctx.pairs > INT32_MAX) throw std::length_error("too many tiles touched");
  ctx.tile_begin.reserve(tiles + 1), ctx.tile_used.reserve(tiles);
  int64_t sum = 0;
  for (int64_t t = 0; t < tiles; t++) {
    ctx.tile_begin[t] = sum;
    for (int64_t p = 0; p < parts; p++) {
      const uint32_t count = histogram[p * tiles + t];
      histogram[p * tiles + t] = static_cast<uint32_t>(sum), sum += count;
    }
  }
  ctx.tile_begin[tiles] = sum;
  Pair* pairs = ctx.pair_list.reserve(ctx.pairs);
  each_part([&](int64_t p, int64_t begin, int64_t end) {
    uint32_t* next = histogram + p * tiles;
    const uint32_t* list = listed[p].data();
    uint32_t slot = static_cast<uint32_t>(base[p]);
    for (int64_t i = begin; i < end; i++) {
      if (i + 12 < end) __builtin_prefetch(&ctx.slot_count[splat_at(i + 12)]);
      const uint32_t g = splat_at(i), n = ctx.slot_count[g];
      ctx.slot_begin[g] = slot;
      for (uint32_t k = 0; k < n; k++) pairs[next[*list++]++] = {g, slot++};
    }
  });
}

void blend_all(Context& ctx, float* image, float* alpha, float* depth) {
  const int64_t tiles = static_cast<int64_t>(ctx.camera.tiles_x) * ctx.camera.tiles_y;
  ctx.transmittance.reserve(tiles * kTilePixels), ctx.blended.reserve(tiles * kTilePixels * 4);
  std::vector<int64_t> evaluated(threads() * 8, 0);  // spread out: no cache line is shared
  parallel(tiles, [&](int64_t tile, int thread) {
    kernels().blend(ctx, tile, image, alpha, depth, &evaluated[thread * 8]);
  });
  ctx.evaluated = 0;
  for (int64_t count : evaluated) ctx.evaluated += count;
}

}  // namespace

void forward(Context& ctx, float* image, float* alpha, float* depth) {
  ctx.with_depth = depth != nullptr;
  ctx.camera.tiles_x = (ctx.camera.width + kTile - 1) / kTile;
  ctx.camera.tiles_y = (ctx.camera.height + kTile - 1) / kTile;
  Clock clock;
  project_all(ctx);
  ctx.milliseconds[0] = clock.lap();
  sort_by_depth(ctx);
  ctx.milliseconds[1] = clock.lap();
  bin_into_tiles(ctx);
  ctx.milliseconds[2] = clock.lap();
  blend_all(ctx, image, alpha, depth);
  ctx.milliseconds[3] = clock.lap();
}

void backward(Context& ctx, const Gradients& v, const ParameterGradients& out, float* pose) {
  const int64_t tiles = static_cast<int64_t>(ctx.camera.tiles_x) * ctx.camera.tiles_y;
  const int64_t n = ctx.gaussians.count, blocks = (n + kGaussiansPerBlock - 1) / kGaussiansPerBlock;
  ctx.pair_grads.reserve(static_cast<size_t>(ctx.pairs) * kPairGrads);
  if (pose) ctx.pose_grads.reserve(blocks * kPoseGrads);
  Clock clock;
  parallel(tiles, [&](int64_t tile, int) { kernels().blend_backward(ctx, tile, v); });
  ctx.milliseconds[4] = clock.lap();
  parallel_blocks(n, kGaussiansPerBlock, [&](int64_t begin, int64_t end, int64_t block, int) {
    kernels().project_backward(ctx, begin, end, out, pose ? &ctx.pose_grads[block * kPoseGrads] : nullptr);
  });
  ctx.milliseconds[5] = clock.lap();
  if (!pose) return;
  double sum[kPoseGrads] = {};
  for (int64_t b = 0; b < blocks; b++)
    for (int k = 0; k < kPoseGrads; k++) sum[k] += ctx.pose_grads[b * kPoseGrads + k];
  // The centre is -R^T t: its gradient (from the view directions) goes to R and t.
  const double *v_R = sum, *v_t = sum + 9, *v_centre = sum + 12;
  for (int r = 0; r < 3; r++) {
    double through_centre = 0;
    for (int k = 0; k < 3; k++) {
      pose[4 * r + k] = static_cast<float>(v_R[3 * r + k] - ctx.camera.t[r] * v_centre[k]);
      through_centre += ctx.camera.R[3 * r + k] * v_centre[k];
    }
    pose[4 * r + 3] = static_cast<float>(v_t[r] - through_centre);
  }
}

void l1_ssim(SsimJob job, double* out) {
  const int64_t rows_per_block = 8;
  std::vector<double> sums(2 * job.height);
  job.sums = sums.data();
  for (int pass = 0; pass < 3; pass++)
    parallel_blocks(job.height, rows_per_block, [&](int64_t begin, int64_t end, int64_t, int) {
      for (int64_t row = begin; row < end; row++) kernels().ssim_pass(pass, job, row);
    });
  double l1 = 0, ssim = 0;
  for (int64_t row = 0; row < job.height; row++) l1 += sums[2 * row], ssim += sums[2 * row + 1];
  const double values = 3.0 * job.width * job.height;
  out[0] = (1 - job.lambda) * l1 / values + job.lambda * (1 - ssim / values);
  out[1] = ssim / values;
}

}  // namespace splat
