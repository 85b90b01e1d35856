#!/usr/bin/env bash
# CPython 3.11 to 3.13: the first `Process.start()` with "spawn" or "forkserver" unblocks SIGTERM and SIGINT.
#
# A thread that blocks SIGTERM (so that children inherit the mask, or so that `sigwait` takes it) starts a process. One
# would guess that its mask is its own. It is not: to start the resource tracker, multiprocessing blocks SIGINT and
# SIGTERM and then unblocks them, instead of putting back what was there. From then on the thread takes both, and what
# it starts next does not inherit the mask. Only the first start does it, so that a second try shows nothing.
#
# Defectory starts the resource tracker first, and blocks SIGTERM after that.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
cat > mask.py <<'PY'
import multiprocessing, signal, sys

def nothing():
    pass

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    seen = []
    for _ in range(2):
        process = multiprocessing.get_context(sys.argv[1]).Process(target=nothing)
        process.start()
        process.join()
        seen.append(signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    print(f"{sys.argv[1]}: SIGTERM is blocked still after the first start: {seen[0]}, after the second: {seen[1]}")
    assert seen == [sys.argv[1] == "fork", True], "the behaviour changed"
PY
python3 --version
for method in fork spawn forkserver; do python3 mask.py $method; done
echo "multiprocessing's signal mask: as described"
