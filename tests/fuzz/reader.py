"""A target in a process of its own: what becomes of it does not become of the test."""

import contextlib
import hashlib
import json
import os
import selectors
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build/fuzz/failing"  # git does not see it: what crashes a decoder is told, not shown
ANSWERS_S = 120.0


@dataclass(frozen=True)
class Verdict:
    """What became of one input: "read", "refused", "fails", "crashes" or "hangs"."""

    outcome: str
    why: str = ""


class Reader:
    """Starts the process when it is needed, and again when it has died."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self.peak_mb = 0

    def read(self, name: str, data: bytes) -> Verdict:
        """What becomes of an input; one that is neither read nor refused is kept in a file."""
        process = self._running()
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"name": name, "length": len(data)}).encode() + b"\n" + data)
            process.stdin.flush()
        verdict = self._answer(process)
        if verdict.outcome in ("read", "refused"):
            return verdict
        KEPT.mkdir(parents=True, exist_ok=True)
        kept = KEPT / f"{self._target.replace(' ', '-')}-{hashlib.sha256(data).hexdigest()[:12]}"
        kept.write_bytes(data)
        return Verdict(verdict.outcome, f"{name}, kept as {kept.relative_to(ROOT)}: {verdict.why}")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            command = [sys.executable, "-m", "tests.fuzz.child", self._target]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        return self._process

    def _answer(self, process: "subprocess.Popen[bytes]") -> Verdict:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(ANSWERS_S) else None
        if not line:
            self.close()
            if line is None:
                return Verdict("hangs", f"no answer within {ANSWERS_S:g} s")
            return Verdict("crashes", f"its process ended with {process.returncode}")
        answer = json.loads(line)
        self.peak_mb = max(self.peak_mb, answer["peak_mb"])
        return Verdict(answer["outcome"], answer["why"])
