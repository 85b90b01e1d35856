"""Jobs of the sample service: they count, and do to themselves what jobs suffer."""

import os
import signal
import time

from defectory.api.generator.v1.generator_pb2 import SynthesizeRequest, SynthesizeResponse
from defectory.errors import InvalidInput, NotFound
from defectory.serving.operations.context import Interrupted, JobContext

HELD_AT = 20  # step before which `model` "held" waits for the object "go-on", however slow the machine is


def count(request: SynthesizeRequest, job: JobContext) -> SynthesizeResponse:
    """Put an object a step; what is there is not done again. `model` says what goes wrong on the way."""
    try:
        return _count(request, job)
    except Interrupted:
        job.store.put(f"left/{request.dataset}", b"")
        raise


def _count(request: SynthesizeRequest, job: JobContext) -> SynthesizeResponse:
    done = sum(1 for _ in job.store.list(f"counted/{request.dataset}/"))
    for number in range(done, request.count):
        if request.model == "invalid":
            raise InvalidInput("count is odd", {"count": "use an even one"})
        if request.model == "bug":
            raise ZeroDivisionError("secret detail")
        if request.model == "dies" or (request.model == "dies-once" and number == 2 and done == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if request.model == "needs" and not job.store.exists("needed"):
            raise NotFound("needed is not there")
        while request.model == "held" and number == HELD_AT and not job.store.exists("go-on"):
            job.report("held", number, request.count, "steps")
            time.sleep(0.05)
        time.sleep(0.05)
        job.store.put(f"counted/{request.dataset}/{number:04}", str(os.getpid()).encode(), if_absent=True)
        job.report("counting", number + 1, request.count, "steps", values={"number": number})
    return SynthesizeResponse(manifest_uri=job.settings["weights"], count=request.count)
