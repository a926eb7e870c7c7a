"""Stage 4: look at a scene in the browser.

viewer.view("scene/")                       serve the page until Ctrl-C
viewer.view("a/", "b/")                     two scenes, one against the other
viewer.show("scene/")                       in a notebook cell
with viewer.serve("scene.ply") as url: ...  the same in a thread
viewer.export("scene/", "model.ply")        by ending: .html, .spz, .splatv, .ply
viewer.export_html("scene/", "scene.html")  one file that needs no server
viewer.export_spz("scene.ply", "scene.spz") about a fifth of the bytes
"""

from viewer.errors import ViewerError
from viewer.export import export
from viewer.export_html import export_html
from viewer.notebook import show
from viewer.server import serve, show_in_browser, until_interrupted, view
from viewer.spz import export_spz

__all__ = [
    "ViewerError",
    "export",
    "export_html",
    "export_spz",
    "serve",
    "show",
    "show_in_browser",
    "until_interrupted",
    "view",
]
