#!/usr/bin/env python3
"""A small QMP client: a class for tests in Python, and a command for tests in shell.

usage: qmp.py SOCKET COMMAND [JSON-ARGUMENTS]     prints the "return" value, or the error and exits 1
       qmp.py SOCKET wait                         waits until the socket answers
"""
import json
import socket
import sys
import time


class QmpError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.error_class, self.description = error["class"], error["desc"]


class QmpClient:
    """One connection. Events that arrive while a reply is awaited are kept in `events`."""

    def __init__(self, path, timeout=30, negotiate=True):
        deadline = time.monotonic() + timeout
        while True:  # the daemon may still be starting
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.buffer = b""
        self.events = []
        self.greeting = self.receive()
        if negotiate:
            self.command("qmp_capabilities")

    def close(self):
        self.socket.close()

    def send_text(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def receive(self):
        """The next JSON value, whatever it is. Raises EOFError when the daemon has closed the connection."""
        while b"\r\n" not in self.buffer:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError("the daemon closed the connection")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return json.loads(line)

    def receive_reply(self):
        while True:
            message = self.receive()
            if "event" not in message:
                return message
            self.events.append(message)

    def command(self, name, /, **arguments):
        """The return value. Underscores in argument names stand for dashes. Raises QmpError."""
        message = {"execute": name}
        if arguments:
            message["arguments"] = {key.replace("_", "-"): value for key, value in arguments.items()}
        self.send_text(json.dumps(message) + "\n")
        reply = self.receive_reply()
        if "error" in reply:
            raise QmpError(reply["error"])
        return reply["return"]

    def wait_event(self, name, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.events.append(self.receive())


def main():
    path, name = sys.argv[1:3]
    client = QmpClient(path)
    if name == "wait":
        return 0
    arguments = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    try:
        print(json.dumps(client.command(name, **arguments), indent=4, sort_keys=True))
    except QmpError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
