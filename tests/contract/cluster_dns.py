"""What a headless Service's name stands for: a name server with the addresses of the pods that are ready."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

A, IN, ANSWER, NO_TTL = 1, 1, 0x8580, 0
LOOK_S = 0.2


class Endpoints:
    """The pods that are ready.

    Attributes:
        port: of the name server, UDP.
        asked: how often it was asked for them.
    """

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(LOOK_S)
        self._end = threading.Event()
        self.port: int = self._socket.getsockname()[1]

    def serve(self) -> None:
        """Answer until the end."""
        with self._socket:
            while not self._end.is_set():
                try:
                    query, sender = self._socket.recvfrom(512)
                except TimeoutError:
                    continue
                self._socket.sendto(self._answer(query), sender)

    def close(self) -> None:
        """Let go of the port."""
        self._end.set()

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035, section 4: header, the question again, an address record each."""
        end = query.index(0, 12) + 5
        (kind,) = struct.unpack(">H", query[end - 4 : end - 2])
        self.asked += kind == A
        records = [
            struct.pack(">HHHIH", 0xC00C, A, IN, NO_TTL, 4) + socket.inet_aton(address)
            for address in (self.addresses if kind == A else ())
        ]
        return query[:2] + struct.pack(">HHHHH", ANSWER, 1, len(records), 0, 0) + query[12:end] + b"".join(records)


@contextmanager
def endpoints(addresses: list[str]) -> Iterator[Endpoints]:
    """A name server of these addresses, which may change."""
    known = Endpoints(addresses)
    thread = threading.Thread(target=known.serve)
    thread.start()
    try:
        yield known
    finally:
        known.close()
        thread.join()
