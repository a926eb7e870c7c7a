// Front-to-back blending of the splats of one tile, forward and backward.
//
// A tile is 16 x 16 pixels, cut into blocks of kLanes pixels (8 x 1, or 8 x 2 with 16 lanes). For every
// splat a bit mask tells which blocks its ellipse alpha >= 1/255 can touch and which still have pixels
// that are not opaque; only those are evaluated. A finished pixel carries the sign bit in its
// transmittance.
//
// Backward walks front to back again and keeps, per pixel, the transmittance and what is still to come
// of <dL/dcolour, colour>; so no ids need to be stored and masks are those of the forward pass. The
// gradient of a (splat, tile) pair goes to a slot of its own: no atomics, no dependence on threads.
#include "core.h"
#include "simd.h"

namespace splat {
namespace SPLAT_ISA {
namespace {

constexpr int kBlockWidth = 8, kBlockHeight = kLanes / kBlockWidth;
constexpr int kBlockColumns = kTile / kBlockWidth, kBlocks = kTilePixels / kLanes;
constexpr uint32_t kBlockRows = kBlockHeight == 1 ? 0xffffffffu : 0x55555555u;  // first row of each block

// A block is named by the bit of its first pixel row: column * 16 + row.
SPLAT_INLINE int block_index(int bit) { return bit / kBlockHeight; }

constexpr float kLaneX[16] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7};
constexpr float kLaneY[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
constexpr float kRow[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// Blocks that the ellipse of `s` can touch; (left, top) is the centre of the tile's first pixel.
SPLAT_INLINE uint32_t touched_blocks(const Splat& s, float left, float top) {
  const float inv_2a = 0.5f / s.a, x = s.x - left;
  uint32_t mask = 0;
  for (int first = 0; first < kTile; first += kLanes) {
    const vf dy = load(kRow + first) + (top - s.y);
    const vf root = 4 * s.a * s.reach - s.discriminant * dy * dy;
    const vf half = vsqrt(choose(gt(root, vf{}), root, vf{})) * inv_2a + 1e-3f, middle = x - s.b * inv_2a * dy;
    const vmask inside = ge(root, vf{});
    const vf low = middle - half, high = middle + half;
    for (int column = 0; column < kBlockColumns; column++) {
      const vmask hit = inside & ge(high, splat1(column * kBlockWidth)) &
                        ge(splat1(column * kBlockWidth + kBlockWidth - 1), low);
      mask |= bits(hit) << (column * kTile + first);
    }
  }
  return kBlockHeight == 1 ? mask : (mask | mask >> 1) & kBlockRows;
}

// Blocks with at least one pixel inside the image.
SPLAT_INLINE uint32_t blocks_in_image(const Camera& c, int tile_x, int tile_y) {
  uint32_t mask = 0;
  for (int column = 0; column < kBlockColumns; column++)
    for (int row = 0; row < kTile; row += kBlockHeight)
      if (tile_x * kTile + column * kBlockWidth < c.width && tile_y * kTile + row < c.height)
        mask |= 1u << (column * kTile + row);
  return mask;
}

// Calls f(lane, pixel index) for the lanes of a block that lie inside the image.
template <class F>
SPLAT_INLINE void for_pixels(const Camera& c, int tile_x, int tile_y, int bit, F f) {
  const int x0 = tile_x * kTile + bit / kTile * kBlockWidth, y0 = tile_y * kTile + bit % kTile;
  const int columns = mini(kBlockWidth, c.width - x0), rows = mini(kBlockHeight, c.height - y0);
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++)
      f(row * kBlockWidth + column, static_cast<int64_t>(y0 + row) * c.width + x0 + column);
}

// Position of a block's lanes relative to the splat, and log2(alpha) there.
struct Offsets {
  vf dx, dy, log2_alpha;
};
SPLAT_INLINE Offsets offsets(const Splat& s, int bit, float left, float top) {
  Offsets o;
  o.dx = load(kLaneX) + (left - s.x + (bit / kTile) * kBlockWidth);
  const float dy = top - s.y + bit % kTile;
  if (kBlockHeight == 1) {
    o.dy = splat1(dy);
    o.log2_alpha = (s.log2_opacity - s.c * dy * dy) - o.dx * (s.a * o.dx + s.b * dy);
  } else {
    o.dy = load(kLaneY) + dy;
    o.log2_alpha = s.log2_opacity - o.dx * (s.a * o.dx + s.b * o.dy) - s.c * o.dy * o.dy;
  }
  return o;
}

template <int kChannels>
void blend_tile(Context& ctx, int64_t tile, float* image, float* alpha, float* depth, int64_t* evaluated) {
  const Camera& cam = ctx.camera;
  const int tile_x = static_cast<int>(tile % cam.tiles_x), tile_y = static_cast<int>(tile / cam.tiles_x);
  const float left = tile_x * kTile + 0.5f, top = tile_y * kTile + 0.5f;
  vf T[kBlocks], sum[kBlocks][kChannels];
  for (int i = 0; i < kBlocks; i++) {
    T[i] = splat1(1.0f);
    for (int ch = 0; ch < kChannels; ch++) sum[i][ch] = vf{};
  }
  uint32_t alive = blocks_in_image(cam, tile_x, tile_y);
  const int64_t begin = ctx.tile_begin[tile], end = ctx.tile_begin[tile + 1];
  int64_t k = begin, blocks = 0;
  for (; k < end && alive; k++) {
    if (k + 8 < end) __builtin_prefetch(&ctx.splats[ctx.pair_list[k + 8].splat]);
    const Splat& s = ctx.splats[ctx.pair_list[k].splat];
    uint32_t todo = touched_blocks(s, left, top) & alive;
    blocks += __builtin_popcount(todo);
    for (; todo; todo &= todo - 1) {
      const int bit = __builtin_ctz(todo), i = block_index(bit);
      const vf log2_alpha = offsets(s, bit, left, top).log2_alpha, t = T[i];
      const vmask hit = ge(log2_alpha, splat1(kLog2MinAlpha));
      const vf weight = vmin(exp2_fast(log2_alpha), splat1(kMaxAlpha)) * t, next = t - weight;
      const vmask ok = hit & gt(next, splat1(kMinTransmittance));
      const vf w = keep(ok, weight);
      for (int ch = 0; ch < kChannels; ch++) sum[i][ch] += w * s.colour[ch];
      const vf after = choose(ok, next, choose(hit, negative(t), t));
      T[i] = after;
      alive &= ~(static_cast<uint32_t>(sign_bits(after) == (1u << kLanes) - 1) << bit);
    }
  }
  ctx.tile_used[tile] = k;
  *evaluated += blocks * kLanes;

  vf* T_out = reinterpret_cast<vf*>(ctx.transmittance.data() + tile * kTilePixels);
  vf* sum_out = reinterpret_cast<vf*>(ctx.blended.data() + tile * kTilePixels * 4);
  for (uint32_t rest = blocks_in_image(cam, tile_x, tile_y); rest; rest &= rest - 1) {
    const int bit = __builtin_ctz(rest), i = block_index(bit);
    const vf t = absolute(T[i]);
    T_out[i] = t;
    for (int ch = 0; ch < kChannels; ch++) sum_out[i * 4 + ch] = sum[i][ch];
    for_pixels(cam, tile_x, tile_y, bit, [&](int lane, int64_t pixel) {
      for (int ch = 0; ch < 3; ch++) image[3 * pixel + ch] = sum[i][ch][lane] + t[lane] * ctx.background[ch];
      if (kChannels == 4) depth[pixel] = sum[i][3][lane];
      alpha[pixel] = 1.0f - t[lane];
    });
  }
}

template <int kChannels>
void blend_tile_backward(Context& ctx, int64_t tile, const Gradients& v) {
  const Camera& cam = ctx.camera;
  const int tile_x = static_cast<int>(tile % cam.tiles_x), tile_y = static_cast<int>(tile / cam.tiles_x);
  const float left = tile_x * kTile + 0.5f, top = tile_y * kTile + 0.5f;
  struct Block {
    vf T, rest;                // transmittance; what is still to come of <v, colour>
    vf v[kChannels + 1];       // dL/d(blended channel), the last one for alpha
  };
  Block blocks[kBlocks];
  uint32_t alive = blocks_in_image(cam, tile_x, tile_y);
  const vf* T_final = reinterpret_cast<const vf*>(ctx.transmittance.data() + tile * kTilePixels);
  const vf* sums = reinterpret_cast<const vf*>(ctx.blended.data() + tile * kTilePixels * 4);
  for (uint32_t rest = alive; rest; rest &= rest - 1) {
    const int bit = __builtin_ctz(rest), i = block_index(bit);
    Block& b = blocks[i];
    b.T = splat1(-1.0f);       // lanes outside the image stay finished
    for (int ch = 0; ch <= kChannels; ch++) b.v[ch] = vf{};
    for_pixels(cam, tile_x, tile_y, bit, [&](int lane, int64_t pixel) {
      b.T[lane] = 1.0f;
      float v_alpha = v.alpha ? v.alpha[pixel] : 0.0f;
      for (int ch = 0; ch < 3; ch++) {
        const float v_ch = v.image ? v.image[3 * pixel + ch] : 0.0f;
        b.v[ch][lane] = v_ch;
        v_alpha -= v_ch * ctx.background[ch];
      }
      if (kChannels == 4) b.v[3][lane] = v.depth[pixel];
      b.v[kChannels][lane] = v_alpha;
    });
    b.rest = b.v[kChannels] * (1.0f - T_final[i]);
    for (int ch = 0; ch < kChannels; ch++) b.rest += b.v[ch] * sums[i * 4 + ch];
  }

  const int64_t begin = ctx.tile_begin[tile], used = ctx.tile_used[tile], end = ctx.tile_begin[tile + 1];
  for (int64_t k = begin; k < used; k++) {
    if (k + 8 < used) {
      __builtin_prefetch(&ctx.splats[ctx.pair_list[k + 8].splat]);
      __builtin_prefetch(&ctx.pair_grads[static_cast<size_t>(ctx.pair_list[k + 8].slot) * kPairGrads], 1);
    }
    const Splat& s = ctx.splats[ctx.pair_list[k].splat];
    // Moments of e = conic * (dx, dy): dsigma/dmean = -e and dsigma/dcov = -e e^T / 2. Moments of (dx, dy)
    // would have to be multiplied by the conic afterwards, which cancels for needles.
    vf g{}, gx{}, gy{}, gxx{}, gxy{}, gyy{}, g_channel[4] = {};
    for (uint32_t todo = touched_blocks(s, left, top) & alive; todo; todo &= todo - 1) {
      const int bit = __builtin_ctz(todo);
      Block& b = blocks[block_index(bit)];
      const Offsets o = offsets(s, bit, left, top);
      const vf t = b.T;
      const vmask hit = ge(o.log2_alpha, splat1(kLog2MinAlpha));
      const vf raw = exp2_fast(o.log2_alpha), a = vmin(raw, splat1(kMaxAlpha)), weight = a * t, next = t - weight;
      const vmask ok = hit & gt(next, splat1(kMinTransmittance));
      const vf w = keep(ok, weight);
      vf dot = b.v[kChannels];
      for (int ch = 0; ch < kChannels; ch++) {
        dot += b.v[ch] * s.colour[ch];
        g_channel[ch] += w * b.v[ch];
      }
      const vf rest = b.rest - w * dot;
      b.rest = rest;
      const vf v_a = t * dot - rest * reciprocal(1.0f - a);
      const vf minus_v_sigma = keep(ok & ge(splat1(kMaxAlpha), raw), raw * v_a);
      const vf ex = 2 * s.a * o.dx + s.b * o.dy, ey = s.b * o.dx + 2 * s.c * o.dy;
      const vf mx = minus_v_sigma * ex, my = minus_v_sigma * ey;
      g += minus_v_sigma, gx += mx, gy += my;
      gxx += mx * ex, gxy += mx * ey, gyy += my * ey;
      const vf after = choose(ok, next, choose(hit, negative(t), t));
      b.T = after;
      alive &= ~(static_cast<uint32_t>(sign_bits(after) == (1u << kLanes) - 1) << bit);
    }
    float* slot = ctx.pair_grads.data() + static_cast<size_t>(ctx.pair_list[k].slot) * kPairGrads;
    sum_lanes(g, gx, gy, gxx, slot);
    sum_lanes(gxy, gyy, g_channel[0], g_channel[1], slot + 4);
    sum_lanes(g_channel[2], g_channel[3], vf{}, vf{}, slot + 8);
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
