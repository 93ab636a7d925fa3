"""Nodes and exports that come and go over QMP."""
import os
import pathlib
import threading
import time
import unittest

from lib.daemon_test import MIB, NBD, QMP, DaemonTest, Monitor, disk, export, uri
from lib.nbd_client import NbdClient
from lib.qmp import QmpError

ESHUTDOWN = 108


class Runtime(DaemonTest):
    def start_empty(self):
        self.start(NBD, *QMP)
        return Monitor()

    def add_disk(self, monitor, name="d", filename="disk.img"):
        monitor.command("blockdev-add", driver="raw", node_name=name, file={"driver": "file", "filename": filename})

    def add_export(self, monitor, identity="e", node="d", name="disk"):
        monitor.execute("block-export-add", {"type": "nbd", "id": identity, "node-name": node, "name": name,
                                             "writable": True})

    def test_a_node_and_an_export_are_added_used_and_removed(self):
        self.make_disk(data=b"x" * 512)
        monitor = self.start_empty()
        with self.assertRaises(OSError):
            NbdClient()
        self.add_disk(monitor)
        self.add_export(monitor)
        client = NbdClient()
        self.assertEqual(client.read(0, 512), (0, b"x" * 512))
        self.assertEqual(client.write(0, b"y" * 512), 0)
        client.close()
        self.remove_when_unused(monitor)
        monitor.wait_event("BLOCK_EXPORT_DELETED")
        monitor.command("blockdev-del", node_name="d")
        self.assertEqual(monitor.command("query-named-block-nodes"), [])
        self.assertEqual(pathlib.Path("disk.img").read_bytes()[:512], b"y" * 512)

    def test_a_node_is_resized_while_nothing_uses_it(self):
        self.make_disk(size=MIB, data=b"x" * 512)
        monitor = self.start_empty()
        self.add_disk(monitor)
        self.add_export(monitor)
        with self.assertRaisesRegex(QmpError, "in use by block export"):
            monitor.command("block_resize", node_name="d", size=2 * MIB)
        monitor.command("block-export-del", id="e")
        monitor.command("block_resize", node_name="d", size=2 * MIB)
        self.add_export(monitor)
        self.assertEqual(int(self.succeeds("nbdinfo", "--size", uri())), 2 * MIB)
        client = NbdClient()
        self.assertEqual(client.read(0, 512), (0, b"x" * 512))
        self.assertEqual(client.write(2 * MIB - 512, b"y" * 512), 0)
        client.close()
        self.assertEqual(os.stat("disk.img").st_size, 2 * MIB)

    def remove_when_unused(self, monitor):
        """The server notices the end of a connection a little later than its client."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return monitor.command("block-export-del", id="e")
            except QmpError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)

    def test_an_export_needs_an_nbd_server(self):
        self.make_disk()
        self.start(*QMP)
        monitor = Monitor()
        self.add_disk(monitor)
        with self.assertRaisesRegex(QmpError, "NBD server not running"):
            self.add_export(monitor)
        self.assertEqual(monitor.command("query-block-exports"), [])

    def test_names_and_ids_are_unique(self):
        self.make_disk()
        monitor = self.start_empty()
        self.add_disk(monitor)
        self.add_export(monitor)
        for change in ({"name": "other"}, {"identity": "other"}):
            with self.assertRaises(QmpError):
                self.add_export(monitor, **change)
        with self.assertRaises(QmpError):
            self.add_export(monitor, "f", "absent", "f")
        self.assertEqual(len(monitor.command("query-block-exports")), 1)

    def test_a_safe_removal_is_refused_while_a_client_is_connected(self):
        self.make_disk()
        monitor = self.start_empty()
        self.add_disk(monitor)
        self.add_export(monitor)
        client = NbdClient()
        with self.assertRaisesRegex(QmpError, "still in use"):
            monitor.command("block-export-del", id="e")
        with self.assertRaisesRegex(QmpError, "in use by block export 'e'"):
            monitor.command("blockdev-del", node_name="d")
        self.assertEqual(client.read(0, 512)[0], 0)

    def test_a_hard_removal_frees_the_node_and_fails_later_requests(self):
        self.make_disk(data=b"x" * MIB)
        monitor = self.start_empty()
        self.add_disk(monitor)
        self.add_export(monitor)
        client = NbdClient()
        errors = []

        def read_until_refused():
            while not errors:
                error, _data = client.read(0, MIB)
                if error:
                    errors.append(error)

        reader = threading.Thread(target=read_until_refused)
        reader.start()
        time.sleep(0.05)
        monitor.command("block-export-del", id="e", mode="hard")
        monitor.wait_event("BLOCK_EXPORT_DELETED")
        reader.join(10)
        self.assertEqual(errors, [ESHUTDOWN])
        monitor.command("blockdev-del", node_name="d")
        # The old connection counts for nothing in a new export of the same name.
        self.add_disk(monitor)
        self.add_export(monitor)
        client.close()
        self.assertEqual(NbdClient().read(0, 512), (0, b"x" * 512))

    def test_the_address_of_the_nbd_server_cannot_be_changed(self):
        monitor = self.start_empty()
        with self.assertRaisesRegex(QmpError, "fixed when the program starts"):
            monitor.command("nbd-server-start", addr={"type": "unix", "data": {"path": "x"}})
        with self.assertRaisesRegex(QmpError, "as long as the program"):
            monitor.command("nbd-server-stop")

    def test_statistics_count_what_the_client_did(self):
        self.make_disk()
        self.start(disk(), NBD, export(), *QMP)
        client = NbdClient()
        for block in range(3):
            client.write(block * 4096, b"w" * 4096)
        client.read(0, 4096)
        client.flush()
        stats = [s for s in Monitor().command("query-blockstats") if s["node-name"] == "d"][0]["stats"]
        self.assertEqual((stats["wr_operations"], stats["wr_bytes"]), (3, 3 * 4096))
        self.assertEqual((stats["rd_operations"], stats["rd_bytes"]), (1, 4096))
        self.assertGreaterEqual(stats["flush_operations"], 1)


if __name__ == "__main__":
    unittest.main()
