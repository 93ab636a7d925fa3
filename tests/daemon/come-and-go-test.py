"""Nodes and exports come and go from several sides at once, with clients on them, while others work undisturbed.

STRESS_SECONDS makes it last longer; STRESS_SEED repeats the choices.
"""
import os
import pathlib
import random
import threading
import time
import unittest

from lib.daemon_test import BUILD, NBD, QMP, DaemonTest, Monitor, export
from lib.nbd_client import NbdClient
from lib.qmp import QmpError

SECONDS = int(os.environ.get("STRESS_SECONDS", "3"))
SEED = int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 32)))
CLUSTER = 4096
CLUSTERS = 256


def content(number):
    """What a cluster holds: few different contents, so that they are shared."""
    return random.Random(number % 16).randbytes(CLUSTER)


class ComeAndGo(DaemonTest):
    def make_image(self, name):
        self.succeeds(BUILD / "bin" / "dedup-img", "create", "-q", "-f", "qcow2", "-o",
                      "dedup=sha256,cluster_size=4096", name, str(CLUSTERS * CLUSTER))

    def eventually(self, monitor, command, arguments):
        """A command that is refused as long as somebody still uses what it is to remove."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return monitor.execute(command, arguments)
            except QmpError as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{command} {arguments} is still refused: {error}") from error
                time.sleep(0.005)

    def add(self, monitor, name):
        monitor.execute("blockdev-add", {"driver": "qcow2", "node-name": name,
                                         "file": {"driver": "file", "filename": name + ".qcow2"}})

    def attend(self, name, seed):
        """An image of its own, again and again: added, exported, written, read, paused, removed in one way or another."""
        generator, monitor, model = random.Random(seed), Monitor(), [None] * CLUSTERS
        while time.monotonic() < self.deadline:
            self.add(monitor, name)
            monitor.execute("block-export-add", {"type": "nbd", "id": name, "node-name": name, "name": name,
                                                 "writable": True})
            client = NbdClient(name=name)
            for _ in range(generator.randrange(30)):
                cluster, number = generator.randrange(CLUSTERS), generator.randrange(64)
                if generator.random() < 0.6:
                    self.assertEqual(client.write(cluster * CLUSTER, content(number)), 0)
                    model[cluster] = number
                elif generator.random() < 0.2:
                    verb = generator.choice(("block-pause-dedup", "block-resume-dedup", "query-dedup"))
                    monitor.execute(verb, {"device": name})
                else:
                    expected = bytes(CLUSTER) if model[cluster] is None else content(model[cluster])
                    self.assertEqual(client.read(cluster * CLUSTER, CLUSTER), (0, expected), f"seed {SEED}")
            if generator.random() < 0.5:  # with reads in flight, whose answers nobody takes
                for _ in range(16):
                    client.send(NbdClient.READ, 0, 64 * CLUSTER)
            if generator.random() < 0.5:
                client.close()
                self.eventually(monitor, "block-export-del", {"id": name})
            else:
                monitor.execute("block-export-del", {"id": name, "mode": "hard"})
                client.close()
            self.eventually(monitor, "blockdev-del", {"node-name": name})
            self.turns += 1

    def quarrel(self, seed):
        """Two do this with the same names: every command succeeds or is refused, and none gets stuck."""
        generator, monitor = random.Random(seed), Monitor()
        commands = (("blockdev-add", {"driver": "qcow2", "node-name": "common",
                                      "file": {"driver": "file", "filename": "common.qcow2"}}),
                    ("blockdev-del", {"node-name": "common"}),
                    ("block-export-add", {"type": "nbd", "id": "common", "node-name": "common", "name": "common"}),
                    ("block-export-del", {"id": "common", "mode": "hard"}),
                    ("query-named-block-nodes", {}), ("query-block-exports", {}), ("query-blockstats", {}),
                    ("query-dedup", {}))
        while time.monotonic() < self.deadline:
            try:
                monitor.execute(*generator.choice(commands))
            except QmpError:
                self.refusals += 1
            if generator.random() < 0.2:
                try:
                    NbdClient(name="common").read(0, CLUSTER)
                except OSError:
                    pass  # there is no such export just now
                except EOFError:
                    pass  # it went while this client came

    def work(self, seed):
        """A client of an export that stays: nothing of all that reaches it."""
        generator, client, model = random.Random(seed), NbdClient(name="steady"), {}
        while time.monotonic() < self.deadline:
            cluster, number = generator.randrange(CLUSTERS), generator.randrange(64)
            self.assertEqual(client.write(cluster * CLUSTER, content(number)), 0)
            model[cluster] = number
            cluster = generator.choice(list(model))
            self.assertEqual(client.read(cluster * CLUSTER, CLUSTER), (0, content(model[cluster])), f"seed {SEED}")
            self.requests += 2

    def guarded(self, function, *arguments):
        try:
            function(*arguments)
        except BaseException as error:  # a thread cannot fail a test
            self.failures.append(f"{function.__name__}{arguments}: {error!r}")
            self.deadline = 0

    def test_nodes_and_exports_come_and_go_while_clients_work(self):
        print(f"STRESS_SEED={SEED}")
        for name in ("steady", "common", "one", "two", "three"):
            self.make_image(name + ".qcow2")
        daemon = self.start("--blockdev=driver=qcow2,node-name=steady,file.driver=file,file.filename=steady.qcow2", NBD,
                            export("steady", "steady", "steady"), *QMP)
        self.deadline = time.monotonic() + SECONDS
        self.failures, self.turns, self.refusals, self.requests = [], 0, 0, 0
        work = [(self.attend, "one", SEED), (self.attend, "two", SEED + 1), (self.attend, "three", SEED + 2),
                (self.quarrel, SEED + 3), (self.quarrel, SEED + 4), (self.work, SEED + 5)]
        threads = [threading.Thread(target=self.guarded, args=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 90)
            self.assertFalse(thread.is_alive(), "somebody waits for ever: " + repr(self.failures))
        self.assertEqual(self.failures, [])
        monitor = Monitor()
        for command, arguments in (("block-export-del", {"id": "common", "mode": "hard"}),
                                   ("blockdev-del", {"node-name": "common"})):
            try:
                monitor.execute(command, arguments)
            except QmpError:
                pass  # whoever quarrelled last may have removed it
        nodes = [node["node-name"] for node in monitor.command("query-named-block-nodes")]
        self.assertEqual([name for name in nodes if not name.startswith("#")], ["steady"])
        self.assertEqual([each["id"] for each in monitor.command("query-block-exports")], ["steady"])
        open_files = [os.path.realpath(path) for path in pathlib.Path(f"/proc/{daemon.pid}/fd").iterdir()]
        self.assertEqual([path for path in open_files if path.endswith(".qcow2") and "steady" not in path], [])
        print(f"{self.turns} comings and goings, {self.refusals} commands refused, {self.requests} requests beside them")
        self.assertGreater(self.turns, 3)
        self.stop(daemon)
        for name in ("steady", "common", "one", "two", "three"):
            self.succeeds(BUILD / "bin" / "dedup-img", "check", "-f", "qcow2", name + ".qcow2")


if __name__ == "__main__":
    unittest.main()
