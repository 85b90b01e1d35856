"""A service that waits to be stopped is stopped, whichever of its threads the signal reaches."""

import subprocess
import sys

PROGRAM = """
import signal, threading, time
from defectory.serving.service import wait_until

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
other = threading.Thread(target=time.sleep, args=(60,), daemon=True)
other.start()
threading.Timer(0.2, lambda: signal.pthread_kill(other.ident, signal.SIGTERM)).start()
wait_until(stop)
print("stopped")
"""


def test_a_signal_that_another_thread_gets_is_heard() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout == "stopped\n", done.stderr
