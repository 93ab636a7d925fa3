"""Clients that vanish with requests in flight."""
import os
import threading
import unittest

from lib.daemon_test import MIB, NBD, QMP, DaemonTest, Monitor, disk, export
from lib.nbd_client import NbdClient


class ClientsDie(DaemonTest):
    def test_twenty_clients_killed_with_deep_reads_in_flight_hurt_nobody(self):
        self.make_disk(data=os.urandom(MIB))
        daemon = self.start(disk(), NBD, export(), *QMP)
        monitor = Monitor()
        survivor = NbdClient()
        failures, ended = [], threading.Event()

        def keep_reading():
            while not ended.is_set():
                if survivor.read(0, 65536)[0]:
                    failures.append("a read of the surviving client failed")

        reader = threading.Thread(target=keep_reading)
        reader.start()
        for _ in range(20):
            client = NbdClient()
            for request in range(64):
                client.send(NbdClient.READ, request * 65536 % MIB, 256 * 1024)
            client.receive(1)  # answers are on their way, and more than the socket holds
            client.close()
            self.assertEqual(monitor.command("query-block-exports")[0]["id"], "e")
        ended.set()
        reader.join()
        self.assertEqual(failures, [])
        self.assertIsNone(daemon.poll())
        monitor.command("quit")
        survivor.close()
        self.expect_clean_end(daemon)

    def test_a_client_that_talks_nonsense_is_dropped_and_others_are_served(self):
        self.make_disk()
        self.start(disk(), NBD, export())
        client = NbdClient()
        client.socket.sendall(os.urandom(4096))
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                client.receive(1)
        self.assertEqual(NbdClient().read(0, 512)[0], 0)


if __name__ == "__main__":
    unittest.main()
