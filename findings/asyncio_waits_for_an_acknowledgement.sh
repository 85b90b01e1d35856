#!/usr/bin/env bash
# CPython's asyncio: a server on a socket of `socket.create_server` answers 40 ms late, each time.
#
# asyncio turns Nagle's algorithm off (TCP_NODELAY) on the connections that it accepts, as its documentation says. It
# looks first whether the socket says that it is of TCP, by `proto`. `socket.create_server`, and `socket.socket` without
# a third argument, leave `proto` at 0, and accepted sockets take it over; so nothing is turned off. An answer in two
# writes, head and body as uvicorn writes it, then waits for the other side to acknowledge the head, which it puts off for
# 40 ms. Who lets asyncio open the socket itself, by host and port, sees nothing of it. uvicorn's own `bind_socket`,
# which it calls for several workers and for reloading, makes such a socket.
#
# Defectory's review page sets TCP_NODELAY on the socket that it listens on; connections take it from there.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv env && env/bin/pip install -q uvicorn==0.54.0 h11==0.16.0
cat > late.py <<'PY'
import http.client, socket, statistics, threading, time
import uvicorn

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

def opened(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))

def with_protocol(port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    one.bind(("127.0.0.1", port))
    return one

def median_ms(make) -> float:
    with make(0) as listening:
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, http="h11", loop="asyncio", lifespan="off", log_level="error"))
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        connection, times = http.client.HTTPConnection("127.0.0.1", port), []
        for _ in range(30):
            began = time.perf_counter()
            connection.request("GET", "/")
            connection.getresponse().read()
            times.append(1000 * (time.perf_counter() - began))
        connection.close()
        server.should_exit = True
        thread.join()
    return statistics.median(times)

late, soon = median_ms(opened), median_ms(with_protocol)
bound = uvicorn.Config(app, port=0, log_level="error").bind_socket()
print(f"socket.create_server: {late:.1f} ms an answer; a socket that says IPPROTO_TCP: {soon:.1f} ms; "
      f"proto of uvicorn's own: {bound.proto}")
raise SystemExit(0 if late - soon > 25 and bound.proto == 0 else 1)
PY
env/bin/python --version
env/bin/python late.py
