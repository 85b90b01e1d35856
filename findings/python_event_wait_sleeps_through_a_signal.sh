#!/usr/bin/env bash
# CPython 3.11: a main thread in `Event.wait()` without an end sleeps through a signal that reaches the process.
#
# A server that installs a handler for SIGTERM, sets an Event in it and waits for that Event looks right. Handlers run in
# the main thread, and only a signal that interrupts the main thread's own wait wakes it. One that another thread gets,
# or that comes between the interpreter's last look and the wait, is noted and waits with it: the handler does not run,
# and the server does not stop, for ever. With an end to the wait, however often it is taken again, the handler runs when
# that end comes.
#
# Defectory's services look again every second.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
cat > wait.py <<'PY'
import os, signal, sys, threading, time

def send():
    time.sleep(0.5)
    signal.pthread_kill(other.ident, signal.SIGTERM)
    time.sleep(2.5)
    print(f"{sys.argv[1]}: the handler ran within 2.5 s: {stop.is_set()}", flush=True)
    os._exit(0 if stop.is_set() == (sys.argv[1] == "again-and-again") else 1)

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
other = threading.Thread(target=time.sleep, args=(30,), daemon=True)
other.start()
threading.Thread(target=send, daemon=True).start()
if sys.argv[1] == "without-an-end":
    stop.wait()
while not stop.wait(0.2):
    pass
time.sleep(30)
PY
python3 --version
python3 wait.py without-an-end
python3 wait.py again-and-again
