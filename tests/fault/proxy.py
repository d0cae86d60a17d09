"""A TCP proxy in front of the server, at one address for all its lives, that can cut what passes."""
import contextlib
import socket
import struct
import threading

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Pair:
    """One connection that passes through: a socket to the client and one to the server."""

    def __init__(self, client, server):
        self.ends = (client, server)
        self.reset = False

    def start(self):
        for source, sink in (self.ends, self.ends[::-1]):
            threading.Thread(target=self.pass_on, args=(source, sink), daemon=True).start()

    def pass_on(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in self.ends:
            with contextlib.suppress(OSError):
                if not self.reset:
                    end.shutdown(socket.SHUT_RDWR)

    def cut(self, reset):
        self.reset = reset
        for end in self.ends:
            with contextlib.suppress(OSError):
                if reset:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # Wakes the thread that reads; only when it has let go is the socket really closed.
                end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
                end.close()


class Proxy:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.target = None  # "127.0.0.1:port" of the server, None while there is none
        self.lock = threading.Lock()
        self.pairs = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                host, port = (self.target or "127.0.0.1:1").split(":")
                server = socket.create_connection((host, int(port)), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = Pair(client, server)
            with self.lock:
                self.pairs.append(pair)
            pair.start()

    def cut(self, reset):
        """Ends every connection."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            pair.cut(reset)

    def close(self):
        self.listener.close()
        self.cut(False)
