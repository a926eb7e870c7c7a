// Front-to-back blending of the splats of one tile, forward and backward.
//
// A tile is 16 x 16 pixels, cut into blocks of kLanes pixels (4 x 4 with 16 lanes, 4 x 2 with 8). Forward
// goes block by block: splats are taken in batches, lanes over splats find which blocks the ellipse
// alpha >= 1/255 touches, every block gets the short list of its own splats and keeps its pixels in
// registers while it runs through the list. A finished pixel carries the sign bit in its transmittance.
//
// Backward goes splat by splat, over the blocks the forward pass has noted, so that a splat's gradient is
// summed over lanes once per tile. It walks front to back again and keeps, per pixel, the transmittance
// and what is still to come of <dL/dcolour, colour>; so no ids need to be stored. The gradient of a
// (splat, tile) pair goes to a slot of its own: no atomics, no dependence on threads.
#include <type_traits>

#include "core.h"
#include "ellipse.h"
#include "simd.h"

// Keeps the compiler from turning the branch it stands in into arithmetic.
#define KEEP_BRANCH asm volatile("")

namespace splat {
namespace SPLAT_ISA {
namespace {

constexpr int kBlockWidth = 4, kBlockHeight = kLanes / kBlockWidth;
constexpr int kColumns = kTile / kBlockWidth, kBands = kTile / kBlockHeight, kBlocks = kColumns * kBands;
constexpr int kBatch = 128;  // splats prepared at a time; positions in a batch fit in a byte
static_assert(kBatch <= 256 && kBatch % kLanes == 0, "lists hold bytes");

// Offset of pixel (lane) of block i from the tile's first pixel.
SPLAT_INLINE int pixel_x(int i, int lane) { return i % kColumns * kBlockWidth + lane % kBlockWidth; }
SPLAT_INLINE int pixel_y(int i, int lane) { return i / kColumns * kBlockHeight + lane / kBlockWidth; }

struct Tile {
  int x0, y0, columns, rows;              // first pixel; pixels inside the image
  float left, top;                        // centre of the first pixel
  uint32_t blocks;                        // with at least one pixel inside the image
  vf column_x[kColumns], band_y[kBands];  // pixel centres
  Tile(const Camera& c, int64_t tile) {
    x0 = static_cast<int>(tile % c.tiles_x) * kTile, y0 = static_cast<int>(tile / c.tiles_x) * kTile;
    columns = mini(kTile, c.width - x0), rows = mini(kTile, c.height - y0);
    left = x0 + 0.5f, top = y0 + 0.5f;
    blocks = 0;
    for (int i = 0; i < kBlocks; i++)
      if (pixel_x(i, 0) < columns && pixel_y(i, 0) < rows) blocks |= 1u << i;
    for (int lane = 0; lane < kLanes; lane++) {
      for (int column = 0; column < kColumns; column++) column_x[column][lane] = left + pixel_x(column, lane);
      for (int band = 0; band < kBands; band++) band_y[band][lane] = top + pixel_y(band * kColumns, lane);
    }
  }
  vf x(int i) const { return column_x[i % kColumns]; }
  vf y(int i) const { return band_y[i / kColumns]; }
  // Calls f(block, lane, index of the pixel in the image).
  template <class F>
  SPLAT_INLINE_MEMBER void for_pixels(const Camera& c, F f) const {
    for (int y = 0; y < rows; y++)
      for (int x = 0; x < columns; x++)
        f(y / kBlockHeight * kColumns + x / kBlockWidth, y % kBlockHeight * kBlockWidth + x % kBlockWidth,
          static_cast<int64_t>(y0 + y) * c.width + x0 + x);
  }
};

// For every byte, the positions of its set bits, packed to the front, and how many they are.
struct Packing {
  uint64_t positions[256];
  uint8_t count[256];
  constexpr Packing() : positions(), count() {
    for (int byte = 0; byte < 256; byte++)
      for (int bit = 0; bit < 8; bit++)
        if (byte >> bit & 1) positions[byte] |= static_cast<uint64_t>(bit) << (8 * count[byte]++);
  }
};
constexpr Packing kPacking;

// Splats of a tile, made ready for blending.
struct Batch {
  alignas(64) Splat splats[kBatch];
  alignas(64) float x[kBatch], y[kBatch];  // relative to the tile's first pixel
  alignas(64) float a[kBatch], half_b[kBatch], c[kBatch];
  alignas(64) float reach[kBatch], discriminant[kBatch], half_height[kBatch];
  alignas(64) uint32_t touched[kBatch];  // bit i: block i
  uint8_t list[kBlocks][kBatch + 8];     // per block: its splats, in order
  int length[kBlocks];

