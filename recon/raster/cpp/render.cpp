#include "render.h"

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "pool.h"

namespace splat {
namespace {

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

// Splats and keys of the visible Gaussians, in index order, and the tiles they touch.
void project_all(Context& ctx) {
  const int64_t n = ctx.gaussians.count, blocks = (n + kGaussiansPerBlock - 1) / kGaussiansPerBlock;
  ctx.splats.reserve(n), ctx.slots.reserve(n), ctx.keys.reserve(n), ctx.keys_spare.reserve(n);
  if (ctx.block_tiles.size() < static_cast<size_t>(blocks)) ctx.block_tiles.resize(blocks);
  int64_t* pairs = ctx.block_pairs.reserve(blocks + 1);
  std::vector<int64_t> found(blocks + 1, 0);
  parallel_blocks(n, kGaussiansPerBlock, [&](int64_t begin, int64_t end, int64_t block, int) {
    found[block + 1] =
        kernels().project(ctx, begin, end, ctx.keys_spare.data() + begin, ctx.block_tiles[block], &pairs[block + 1]);
  });
  pairs[0] = 0;
  for (int64_t b = 0; b < blocks; b++) found[b + 1] += found[b], pairs[b + 1] += pairs[b];
  ctx.visible = found[blocks], ctx.pairs = pairs[blocks];
  if (ctx.pairs > INT32_MAX) throw std::length_error("too many tiles touched");
  parallel(blocks, [&](int64_t b, int) {
    memcpy(ctx.keys.data() + found[b], ctx.keys_spare.data() + b * kGaussiansPerBlock,
           (found[b + 1] - found[b]) * sizeof(uint64_t));
  });
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

// Per tile the list of its splats in depth order: a counting sort of the slots by tile.
void bin_into_tiles(Context& ctx) {
  const int64_t tiles = static_cast<int64_t>(ctx.camera.tiles_x) * ctx.camera.tiles_y;
  const uint64_t* keys = ctx.keys.data();
  auto index_at = [&](int64_t i) { return static_cast<uint32_t>(keys[i]); };
  auto tiles_of = [&](uint32_t g) { return ctx.block_tiles[g / kGaussiansPerBlock].data() + ctx.slots[g].begin; };
  // A range of the depth order per thread and its own histogram; any cut gives the same lists.
  const int64_t parts = threads(), size = (ctx.visible + parts - 1) / parts;
  uint32_t* histogram = ctx.histogram.reserve(parts * tiles);
  auto each_part = [&](auto f) {  // f(next place per tile, Gaussian) in depth order
    parallel(parts, [&](int64_t p, int) {
      const int64_t begin = p * size, end = begin + size < ctx.visible ? begin + size : ctx.visible;
      for (int64_t i = begin; i < end; i++) {
        if (i + 24 < end) __builtin_prefetch(&ctx.slots[index_at(i + 24)]);
        if (i + 12 < end) __builtin_prefetch(tiles_of(index_at(i + 12)));
        f(histogram + p * tiles, index_at(i));
      }
    });
  };
  memset(histogram, 0, parts * tiles * sizeof(uint32_t));
  each_part([&](uint32_t* count, uint32_t g) {
    const uint32_t* list = tiles_of(g);
    for (uint32_t k = 0; k < ctx.slots[g].count; k++) count[list[k]]++;
  });
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
  Pair* pairs = ctx.pair_list.reserve(ctx.pairs + kPadding);
  memset(static_cast<void*>(pairs + ctx.pairs), 0, kPadding * sizeof(Pair));
  ctx.pair_blocks.reserve(ctx.pairs);
  each_part([&](uint32_t* next, uint32_t g) {
    const uint32_t* list = tiles_of(g);
    uint32_t slot = static_cast<uint32_t>(ctx.block_pairs[g / kGaussiansPerBlock]) + ctx.slots[g].begin;
    for (uint32_t k = 0; k < ctx.slots[g].count; k++) pairs[next[list[k]]++] = {g, slot++};
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

void grow(Buffer<uint32_t>& buffer, size_t used, size_t wanted) {
  if (wanted <= buffer.capacity()) return;
  const std::vector<uint32_t> kept(buffer.data(), buffer.data() + used);
  buffer.reserve(wanted);
  memcpy(buffer.data(), kept.data(), used * sizeof(uint32_t));
}

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

void backward(Context& ctx, const Gradients& v, const ParameterGradients* out, const AdamStep* adam, float* camera) {
  const int64_t tiles = static_cast<int64_t>(ctx.camera.tiles_x) * ctx.camera.tiles_y;
  const int64_t n = ctx.gaussians.count, blocks = (n + kGaussiansPerBlock - 1) / kGaussiansPerBlock;
  ctx.pair_grads.reserve(static_cast<size_t>(ctx.pairs) * kPairGrads);
  if (camera) ctx.camera_grads.reserve(blocks * kCameraGrads);
  Clock clock;
  parallel(tiles, [&](int64_t tile, int) { kernels().blend_backward(ctx, tile, v); });
  ctx.milliseconds[4] = clock.lap();
  parallel_blocks(n, kGaussiansPerBlock, [&](int64_t begin, int64_t end, int64_t block, int) {
    kernels().project_backward(ctx, begin, end, out, adam,
                               camera ? &ctx.camera_grads[block * kCameraGrads] : nullptr);
  });
  ctx.milliseconds[5] = clock.lap();
  if (!camera) return;
  double sum[kCameraGrads] = {};
  for (int64_t b = 0; b < blocks; b++)
    for (int k = 0; k < kCameraGrads; k++) sum[k] += ctx.camera_grads[b * kCameraGrads + k];
  // The centre is -R^T t: its gradient (from the view directions) goes to R and t.
  const double *v_R = sum, *v_t = sum + 9, *v_centre = sum + 12, *v_intrinsics = sum + 15;
  for (int r = 0; r < 3; r++) {
    double through_centre = 0;
    for (int k = 0; k < 3; k++) {
      camera[4 * r + k] = static_cast<float>(v_R[3 * r + k] - ctx.camera.t[r] * v_centre[k]);
      through_centre += ctx.camera.R[3 * r + k] * v_centre[k];
    }
    camera[4 * r + 3] = static_cast<float>(v_t[r] - through_centre);
  }
  for (int k = 0; k < 4; k++) camera[12 + k] = static_cast<float>(v_intrinsics[k]);
}

size_t bytes_held(const Context& c) {
  size_t tiles = 0;
  for (const auto& block : c.block_tiles) tiles += block.bytes();
  return tiles + c.splats.bytes() + c.keys.bytes() + c.keys_spare.bytes() + c.slots.bytes() + c.block_pairs.bytes() +
         c.histogram.bytes() + c.tile_begin.bytes() + c.tile_used.bytes() + c.pair_list.bytes() +
         c.pair_blocks.bytes() + c.transmittance.bytes() + c.blended.bytes() + c.pair_grads.bytes() +
         c.camera_grads.bytes();
}

}  // namespace splat
