"""A store that is killed in the middle of a run, and started again: SeaweedFS, which keeps its objects on a disk."""

import os
import random
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.chaos.line import Line
from tests.chaos.outcome import Outcome
from tests.chaos.tries import Tries
from tests.s3_servers import CREDENTIALS, SEAWEEDFS_PORTS, free_ports, seaweedfs

DEAD_S = 10.0


class Store:
    """SeaweedFS in a folder and on ports that stay, whatever becomes of its process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._ports, self._process = folder, free_ports(len(SEAWEEDFS_PORTS)), ExitStack()
        self.starts = 0

    def __enter__(self) -> "Store":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Until it answers."""
        self.endpoint = self._process.enter_context(seaweedfs(self._folder, self._ports))
        self.starts += 1

    def kill(self) -> None:
        """With SIGKILL, where it runs."""
        self._process.close()


def restarted(line: Line, tries: int, lived: Mapping[str, float], undisturbed: dict[str, Any]) -> list[Outcome]:
    """Run the line, kill its store at a moment that is drawn over the undisturbed run, and start it again."""
    done, kills = Tries(line, undisturbed), 0
    for number in range(tries):
        moment = random.Random(number).uniform(0.1, 0.9) * lived["orchestrator"]
        with Store(line.folder / f"seaweedfs-{os.getpid()}-{number}") as server:
            dead = False

            def seen(victim: str, pids: list[int], seconds: float, server: Store = server, at: float = moment) -> None:
                nonlocal dead
                if victim == "orchestrator" and not dead and server.starts == 1 and seconds >= at:
                    server.kill()
                    dead = True
                elif dead and seconds >= at + DEAD_S:
                    revive(server)

            def revive(server: Store = server) -> None:
                nonlocal dead
                if dead:
                    server.start()
                    dead = False

            environ = {**os.environ, **CREDENTIALS, "DEFECTORY_S3_ENDPOINT": server.endpoint}
            done.run("s3://chaos/line", environ, seen=seen, over=revive)
            kills += server.starts - 1
    notes = (
        f"SeaweedFS; killed {kills} times, at a random moment of each run, and started again on what was on its disk"
    )
    return [done.outcome(f"store: kill -9, started again {DEAD_S:.0f} s later", notes)]
