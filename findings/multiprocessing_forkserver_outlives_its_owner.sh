#!/usr/bin/env bash
# CPython 3.11 to 3.13, multiprocessing "forkserver": killed, an owner leaves fork server and workers behind, for ever.
#
# The fork server watches a pipe whose other end its owner holds, and ends when that is closed: so one would guess that
# it goes when its owner is killed, and that workers can tie their lives to the fork server's (PR_SET_PDEATHSIG). But
# every worker inherits the owner's end of the pipe. While one of them works, the pipe stays open: the fork server waits
# for the workers, and workers that wait for the fork server's death wait for ever. Without workers it does go.
#
# Defectory's workers watch `multiprocessing.parent_process()`, which is the owner itself, and go with it.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
cat > owner.py <<'PY'
import ctypes, multiprocessing, os, signal, sys, time
from multiprocessing import forkserver

def work():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: die with the parent, which is the fork server
    time.sleep(30)

def nothing():
    pass

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    first = context.Process(target=nothing)
    first.start()
    first.join()
    worker = None
    if sys.argv[1] == "working":
        worker = context.Process(target=work)
        worker.start()
        time.sleep(1)
    print(forkserver._forkserver._forkserver_pid, worker.pid if worker else 0, flush=True)
    time.sleep(60)
PY
cat > look.py <<'PY'
import os, signal, subprocess, sys, time

def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

left = {}
for how in ("idle", "working"):
    owner = subprocess.Popen([sys.executable, "owner.py", how], stdout=subprocess.PIPE, text=True)
    server, worker = map(int, owner.stdout.readline().split())
    owner.kill()
    owner.wait()
    time.sleep(5)
    left[how] = lives(server), bool(worker) and lives(worker)
    print(f"{how}: 5 s after the owner was killed the fork server lives: {left[how][0]}, a worker: {left[how][1]}")
    for pid in (worker, server):
        if pid and lives(pid):
            os.kill(pid, signal.SIGKILL)
assert left == {"idle": (False, False), "working": (True, True)}, "the behaviour changed"
PY
python3 --version
python3 look.py
echo "multiprocessing's fork server: as described"
