"""What a browser sends to a review's page when a person rejects a picture: `python -m tests.deploy.decide PORT TOKEN`.

Rejects the most doubtful picture that the filter accepted, and prints its hash once the server says that it is saved.
"""

import json
import secrets
import sys
import time

import numpy as np

from orchestrator.review.decided import REJECTED
from tests.unit.review.running import Browser

COMES_WITHIN_S = 120.0


def main(port: int, token: str) -> None:
    """Wait for the page, sign in, reject, look again."""
    deadline = time.monotonic() + COMES_WITHIN_S
    while True:
        try:
            browser = Browser(port).sign_in("Anna", token)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    row = int(np.frombuffer(browser.send("GET", "/api/view?verdict=accepted&sort=doubt")[2], "<u4")[0])
    browser.decide((row, REJECTED, 0), batch=secrets.token_hex(16))
    again = Browser(port).sign_in("Anna", token)
    (rejected,) = np.flatnonzero(np.frombuffer(again.send("GET", "/api/mine")[2], "<u2"))
    if rejected != row:
        raise SystemExit(f"picture {row} was rejected, and {rejected} is decided about")
    sys.stdout.write(json.dumps({"rejected": again.get(f"/api/rows?rows={row}")["rows"][0]["sha256"]}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
