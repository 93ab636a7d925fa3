"""Serving disks to NBD clients of others."""
import json
import os
import pathlib
import socket
import unittest

from lib.daemon_test import MIB, NBD, DaemonTest, disk, export, run, uri
from lib.nbd_client import NbdClient


class Serve(DaemonTest):
    def test_a_copy_in_and_a_copy_out_have_the_same_content(self):
        content = os.urandom(3 * MIB)
        pathlib.Path("content").write_bytes(content)
        self.make_disk(size=3 * MIB)
        daemon = self.start(disk(), NBD, export())
        self.succeeds("nbdcopy", "content", uri())
        self.succeeds("nbdcopy", uri(), "copy")
        self.assertEqual(pathlib.Path("copy").read_bytes(), content)
        self.stop(daemon)
        self.assertEqual(pathlib.Path("disk.img").read_bytes(), content)

    def test_clients_are_told_what_the_export_can_do(self):
        self.make_disk(data=b"x" * 65536)
        self.start(disk(), NBD, export(extra=",description=of the test"))
        facts = json.loads(self.succeeds("nbdinfo", "--json", uri()))["exports"][0]
        self.assertEqual(facts["export-size"], 16 * MIB)
        self.assertEqual(facts["export-name"], "disk")
        for able in ("can_cache", "can_df", "can_fast_zero", "can_flush", "can_fua", "can_multi_conn", "can_trim",
                     "can_zero"):
            self.assertTrue(facts[able], able)
        self.assertFalse(facts["is_read_only"])
        self.assertEqual(facts["block_size_minimum"], 1)
        self.assertEqual(facts["block_size_maximum"], 32 * MIB)
        listed = json.loads(self.succeeds("nbdinfo", "--json", "--list", uri("")))["exports"]
        self.assertEqual([(e["export-name"], e["description"]) for e in listed], [("disk", "of the test")])

    def test_holes_are_shown_as_holes(self):
        self.make_disk(data=b"x" * 65536)
        self.start(disk(), NBD, export())
        extents = json.loads(self.succeeds("nbdinfo", "--json", "--map", uri()))
        self.assertEqual([(e["offset"], e["length"], e["type"]) for e in extents],
                         [(0, 65536, 0), (65536, 16 * MIB - 65536, 3)])

    def test_each_export_name_leads_to_its_node(self):
        self.make_disk("one.img", data=b"1" * 512)
        self.make_disk("two.img", data=b"2" * 512)
        self.start(disk("one", "one.img"), disk("two", "two.img"), NBD, export("e1", "one", "first"),
                   export("e2", "two", "second"))
        self.assertEqual(NbdClient(name="first").read(0, 512), (0, b"1" * 512))
        self.assertEqual(NbdClient(name="second").read(0, 512), (0, b"2" * 512))
        with self.assertRaises(OSError):
            NbdClient(name="third")

    def test_a_read_only_export_refuses_writes(self):
        self.make_disk(data=b"x" * 512)
        self.start(disk(), NBD, export(writable="off"))
        client = NbdClient()
        self.assertTrue(client.flags & 2, "the read-only flag")
        self.assertNotEqual(client.write(0, b"y" * 512), 0)
        self.assertEqual(client.read(0, 512), (0, b"x" * 512))

    def test_a_request_beyond_the_end_is_an_error_and_the_connection_goes_on(self):
        self.make_disk(size=MIB, data=b"x" * 512)
        self.start(disk(), NBD, export())
        client = NbdClient()
        self.assertNotEqual(client.read(MIB - 512, 1024)[0], 0)
        self.assertEqual(client.read(0, 512), (0, b"x" * 512))

    def test_an_inet_address_is_served(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.make_disk()
        self.start(disk(), f"--nbd-server=addr.type=inet,addr.host=127.0.0.1,addr.port={port}", export())
        self.assertEqual(self.succeeds("nbdinfo", "--size", f"nbd://127.0.0.1:{port}/disk").strip(), str(16 * MIB))

    def test_connections_beyond_the_limit_are_turned_away(self):
        self.make_disk()
        self.start(disk(), NBD + ",max-connections=1", export())
        first = NbdClient()
        self.assertNotEqual(run("nbdinfo", "--size", uri()).returncode, 0)
        self.assertEqual(first.read(0, 512)[0], 0)

    def test_the_older_nbdkit_is_told_of_in_one_line_and_parallel_overrides_it(self):
        version = self.succeeds("nbdkit", "--dump-config")
        if "version_minor=32\n" not in version:
            self.skipTest("only nbdkit 1.32 has the trap")
        self.make_disk()
        self.stop(self.start(disk(), NBD, export()))
        self.assertEqual(pathlib.Path("daemon.log").read_text().count("served one at a time"), 1)
        self.start(disk(), NBD + ",parallel=on", export())
        self.assertEqual(pathlib.Path("daemon.log").read_text(), "")


if __name__ == "__main__":
    unittest.main()
