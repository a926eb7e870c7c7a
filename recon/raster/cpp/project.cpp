// Gaussians to splats: projection, colour, and the tiles a splat touches.
#include "ellipse.h"
#include "projection.h"
#include "sh.h"

namespace splat {
namespace SPLAT_ISA {
namespace {

// ceil(v) for 0 <= v < 2^31; SSE2 has no instruction for it. floor is the conversion itself.
SPLAT_INLINE vi floor_lanes(vf v) { return __builtin_convertvector(v, vi); }
SPLAT_INLINE vi ceil_lanes(vf v) {
  const vi i = floor_lanes(v);
  return i - (__builtin_convertvector(i, vf) < v);  // a true comparison is -1
}

// Splats of a chunk by field, before they are written out.
struct Fields {
  Row x, y, z, a, half_b, c, discriminant, cov_xx, cov_yy, determinant;
  Row log2_opacity, reach, half_width, half_height;
  Row basis[16];
  // Tiles: first row, rows and columns of the bounding box (0 rows: not in the image); then, for the first two
  // rows, the first column and how many.
  int32_t row[kChunk], rows[kChunk], columns[kChunk], first[2][kChunk], count[2][kChunk];
};

SPLAT_INLINE void find_tiles(const Camera& cam, Fields& f, int n) {
  const vf x = load(f.x + n), y = load(f.y + n), half_width = load(f.half_width + n),
           half_height = load(f.half_height + n);
  const Ellipse ellipse(load(f.a + n), load(f.half_b + n), load(f.c + n), load(f.reach + n),
                        load(f.discriminant + n));
  const float rightmost = cam.width - 1.0f, lowest = cam.height - 1.0f;
  // Pixels whose centre is inside; comparisons are written so that NaN is outside.
  const vf left = vmax(x - half_width - 0.5f, vf{}), right = vmin(x + half_width - 0.5f, splat1(rightmost));
  const vf top = vmax(y - half_height - 0.5f, vf{}), bottom = vmin(y + half_height - 0.5f, splat1(lowest));
  const vi x0 = ceil_lanes(vmin(left, splat1(rightmost + 1))), y0 = ceil_lanes(vmin(top, splat1(lowest + 1)));
  const vi inside = (right >= __builtin_convertvector(x0, vf)) & (bottom >= __builtin_convertvector(y0, vf)) &
                    (load(f.determinant + n) < 1e30f);
  const vi row = y0 / kTile, rows = floor_lanes(vmax(bottom, vf{})) / kTile - row + 1;
  const vi columns = floor_lanes(vmax(right, vf{})) / kTile - x0 / kTile + 1;
  const vi shown_rows = rows & inside, shown_columns = columns & inside;
  memcpy(f.row + n, &row, sizeof row), memcpy(f.rows + n, &shown_rows, sizeof row);
  memcpy(f.columns + n, &shown_columns, sizeof row);
  for (int r = 0; r < 2; r++) {
    const vf first_dy = __builtin_convertvector((row + r) * kTile, vf) + 0.5f - y;
    const Extent e = extent(ellipse, vmax(first_dy, -half_height), vmin(first_dy + (kTile - 1.0f), half_height));
    const vf begin = vmin(vmax(x + e.left - 0.5f, vf{}), splat1(rightmost + 1)),
             end = vmin(x + e.right - 0.5f, splat1(rightmost));
    const vi first = ceil_lanes(begin), hit = inside & (rows > r) & (end >= __builtin_convertvector(first, vf));
    const vi column = first / kTile, count = (floor_lanes(vmax(end, vf{})) / kTile - column + 1) & hit;
    memcpy(f.first[r] + n, &column, sizeof column), memcpy(f.count[r] + n, &count, sizeof count);
  }
}

SPLAT_INLINE void compute_fields(const Camera& cam, const Chunk& g, int sh_degree, Fields& f) {
  for (int n = 0; n < g.count; n += kWide) {
    Projection p;
    project_lanes(cam, g, n, p);
    const vd *a = p.A, *b = p.A + 3;
    const vd xx = a[0] * a[0] + a[1] * a[1] + a[2] * a[2], yy = b[0] * b[0] + b[1] * b[1] + b[2] * b[2];
    const double eps = cam.eps2d;
    const vd cov_xx = xx + eps, cov_yy = yy + eps, cov_xy = a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    // det(A A^T + eps I) by the cross product of A's rows: xx * yy - xy^2 would cancel for needles.
    const vd n0 = a[1] * b[2] - a[2] * b[1], n1 = a[2] * b[0] - a[0] * b[2], n2 = a[0] * b[1] - a[1] * b[0];
    const vd determinant = n0 * n0 + n1 * n1 + n2 * n2 + eps * (xx + yy) + eps * eps, inv_det = kLog2e / determinant;
    narrow(f.x + n, cam.fx * (p.x * p.inv_z) + cam.cx), narrow(f.y + n, cam.fy * (p.y * p.inv_z) + cam.cy);
    narrow(f.z + n, p.z);
    narrow(f.a + n, 0.5 * cov_yy * inv_det), narrow(f.half_b + n, -0.5 * cov_xy * inv_det),
        narrow(f.c + n, 0.5 * cov_xx * inv_det);
    narrow(f.discriminant + n, kLog2e * inv_det), narrow(f.determinant + n, determinant);
    narrow(f.cov_xx + n, cov_xx), narrow(f.cov_yy + n, cov_yy);
  }
  for (int n = 0; n < g.count; n += kLanes) {
    const vf log2_opacity = log2_fast(load(g.opacity + n)), reach = vmax(log2_opacity - kLog2MinAlpha, vf{});
    const vf sigmas_squared = reach * (2.0f / kLog2e);
    store(f.log2_opacity + n, log2_opacity), store(f.reach + n, reach);
    store(f.half_width + n, vsqrt(sigmas_squared * load(f.cov_xx + n)));
    store(f.half_height + n, vsqrt(sigmas_squared * load(f.cov_yy + n)));
    find_tiles(cam, f, n);
    vf d[3], inv_length, basis[16];
    view_directions(cam, g, n, d, inv_length);
    sh_basis(sh_degree, d[0], d[1], d[2], basis);
    for (int k = 0; k < (sh_degree + 1) * (sh_degree + 1); k++) store(f.basis[k] + n, basis[k]);
  }
}

// 0.5 + sum of basis * coefficients, red, green, blue in lanes.
SPLAT_INLINE void sh_colour(const float* sh, const Row* basis, int n, int terms, float* colour) {
  typedef float Quad __attribute__((vector_size(16)));
  Quad sum = {0.5f, 0.5f, 0.5f, 0.0f}, other = {}, c, d;
  int k = 0;
  for (; k < terms - 2; k += 2) {  // terms is 1, 4, 9 or 16
    memcpy(&c, sh + 3 * k, 16);    // the fourth is the next coefficient's first
    memcpy(&d, sh + 3 * k + 3, 16);
    sum += basis[k][n] * c, other += basis[k + 1][n] * d;
  }
  if (k == terms - 2) {
    memcpy(&c, sh + 3 * k, 16);
    sum += basis[k][n] * c;
  }
  sum += other;
  for (int ch = 0; ch < 3; ch++) colour[ch] = sum[ch] + basis[terms - 1][n] * sh[3 * (terms - 1) + ch];
}

// The tiles of a splat, row by row; writes up to two entries too many.
SPLAT_INLINE int64_t list_tiles(const Camera& cam, const Splat& s, const Fields& f, int n, uint32_t* out) {
  int64_t found = 0;
  if (f.rows[n] <= 2 && f.columns[n] <= 2) {  // nearly always; without branches
    for (int r = 0; r < 2; r++) {
      const uint32_t tile = (f.row[n] + r) * cam.tiles_x + f.first[r][n];
      out[found] = tile, found += f.count[r][n] > 0;
      out[found] = tile + 1, found += f.count[r][n] > 1;
    }
    return found;
  }
  const Ellipse ellipse(splat1(s.a), splat1(s.half_b), splat1(s.c), splat1(s.reach), splat1(s.discriminant));
  for (int r = 0; r < f.rows[n]; r += kLanes) {  // lanes over rows of tiles
    vi row = vi{} + (f.row[n] + r);
    for (int lane = 0; lane < kLanes; lane++) row[lane] += lane;
    const vf first_dy = __builtin_convertvector(row * kTile, vf) + (0.5f - s.y);
    const vf low = vmax(first_dy, splat1(-s.half_height));
    const Extent e = extent(ellipse, low, vmin(first_dy + (kTile - 1.0f), splat1(s.half_height)));
    const vf begin = vmax(s.x + e.left - 0.5f, vf{}), end = vmin(s.x + e.right - 0.5f, splat1(cam.width - 1.0f));
    const vi first = ceil_lanes(vmin(begin, splat1(cam.width))), last = floor_lanes(vmax(end, vf{})) / kTile;
    for (int lane = 0; lane < kLanes && r + lane < f.rows[n]; lane++)
      if (end[lane] >= static_cast<float>(first[lane]))
        for (int column = first[lane] / kTile; column <= last[lane]; column++)
          out[found++] = row[lane] * cam.tiles_x + column;
  }
  return found;
}

// Writes the splats of a chunk that touch the image, with their tiles; returns how many keys were added.
SPLAT_INLINE int write_splats(Context& ctx, const Chunk& g, const Fields& f, uint64_t* keys, uint32_t* tiles,
                              int64_t& listed) {
  const int terms = (ctx.gaussians.sh_degree + 1) * (ctx.gaussians.sh_degree + 1);
  int visible = 0;
  for (int n = 0; n < g.count; n++) {
    if (f.rows[n] == 0) continue;
    const uint32_t i = g.id[n];
    Splat& s = ctx.splats[i];
    s.x = f.x[n], s.y = f.y[n], s.a = f.a[n], s.half_b = f.half_b[n], s.c = f.c[n],
    s.log2_opacity = f.log2_opacity[n];
    s.half_height = f.half_height[n], s.reach = f.reach[n], s.discriminant = f.discriminant[n];
    s.opacity = g.opacity[n], s.unused = 0;
    float colour[3];
    sh_colour(ctx.gaussians.sh + static_cast<int64_t>(i) * ctx.gaussians.sh_stride * 3, f.basis, n, terms, colour);
    s.positive = 0;
    for (int ch = 0; ch < 3; ch++) {
      s.positive |= (colour[ch] > 0) << ch;
      s.colour[ch] = maxf(colour[ch], 0.0f);
    }
    s.colour[3] = f.z[n];
    uint32_t depth_bits;  // positive floats sort like their bits
    memcpy(&depth_bits, &f.z[n], 4);
    const int64_t count = list_tiles(ctx.camera, s, f, n, tiles + listed);
    ctx.slots[i] = {static_cast<uint32_t>(listed), static_cast<uint32_t>(count)};
    listed += count;
    keys[visible] = static_cast<uint64_t>(depth_bits) << 32 | i;
    visible += count > 0;
  }
  return visible;
}

int64_t project(Context& ctx, int64_t begin, int64_t end, uint64_t* keys, Buffer<uint32_t>& tiles, int64_t* pairs) {
  const Gaussians& g = ctx.gaussians;
  const float faintest = g.raw ? kMinLogit : kMinAlpha;
  Fields fields;
  int64_t visible = 0, listed = 0;
  for (int64_t first = begin; first < end; first += kChunk) {
    Chunk chunk;
    for (int64_t i = first; i < end && i < first + kChunk; i++) {
      ctx.slots[i] = {0, 0};
      // Both comparisons also refuse NaN.
      if (g.opacities[i] >= faintest && depth_of(ctx.camera, g.means + 3 * i) > ctx.camera.near_plane)
        chunk.add(g, i);
    }
    chunk.finish(g.raw);
    compute_fields(ctx.camera, chunk, g.sh_degree, fields);
    int64_t most = listed + 4;
    for (int n = 0; n < chunk.count; n++) most += static_cast<int64_t>(fields.rows[n]) * fields.columns[n];
    grow(tiles, listed, most);
    visible += write_splats(ctx, chunk, fields, keys + visible, tiles.data(), listed);
  }
  *pairs = listed;
  return visible;
}

}  // namespace

extern const decltype(Kernels::project) project_kernel = project;

}  // namespace SPLAT_ISA
}  // namespace splat
