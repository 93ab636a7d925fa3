"""write-bench as an object: images that are open in one process, into which it writes unique data on request."""
import subprocess
import sys


class Writer:
    """Starts `build`/bench/write-bench and waits until all indexes are loaded. `images`: node options, see write-bench.cc."""

    def __init__(self, build, images):
        program = build / "bench" / "write-bench"
        if not program.exists():
            sys.exit(f"{program} is missing: ninja -C {build} bench/write-bench")
        self.process = subprocess.Popen([program, *images], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.resident()

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            sys.exit(f"write-bench ended with status {self.process.wait()}")
        return answer

    def write(self, image, offset, size, request, order="sequential", threads=1):
        """Returns (seconds of the writes, seconds of the flush after them)."""
        writes, flush = self.ask("write", image, offset, size, request, order, threads)
        return float(writes), float(flush)

    def load(self, *words):
        """Runs a load of write-bench. Returns (seconds of the requests, seconds of the flush after them)."""
        requests, flush = self.ask(*words)
        return float(requests), float(flush)

    def facts(self, image):
        """Returns (entries of the index, its bytes, bytes of the dedup block cache, deduplicated clusters)."""
        return tuple(map(int, self.ask("facts", image)))

    def resident(self):
        return int(self.ask("resident")[0])

    def close(self):
        self.process.stdin.close()
        if self.process.wait():
            sys.exit("write-bench failed to close its images")


def node(path, driver="qcow2"):
    return f"driver={driver},file.driver=file,file.filename={path}"
