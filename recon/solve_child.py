"""The child process that holds pycolmap: `python -m recon.solve_child`, started by `recon.solver_process`.

pycolmap can abort the whole process from a worker thread, and its shared libraries clash with
OpenCV's PNG writer; so it lives here, alone. One job after another: a JSON line on stdin; JSON
lines of progress on stdout; the result in an .npz; pycolmap's own log on stderr.

Two runs give bitwise equal results: matching and mapping have one thread each (docs/decisions.md).
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from recon.adjustment import adjustment, change_lens, weigh_focal
from recon.attempts import locked_options
from recon.judge import ENOUGH_PLACED
from recon.placement import place_rest
from recon.solve_results import save_model, write_matches

MIN_TRIALS = 30
"""Of RANSAC for a pair of frames; most matches of a video are right, and COLMAP's 100 find no others."""
KEYS_PLACED = 0.75
"""Share of the keyframes in whose model the other frames are looked for. What counts is how many are placed
in the end (a generated clip: 30 of 34 keyframes in 2 s, then 130 of 135 frames, as in 57 s without)."""


def main() -> None:
    """Run the jobs of stdin, {"finished": true} after each; ends with {"error": …} where one fails."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not end up between our lines
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(jobs,), daemon=True).start()

    def tell(done: int, total: int | None, note: str) -> None:
        out.write(json.dumps({"done": done, "total": total, "note": note}) + "\n")

    def out_of_time(seconds: float) -> None:
        out.write(json.dumps({"error": f"no result within {seconds} s"}) + "\n")
        os._exit(1)

    while True:
        job = json.loads(jobs.get())
        limit = job.get("seconds", threading.TIMEOUT_MAX)
        # For calls of pycolmap that know no time limit and cannot be cancelled.
        clock = threading.Timer(limit, out_of_time, [limit])
        clock.daemon = True
        clock.start()
        try:
            JOBS[job["kind"]](job, tell)
        except Exception as error:
            out.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
            raise
        clock.cancel()
        out.write(json.dumps({"finished": True}) + "\n")


def _take(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    # The parent holds our stdin open; end of file means that it is gone (also by kill -9).
    os._exit(1)


def _match(job: dict[str, Any], tell: Any) -> None:
    """Put features into a new database and match those of the job's pairs of images."""
    import pycolmap

    names: list[str] = job["names"]
    database = Path(job["database"])
    pycolmap.set_random_seed(job["seed"])
    reader = pycolmap.ImageReaderOptions(camera_model=job["model"])
    if job["params"]:
        reader.camera_params = ",".join(repr(float(value)) for value in job["params"])
    single = pycolmap.CameraMode.SINGLE
    pycolmap.Database.open(database).close()
    pycolmap.import_images(database, job["folder"], camera_mode=single, image_names=names, options=reader)
    _write_features(job)
    tell(len(names), len(names), "matching features")
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = job["seed"]
    verification.ransac.min_num_trials = MIN_TRIALS
    listed = database.with_suffix(".txt")
    listed.write_text("".join(f"{names[i]} {names[j]}\n" for i, j in job["pairs"]))
    pycolmap.match_image_pairs(
        database,
        matching_options=pycolmap.FeatureMatchingOptions(
            use_gpu=False, num_threads=1, guided_matching=job["guided"]
        ),
        pairing_options=pycolmap.ImportedPairingOptions(match_list_path=listed),
        verification_options=verification,
    )
    listed.unlink()
    write_matches(job)


def _write_features(job: dict[str, Any]) -> None:
    import pycolmap

    with np.load(job["features"], allow_pickle=False) as arrays:
        cuts = np.cumsum(arrays["lengths"])[:-1]
        places, descriptors = (np.split(arrays[name], cuts) for name in ("places", "descriptors"))
    with pycolmap.Database.open(job["database"]) as database:
        ids = {image.name: image.image_id for image in database.read_all_images()}
        for name, at, what in zip(job["names"], places, descriptors, strict=True):
            database.write_keypoints(ids[name], at)
            kind = pycolmap.FeatureExtractorType.SIFT
            database.write_descriptors(ids[name], pycolmap.FeatureDescriptors(kind, what))