  void read(const Context& ctx, const Pair* pairs, int count, const Tile& tile) {
    for (int j = 0; j < count; j++) {
      __builtin_prefetch(&ctx.splats[pairs[j + 8].splat]);  // the pair list is padded
      const Splat& s = splats[j] = ctx.splats[pairs[j].splat];
      x[j] = s.x - tile.left, y[j] = s.y - tile.top;
      a[j] = s.a, half_b[j] = s.half_b, c[j] = s.c;
      reach[j] = s.reach, discriminant[j] = s.discriminant, half_height[j] = s.half_height;
    }
    for (int j = count; j % kLanes; j++) {
      x[j] = y[j] = half_b[j] = 0, a[j] = c[j] = reach[j] = discriminant[j] = 1;
      half_height[j] = -1e30f;  // touches nothing
    }
  }

  // Which blocks does each splat's ellipse touch?
  void find_blocks(int count, uint32_t alive) {
    memset(length, 0, sizeof length);
    for (int first = 0; first < count; first += kLanes) {
      const vf X = load(x + first), Y = load(y + first), half = load(half_height + first) + 1e-3f;
      const Ellipse ellipse(load(a + first), load(half_b + first), load(c + first), load(reach + first),
                            load(discriminant + first));
      vi blocks{};
      for (int band = 0; band < kBands; band++) {
        if (!(alive >> (band * kColumns) & ((1u << kColumns) - 1))) continue;
        const vf low = vmax(static_cast<float>(band * kBlockHeight) - Y, -half);
        const vf high = vmin(static_cast<float>(band * kBlockHeight + kBlockHeight - 1) - Y, half);
        const Extent e = extent(ellipse, low, high);
        const vf begin = X + e.left, end = X + e.right;
        const vmask inside = ge(high, low);
        for (int column = 0; column < kColumns; column++) {
          const int i = band * kColumns + column;
          const vmask hit = inside & ge(end, splat1(column * kBlockWidth)) &
                            ge(splat1(column * kBlockWidth + kBlockWidth - 1), begin);
          blocks = with_bit(blocks, hit, static_cast<int>(1u << i));
          append(i, bits(hit), first);
        }
      }
      memcpy(touched + first, &blocks, sizeof blocks);
    }
  }

