"""Stage 4: look at a scene in the browser.

viewer.view("scene/")                       serve the page until Ctrl-C
with viewer.serve("scene.ply") as url: ...  the same in a thread
viewer.export("scene/", "model.ply")          by ending: .html, .spz, .ply
viewer.export_html("scene/", "scene.html")  one file that needs no server
viewer.export_spz("scene.ply", "scene.spz") about a fifth of the bytes
"""

from viewer.errors import ViewerError
from viewer.export import export
from viewer.export_html import export_html
from viewer.server import serve, view
from viewer.spz import export_spz

__all__ = ["ViewerError", "export", "export_html", "export_spz", "serve", "view"]