def _options(job: dict[str, Any]) -> Any:
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.mergedict(job["options"])
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = job["seed"]
    options.num_threads = options.mapper.num_threads = 1
    return options


def _global_options(job: dict[str, Any]) -> Any:
    import pycolmap

    options = pycolmap.GlobalPipelineOptions(num_threads=1, random_seed=job["seed"])
    options.mapper.num_threads, options.mapper.random_seed = 1, job["seed"]
    options.mergedict(job["options"])
    return options


def _map(job: dict[str, Any], tell: Any) -> None:
    """Incremental or global mapping of the database; the largest model becomes the result.

    With "model" the frames that it lacks are placed in it; where some cannot be, the mapper grows it. With
    "keyframes" these are mapped first, and the others placed in their model; where that places too
    few, all are mapped as without. With "rest", frames that the largest model lacks are placed in it, and
    that becomes a second result.
    """
    import pycolmap

    pycolmap.set_random_seed(job["seed"])
    with pycolmap.Database.open(job["database"]) as database:
        if job["start"] and not job["model"]:
            # A pair is taken on trust: its angle may be less than the mapper would ask for.
            ids = {image.name: image.image_id for image in database.read_all_images()}
            pair = [ids[name] for name in job["start"]]
            given = job["options"]
            options = {
                **given,
                **dict(zip(("init_image_id1", "init_image_id2"), pair, strict=True)),
                "mapper": {**given["mapper"], "init_min_tri_angle": 0.1},
            }
            job = {**job, "options": options}
        camera = database.read_all_cameras()[0]
        camera.params = [float(value) for value in job["params"]]
        camera.has_prior_focal_length = job["focal_known"]
        database.update_camera(camera)
    scratch = Path(job["scratch"])
    scratch.mkdir(parents=True, exist_ok=True)
    model = None
    if job["model"]:
        model = _filled(job, tell)
    elif job.get("keyframes"):
        model = _map_thinned(job, tell)
    if model is not None:
        save_model(job, model, [model.num_reg_images()])
        return
    ranked = _mapped(job, scratch, tell)
    _weigh_focal(ranked, job, tell)
    sizes = [model.num_reg_images() for model in ranked]
    save_model(job, ranked[0] if ranked else None, sizes)
    if ranked and job.get("rest") and sizes[0] < len(job["names"]) and _place_rest(ranked[0], job, tell):
        save_model({**job, "result": job["rest"]}, ranked[0], [ranked[0].num_reg_images(), *sizes[1:]])


def _filled(job: dict[str, Any], tell: Any) -> Any:
    """The job's model with all other frames placed in it; None when that fails for one of them."""
    model = _given_model(job)
    _place_rest(model, job, tell)
    if model.num_reg_images() < len(job["names"]):
        return None
    _weigh_focal([model], job, tell)
    return model


def _map_thinned(job: dict[str, Any], tell: Any) -> Any:
    """The model of the keyframes with the others placed in it; None when too few of either are placed."""
    names = job["keyframes"]
    changes = {"image_names": names, "extract_colors": False, "max_num_models": 1}
    few = {**job, "names": names, "options": {**job["options"], **changes}}
    scratch = Path(job["scratch"]) / "keyframes"
    scratch.mkdir(exist_ok=True)  # an interrupted run may have left it
    ranked = _mapped(few, scratch, tell)
    if not ranked or ranked[0].num_reg_images() < KEYS_PLACED * len(names):
        return None
    _weigh_focal(ranked, job, tell)
    _place_rest(ranked[0], job, tell)
    return ranked[0] if ranked[0].num_reg_images() >= ENOUGH_PLACED * len(job["names"]) else None


