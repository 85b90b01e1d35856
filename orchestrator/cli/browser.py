"""Opens a page in the browser of whoever sits at this machine."""

import os
import sys
import webbrowser
from collections.abc import Mapping

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")  # of Linux, one of which is set where a browser can be seen


def open_page(url: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a browser was opened; none is looked for where nobody could see it."""
    if sys.platform == "linux" and not any(environ.get(name) for name in DISPLAYS):
        return False
    return webbrowser.open(url)
