"""An NBD client that speaks the protocol itself, so that a test can send many requests and vanish."""
import socket
import struct


class NbdClient:
    """One connection, for one thread. Offsets and lengths are bytes; an error is an errno value, 0 = none."""

    READ, WRITE, FLUSH, TRIM, WRITE_ZEROES = 0, 1, 3, 4, 6

    def __init__(self, path="nbd.sock", name="disk"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.handle = 0
        self.receive(18)
        self.socket.sendall(struct.pack(">I", 3))
        data = struct.pack(">I", len(name)) + name.encode() + struct.pack(">H", 0)
        self.socket.sendall(struct.pack(">8sII", b"IHAVEOPT", 7, len(data)) + data)
        while True:
            _magic, _option, kind, length = struct.unpack(">QIII", self.receive(20))
            reply = self.receive(length)
            if kind & 0x80000000:
                raise OSError(f"the server refused export '{name}': {reply.decode(errors='replace')}")
            if kind == 1:
                return
            if struct.unpack(">H", reply[:2])[0] == 0:
                self.size, self.flags = struct.unpack(">QH", reply[2:12])

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError("the server closed the connection")
            data += piece
        return bytes(data)

    def send(self, command, offset, length, data=b""):
        self.handle += 1
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, command, self.handle, offset, length) + data)

    def reply(self, length=0):
        """The errno value of the next answer, and its data."""
        _magic, error, _handle = struct.unpack(">IIQ", self.receive(16))
        return error, self.receive(length) if not error else b""

    def read(self, offset, length):
        self.send(self.READ, offset, length)
        return self.reply(length)

    def write(self, offset, data):
        self.send(self.WRITE, offset, len(data), data)
        return self.reply()[0]

    def flush(self):
        self.send(self.FLUSH, 0, 0)
        return self.reply()[0]

    def trim(self, offset, length):
        self.send(self.TRIM, offset, length)
        return self.reply()[0]

    def write_zeroes(self, offset, length):
        self.send(self.WRITE_ZEROES, offset, length)
        return self.reply()[0]

    def close(self):
        self.socket.close()

    def __del__(self):
        self.close()