def _mapped(job: dict[str, Any], scratch: Path, tell: Any) -> list[Any]:
    """The models of a mapper, largest first."""
    import pycolmap

    total, placed = len(job["names"]), 0

    def placing(start: int) -> None:
        nonlocal placed
        placed = placed + 1 if start == 0 else start
        tell(min(placed, total), total, "placing frames")

    if job["mapper"] == "global":
        tell(0, None, "placing all frames at once")
        models = pycolmap.global_mapping(
            job["database"], job["folder"], scratch, options=_global_options(job)
        )
    else:
        models = pycolmap.incremental_mapping(
            job["database"],
            job["folder"],
            scratch,
            options=_options(job),
            **_grown_from(job),
            initial_image_pair_callback=lambda: placing(2),
            next_image_callback=lambda: placing(0),
        )
    return sorted(models.values(), key=lambda model: (-model.num_reg_images(), -model.num_points3D()))


def _weigh_focal(ranked: list[Any], job: dict[str, Any], tell: Any) -> None:
    if ranked and "belief" in job:
        tell(len(job["names"]), len(job["names"]), "refining the focal length")
        weigh_focal(ranked[0], **job["belief"])


def _place_rest(model: Any, job: dict[str, Any], tell: Any) -> int:
    """Place the frames that a model lacks; how many."""
    tell(model.num_reg_images(), len(job["names"]), "placing the other frames")
    # Options of the global mapper, whose lens is always locked, have other names.
    given = job["options"] if job["mapper"] == "incremental" else locked_options()
    placed = place_rest(model, job["database"], job["names"], _options({**job, "options": given}))
    model.extract_colors_for_all_images(job["folder"])
    return placed


def _given_model(job: dict[str, Any]) -> Any:
    """The job's model of some of the frames, with the job's lens."""
    import pycolmap

    model = pycolmap.Reconstruction(job["model"])
    change_lens(model, job["params"])
    return model


def _grown_from(job: dict[str, Any]) -> dict[str, Any]:
    """Arguments of the incremental mapper: the model in which to place more frames."""
    if not job["model"]:
        return {}
    model = _given_model(job)
    place = Path(job["scratch"]) / "first"
    place.mkdir(exist_ok=True)  # an interrupted run may have left it
    model.write(place)
    return {"input_path": place}


def _triangulate(job: dict[str, Any], tell: Any) -> None:
    """Points for cameras that are known and stay as they are, or are refined once for every item of "refine"
    (options for triangulating anew)."""
    import pycolmap

    pycolmap.set_random_seed(job["seed"])
    tell(0, None, "triangulating points")
    model = pycolmap.Reconstruction()
    poses = dict(zip(job["names"], np.array(job["camera_from_world"]), strict=True))
    with pycolmap.Database.open(job["database"]) as database:
        for camera in database.read_all_cameras():
            model.add_camera_with_trivial_rig(camera)
        for image in database.read_all_images():
            pose = pycolmap.Rigid3d(poses[image.name][:3])
            model.add_image_with_trivial_frame(
                pycolmap.Image(name=image.name, camera_id=image.camera_id, image_id=image.image_id), pose
            )
    scratch = Path(job["scratch"])
    scratch.mkdir(parents=True, exist_ok=True)
    place = job["database"], job["folder"], scratch
    model = pycolmap.triangulate_points(model, *place, clear_points=True, options=_options(job))
    for round_, changes in enumerate(job.get("refine", [])):
        tell(round_, len(job["refine"]), "refining cameras")
        pycolmap.bundle_adjustment(model, adjustment())
        options = _options({**job, "options": changes})
        model = pycolmap.triangulate_points(model, *place, clear_points=True, options=options)
    model.extract_colors_for_all_images(job["folder"])
    save_model(job, model, [model.num_reg_images()])


JOBS = {
    "match": _match,
    "map": _map,
    "triangulate": _triangulate,
}

if __name__ == "__main__":
    main()
