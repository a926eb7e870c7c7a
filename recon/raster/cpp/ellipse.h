// Where the ellipse alpha >= 1/255 of a splat lies, for finding the tiles and the blocks it touches.
#pragma once
#include "simd.h"

namespace splat {
namespace {

// Lanes over splats, or the same splat in all lanes.
struct Ellipse {
  vf b, discriminant, inv_2a, four_a_reach;
  vf widest;  // dy where x is largest; -widest where it is smallest
  Ellipse(vf a, vf half_b, vf c, vf reach, vf disc)
      : b(2 * half_b),
        discriminant(disc),
        inv_2a(0.5f / a),
        four_a_reach(4 * a * reach),
        widest(-b * vsqrt(reach / (c * disc))) {}
};

struct Extent {
  vf left, right;  // x relative to the centre, with a little slack
};

// Its extent in x for dy in [low, high]: at the ends or, if inside, where the ellipse is widest.
SPLAT_INLINE Extent extent(const Ellipse& e, vf low, vf high) {
  const vf right_dy = vmin(vmax(e.widest, low), high), left_dy = vmin(vmax(-e.widest, low), high);
  const vf right =
      (vsqrt(vmax(e.four_a_reach - e.discriminant * right_dy * right_dy, vf{})) - e.b * right_dy) * e.inv_2a;
  const vf left =
      (-vsqrt(vmax(e.four_a_reach - e.discriminant * left_dy * left_dy, vf{})) - e.b * left_dy) * e.inv_2a;
  const vf slack = 1e-3f + 1e-6f * (right - left);
  return {left - slack, right + slack};
}

}  // namespace
}  // namespace splat