 private:
  SPLAT_INLINE_MEMBER void append(int i, unsigned hits, int first) {
    for (int part = 0; part < kLanes; part += 8, hits >>= 8) {
      const uint64_t places = kPacking.positions[hits & 255] + 0x0101010101010101u * (first + part);
      memcpy(list[i] + length[i], &places, 8);
      length[i] += kPacking.count[hits & 255];
    }
  }
};

// e = conic * (dx, dy) at a block's pixels, and log2(alpha) = log2(opacity) - e . (dx, dy) there.
struct Falloff {
  vf ex, ey, log2_alpha;
};
SPLAT_INLINE Falloff falloff(const Splat& s, vf x, vf y) {
  const vf dx = x - s.x, dy = y - s.y;
  Falloff f;
  f.ex = s.a * dx + s.half_b * dy, f.ey = s.half_b * dx + s.c * dy;
  f.log2_alpha = (s.log2_opacity - f.ex * dx) - f.ey * dy;
  return f;
}

SPLAT_INLINE bool all_finished(vf T) { return sign_bits(T) == (1u << kLanes) - 1; }

// Blends the listed splats over one block; returns how many were looked at.
template <int kChannels>
SPLAT_INLINE int blend_block(const Splat* splats, const uint8_t* list, int length, vf x, vf y, vf& T_in_out,
                             vf* sum_in_out) {
  vf T = T_in_out, sum[kChannels];
  for (int ch = 0; ch < kChannels; ch++) sum[ch] = sum_in_out[ch];
  int j = 0;
  while (j < length) {
    const Splat& s = splats[list[j++]];
    const vf log2_alpha = falloff(s, x, y).log2_alpha;
    const vmask hit = ge(log2_alpha, splat1(kLog2MinAlpha));
    const vf weight = vmin(exp2_fast(log2_alpha), splat1(kMaxAlpha)) * T, next = T - weight;
    const vmask ok = hit & gt(next, splat1(kMinTransmittance));
    const vf w = keep(ok, weight);
    for (int ch = 0; ch < kChannels; ch++) sum[ch] += w * s.colour[ch];
    T = choose(ok, next, negative_where(hit, T));
    if (all_finished(T)) break;
  }
  T_in_out = T;
  for (int ch = 0; ch < kChannels; ch++) sum_in_out[ch] = sum[ch];
  return j;
}

template <int kChannels>
void blend_tile(Context& ctx, int64_t index, float* image, float* alpha, float* depth, int64_t* evaluated) {
  const Tile tile(ctx.camera, index);
  vf* T = reinterpret_cast<vf*>(ctx.transmittance.data() + index * kTilePixels);
  vf* sum = reinterpret_cast<vf*>(ctx.blended.data() + index * kTilePixels * 4);
  for (int i = 0; i < kBlocks; i++) {
    T[i] = splat1(1.0f);
    for (int ch = 0; ch < 4; ch++) sum[4 * i + ch] = vf{};
  }
  Batch batch;
  uint32_t alive = tile.blocks;
  int64_t k = ctx.tile_begin[index], blocks = 0;
  const int64_t end = ctx.tile_begin[index + 1];
  while (k < end && alive) {
    const int count = static_cast<int>(end - k < kBatch ? end - k : kBatch);
    batch.read(ctx, ctx.pair_list.data() + k, count, tile);
    batch.find_blocks(count, alive);
    for (int j = 0; j < count; j++) ctx.pair_blocks[k + j] = batch.touched[j] & alive;
    for (uint32_t todo = alive; todo; todo &= todo - 1) {
      const int i = __builtin_ctz(todo);
      blocks += blend_block<kChannels>(batch.splats, batch.list[i], batch.length[i], tile.x(i), tile.y(i), T[i],
                                       sum + 4 * i);
      alive &= ~(static_cast<uint32_t>(all_finished(T[i])) << i);
    }
    k += count;
  }
  ctx.tile_used[index] = k;
  *evaluated += blocks * kLanes;
  for (int i = 0; i < kBlocks; i++) T[i] = absolute(T[i]);
  const float *t = ctx.transmittance.data() + index * kTilePixels, *c = ctx.blended.data() + index * kTilePixels * 4;
  tile.for_pixels(ctx.camera, [&](int i, int lane, int64_t pixel) {
    const float rest = t[i * kLanes + lane];
    for (int ch = 0; ch < 3; ch++)
      image[3 * pixel + ch] = c[(4 * i + ch) * kLanes + lane] + rest * ctx.background[ch];
    if (kChannels == 4) depth[pixel] = c[(4 * i + 3) * kLanes + lane];
    alpha[pixel] = 1.0f - rest;
  });
}

// State of a block's pixels in the backward pass.
template <int kChannels>
struct BlockState {
  vf T, rest;           // transmittance; what is still to come of <v, colour>
  vf v[kChannels + 1];  // dL/d(blended channel), the last one for alpha
};

// Moments of e, weighted with dL/dlog2(alpha): dsigma/dmean = -2 e and dsigma/dcov = -2 e e^T, in log2 units.
// Moments of (dx, dy) would have to be multiplied by the conic afterwards, which cancels for needles.
struct PairSums {
  vf g{}, x{}, y{}, xx{}, xy{}, yy{}, channel[4] = {};
};

// One splat over one block. kClamps: its alpha may reach kMaxAlpha.
template <int kChannels, bool kClamps>
SPLAT_INLINE vf blend_block_backward(const Splat& s, vf x, vf y, BlockState<kChannels>& b, PairSums& sums) {
  const Falloff f = falloff(s, x, y);
  const vf t = b.T;
  const vmask hit = ge(f.log2_alpha, splat1(kLog2MinAlpha));
  const vf raw = exp2_fast(f.log2_alpha), a = kClamps ? vmin(raw, splat1(kMaxAlpha)) : raw, weight = a * t,
           next = t - weight;
  const vmask ok = hit & gt(next, splat1(kMinTransmittance));
  const vf w = keep(ok, weight);
  vf dot = b.v[kChannels];
  for (int ch = 0; ch < kChannels; ch++) {
    dot += b.v[ch] * s.colour[ch];
    sums.channel[ch] += w * b.v[ch];
  }
  const vf rest = b.rest - w * dot;
  b.rest = rest;
  const vf v_a = t * dot - rest * reciprocal(1.0f - a);
  const vf g = keep(kClamps ? ok & ge(splat1(kMaxAlpha), raw) : ok, raw * v_a);
  const vf mx = g * f.ex, my = g * f.ey;
  sums.g += g, sums.x += mx, sums.y += my;
  sums.xx += mx * f.ex, sums.xy += mx * f.ey, sums.yy += my * f.ey;
  return b.T = negative_where(without(hit, ok), t - w);
}

template <int kChannels>
void blend_tile_backward(Context& ctx, int64_t index, const Gradients& v) {
  const Tile tile(ctx.camera, index);
  BlockState<kChannels> blocks[kBlocks];
  for (int i = 0; i < kBlocks; i++) {
    blocks[i].T = splat1(-1.0f);  // pixels outside the image stay finished
    for (int ch = 0; ch <= kChannels; ch++) blocks[i].v[ch] = vf{};
  }
  tile.for_pixels(ctx.camera, [&](int i, int lane, int64_t pixel) {
    float* block = reinterpret_cast<float*>(blocks + i) + lane;
    block[0] = 1.0f;
    float v_alpha = v.alpha ? v.alpha[pixel] : 0.0f;
    for (int ch = 0; ch < 3; ch++) {
      const float v_ch = v.image ? v.image[3 * pixel + ch] : 0.0f;
      block[(2 + ch) * kLanes] = v_ch;
      v_alpha -= v_ch * ctx.background[ch];
    }
    if (kChannels == 4) block[5 * kLanes] = v.depth[pixel];
    block[(2 + kChannels) * kLanes] = v_alpha;
  });
  const vf* T_final = reinterpret_cast<const vf*>(ctx.transmittance.data() + index * kTilePixels);
  const vf* sums = reinterpret_cast<const vf*>(ctx.blended.data() + index * kTilePixels * 4);
  for (int i = 0; i < kBlocks; i++) {
    BlockState<kChannels>& b = blocks[i];
    b.rest = b.v[kChannels] * (1.0f - T_final[i]);
    for (int ch = 0; ch < kChannels; ch++) b.rest += b.v[ch] * sums[i * 4 + ch];
  }

  uint32_t alive = tile.blocks;
  const int64_t begin = ctx.tile_begin[index], used = ctx.tile_used[index], end = ctx.tile_begin[index + 1];
  for (int64_t k = begin; k < used; k++) {
    __builtin_prefetch(&ctx.splats[ctx.pair_list[k + 8].splat]);  // the pair list is padded
    __builtin_prefetch(&ctx.pair_grads[static_cast<size_t>(ctx.pair_list[k + 8].slot) * kPairGrads], 1);
    const Splat& s = ctx.splats[ctx.pair_list[k].splat];
    PairSums sums;
    auto each_block = [&](auto clamps) {
      for (uint32_t todo = ctx.pair_blocks[k] & alive; todo; todo &= todo - 1) {
        const int i = __builtin_ctz(todo);
        const vf T = blend_block_backward<kChannels, clamps.value>(s, tile.x(i), tile.y(i), blocks[i], sums);
        // A branch, not arithmetic: the next splat's blocks must not wait for this one's transmittance.
        if (__builtin_expect(all_finished(T), 0)) {
          alive &= ~(1u << i);
          KEEP_BRANCH;
        }
      }
    };
    if (__builtin_expect(s.opacity > kMaxAlpha, 0))
      each_block(std::true_type());
    else
      each_block(std::false_type());
    float* slot = ctx.pair_grads.data() + static_cast<size_t>(ctx.pair_list[k].slot) * kPairGrads;
    sum_lanes(sums.g, sums.x, sums.y, sums.xx, slot);
    sum_lanes(sums.xy, sums.yy, sums.channel[0], sums.channel[1], slot + 4);
    slot[8] = sum_lanes(sums.channel[2]);
    slot[9] = kChannels == 4 ? sum_lanes(sums.channel[3]) : 0.0f;
  }
  for (int64_t k = used; k < end; k++)
    memset(ctx.pair_grads.data() + static_cast<size_t>(ctx.pair_list[k].slot) * kPairGrads, 0,
           kPairGrads * sizeof(float));
}

void blend(Context& ctx, int64_t tile, float* image, float* alpha, float* depth, int64_t* evaluated) {
  (ctx.with_depth ? blend_tile<4> : blend_tile<3>)(ctx, tile, image, alpha, depth, evaluated);
}

void blend_backward(Context& ctx, int64_t tile, const Gradients& v) {
  (ctx.with_depth && v.depth ? blend_tile_backward<4> : blend_tile_backward<3>)(ctx, tile, v);
}

}  // namespace

extern const decltype(Kernels::blend) blend_kernel = blend;
extern const decltype(Kernels::blend_backward) blend_backward_kernel = blend_backward;

}  // namespace SPLAT_ISA
}  // namespace splat
