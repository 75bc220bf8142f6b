"""proxy.py - a proxy between clients and a broker that drops chosen requests or their answers.

It reads the frames that clients send far enough to know what they are (request type and client id),
and of answers to which request they belong. `lose` waits for a request of one type from one client,
and then cuts that client off, with the request or only its answer lost, until `heal`; `cut` does so
at its next request. `fence` tells a member of a group that another has its place, in place of the
broker.
"""

import socket
import struct
import threading

HEARTBEAT, END_TXN = 12, 26
FENCED_INSTANCE_ID = 82


class Proxy:
    def __init__(self, port, broker_port):
        self.broker_port = broker_port
        self.lock = threading.Lock()
        self.wanted = None  # (request type, prefix of the client's id, whether the broker gets it)
        self.lost = threading.Event()
        self.cut_off = None  # prefix of a client's id that is out of reach
        self.fenced = None  # prefix of a client's id whose next heartbeat is refused
        self.refused = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def lose(self, kind, client, delivered):
        with self.lock:
            self.lost.clear()
            self.wanted = (kind, client, delivered)

    def fence(self, client):
        with self.lock:
            self.refused.clear()
            self.fenced = client

    def cut(self, client):
        with self.lock:
            self.cut_off = client

    def heal(self):
        with self.lock:
            self.cut_off = None

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.broker_port)) as broker:
                kept = Kept()
                threading.Thread(target=answer, args=(broker, client, kept), daemon=True).start()
                while self.pass_on(client, broker, kept):
                    pass
                for end in (client, broker):
                    end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # one of the two has gone, and its connection with it

    def pass_on(self, client, broker, kept):
        """Passes one request on; False if the connection shall be cut."""
        head = receive(client, 4)
        frame = receive(client, struct.unpack(">i", head)[0])
        kind = struct.unpack(">h", frame[:2])[0]
        name_size = struct.unpack(">h", frame[8:10])[0]
        name = frame[10:10 + max(name_size, 0)].decode()
        with self.lock:
            refused = self.fenced and kind == HEARTBEAT and name.startswith(self.fenced)
            if refused:
                self.fenced = None
                client.sendall(struct.pack(">i4sih", 10, frame[4:8], 0, FENCED_INSTANCE_ID))
                self.refused.set()
                return True
            if self.cut_off and name.startswith(self.cut_off):
                return False
            hit = self.wanted and self.wanted[0] == kind and name.startswith(self.wanted[1])
            if hit:
                delivered = self.wanted[2]
                self.cut_off, self.wanted = self.wanted[1], None
        if not hit:
            broker.sendall(head + frame)
            return True
        if delivered:
            kept.number = frame[4:8]
            broker.sendall(head + frame)
            kept.came.wait()
        self.lost.set()
        return False


class Kept:
    """The answer that a client shall not get: to the request of this number."""

    def __init__(self):
        self.number = None
        self.came = threading.Event()


def answer(broker, client, kept):
    try:
        while True:
            head = receive(broker, 4)
            frame = receive(broker, struct.unpack(">i", head)[0])
            if frame[:4] == kept.number:
                break
            client.sendall(head + frame)
    except OSError:
        pass
    kept.came.set()


def receive(link, size):
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            raise OSError("closed")
        data += part
    return data
