"""The ends of the daemon."""
import os
import pathlib
import signal
import socket
import threading
import time
import unittest

from lib.daemon_test import MIB, NBD, QMP, DaemonTest, Monitor, disk, export
from lib.nbd_client import NbdClient

BLOCK = 64 * 1024


class Shutdown(DaemonTest):
    def write_until_the_end(self, client, acknowledged, errors):
        """Writes one block after another, round and round; remembers what was acknowledged, and errors."""
        number = 0
        try:
            while True:
                offset = number * BLOCK % (16 * MIB)
                content = number.to_bytes(8, "big") * (BLOCK // 8)
                error = client.write(offset, content)
                if error:
                    errors.append(error)
                    return
                acknowledged[offset] = content
                number += 1
        except (EOFError, OSError):
            return

    def end_under_load(self, end):
        self.make_disk()
        daemon = self.start(disk(), NBD, export(), *QMP)
        acknowledged, errors = {}, []
        writer = threading.Thread(target=self.write_until_the_end, args=(NbdClient(), acknowledged, errors))
        writer.start()
        while len(acknowledged) < 20:
            time.sleep(0.005)
        end(daemon)
        writer.join(30)
        self.expect_clean_end(daemon)
        self.assertEqual(errors, [])  # a guest would take it for an error of its disk
        content = pathlib.Path("disk.img").read_bytes()
        # The block in flight at the end may be there without an acknowledgement, once.
        lost = [at for at, block in acknowledged.items() if content[at:at + BLOCK] != block]
        self.assertLessEqual(len(lost), 1)
        newest = max(acknowledged, key=lambda at: int.from_bytes(acknowledged[at][:8], "big"))
        self.assertNotIn(newest, lost)

    def test_two_sigterms_under_load_lose_nothing(self):
        def twice(daemon):
            daemon.send_signal(signal.SIGTERM)
            daemon.send_signal(signal.SIGTERM)

        self.end_under_load(twice)

    def test_sigint_and_sighup_under_load_lose_nothing(self):
        def both(daemon):
            daemon.send_signal(signal.SIGINT)
            daemon.send_signal(signal.SIGHUP)

        self.end_under_load(both)

    def test_quit_under_load_is_answered_and_loses_nothing(self):
        def quit_command(_daemon):
            monitor = Monitor()
            monitor.command("quit")
            self.assertEqual(monitor.wait_event("SHUTDOWN")["data"], {"guest": False, "reason": "host-qmp-quit"})
            self.assertEqual(monitor.wait_event("BLOCK_EXPORT_DELETED")["data"], {"id": "e"})
            with self.assertRaises(EOFError):
                monitor.receive()

        self.end_under_load(quit_command)

    def test_clients_under_load_get_no_error(self):
        """Each sends requests ahead of the answers, so that some are under way whenever the end comes."""
        ahead = 8

        def read_until_the_end(client, errors):
            try:
                for _ in range(ahead):
                    client.send(NbdClient.READ, 0, 4096)
                while True:
                    error, _data = client.reply(4096)
                    if error:
                        errors.append(error)
                        return
                    client.send(NbdClient.READ, 0, 4096)
            except (EOFError, OSError):
                return

        for _ in range(5):
            self.make_disk()
            daemon = self.start(disk(), NBD, export())
            errors = []
            readers = [threading.Thread(target=read_until_the_end, args=(NbdClient(), errors)) for _ in range(4)]
            for reader in readers:
                reader.start()
            time.sleep(0.1)
            daemon.send_signal(signal.SIGTERM)
            for reader in readers:
                reader.join(30)
            self.expect_clean_end(daemon)
            self.assertEqual(errors, [])

    def test_clients_of_qmp_are_told_of_a_signal(self):
        self.make_disk()
        daemon = self.start(disk(), NBD, export(), *QMP)
        monitor = Monitor()
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(monitor.wait_event("SHUTDOWN")["data"]["reason"], "host-signal")
        self.expect_clean_end(daemon)

    def test_an_idle_client_does_not_delay_the_end(self):
        self.make_disk()
        daemon = self.start(disk(), NBD, export())
        client = NbdClient()
        self.assertEqual(client.read(0, 512)[0], 0)
        self.stop(daemon)

    def test_a_client_that_stops_in_the_handshake_does_not_delay_the_end(self):
        self.make_disk()
        daemon = self.start(disk(), NBD, export())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("nbd.sock")
            client.recv(18)
            self.stop(daemon)

    def test_a_client_that_does_not_take_its_answers_delays_the_end_for_seconds_only(self):
        self.make_disk()
        daemon = self.start(disk(), NBD, export())
        client = NbdClient()
        for _ in range(4):
            client.send(NbdClient.READ, 0, 8 * MIB)
        client.receive(16)
        start = time.monotonic()
        self.stop(daemon)
        self.assertLess(time.monotonic() - start, 10)

    def test_without_an_nbd_server_signals_and_quit_end_the_daemon_too(self):
        self.make_disk()
        for end in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            daemon = self.start(disk(), *QMP)
            daemon.send_signal(end)
            self.expect_clean_end(daemon)
        daemon = self.start(disk(), *QMP)
        Monitor().command("quit")
        self.expect_clean_end(daemon)

    def test_a_socket_left_by_a_killed_daemon_is_replaced(self):
        self.make_disk()
        daemon = self.start(disk(), NBD, export(), *QMP)
        daemon.kill()
        daemon.wait()
        self.assertTrue(os.path.exists("nbd.sock"))
        os.unlink("daemon.pid")
        self.stop(self.start(disk(), NBD, export(), *QMP))


if __name__ == "__main__":
    unittest.main()
