"""Frames that are placed in a model which others made, in the solver's child process; importing this does not
load pycolmap.

The pose of a frame comes from its matches to the model's points alone (PnP, in RANSAC), which takes
hundredths of a second, where growing by bundle adjustment takes most of a second a frame. What that loses
is won back by adjusting everything once at the end.
"""

from __future__ import annotations

from typing import Any

ROUNDS = 2
"""After everything was adjusted some frames fit that did not before; a third round has never placed any."""
INLIERS = 15
"""Matches that a pose must agree with; the mapper wants twice as many, from a model that is still small."""
MIN_MATCHES = 15
"""Of a pair of frames, as the mapper's own."""


def place_rest(model: Any, database: str, names: list[str], options: Any) -> int:
    """Place those of the frames `names` that a reconstruction lacks, triangulate what they see, adjust all.

    Args:
        options: `IncrementalPipelineOptions` of the mapper that made the model.

    Returns:
        How many were placed. With none the model is as it was.
    """
    import pycolmap

    wanted = pycolmap.DatabaseCacheOptions(min_num_matches=MIN_MATCHES, image_names=set(names))
    with pycolmap.Database.open(database) as opened:
        cache = pycolmap.DatabaseCache.create(opened, wanted)
    pose, points = options.get_mapper(), options.get_triangulation()
    # The lens is known from the model; a few matches of one frame say less of it.
    pose.abs_pose_refine_focal_length = pose.abs_pose_refine_extra_params = False
    pose.abs_pose_min_num_inliers = INLIERS
    everything = options.get_global_bundle_adjustment()
    everything.ceres.solver_options.function_tolerance = 1e-5
    everything.ceres.solver_options.max_num_iterations = 20
    mapper = pycolmap.IncrementalMapper(cache)
    mapper.begin_reconstruction(model)
    before = model.num_reg_images()
    for _ in range(ROUNDS):
        if not _place(mapper, pose, points):
            break
        mapper.complete_and_merge_tracks(points)
        mapper.iterative_global_refinement(1, 0.0005, pose, everything, points)
    mapper.end_reconstruction(False)
    return model.num_reg_images() - before


def _place(mapper: Any, pose: Any, points: Any) -> int:
    """Place one frame after another, those that see most of the model first; how many."""
    placed = 0
    while True:
        for image in mapper.find_next_images(pose, False):
            if mapper.register_next_image(pose, image):
                mapper.triangulate_image(points, image)
                placed += 1
                break
        else:
            return placed
