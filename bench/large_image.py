"""Forges qcow2 images with many allocated clusters that all have a hash. This takes seconds, as the data is a hole."""
import array
import hashlib
import os
import random
import struct

from lib.image import ENTRIES, ENTRY_BYTES, HASH_BLOCK, Image
from measure import run

COPIED = 1 << 63
HASH_BYTES = 32
AT_ONCE = 1 << 17  # table entries per write


def align(offset, alignment):
    return -(-offset // alignment) * alignment


def big_endian(numbers):
    packed = array.array("Q", numbers)
    packed.byteswap()
    return packed.tobytes()


def write_numbers(image, place, numbers):
    """Writes big-endian words of 64 bits. `numbers` is a range or a Shuffled."""
    for begin in range(0, len(numbers), AT_ONCE):
        image.write(place + 8 * begin, big_endian(numbers[begin:begin + AT_ONCE]))


class Shuffled:
    """The numbers of a range in an order without adjacent neighbours. Their count must be a power of two."""

    def __init__(self, numbers, inverse=False):
        assert len(numbers) & (len(numbers) - 1) == 0
        self.numbers, self.mask = numbers, len(numbers) - 1
        stride = int(len(numbers) * 0.618) | 1
        self.stride = pow(stride, -1, len(numbers)) if inverse else stride

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, piece):
        start, step, stride, mask = self.numbers.start, self.numbers.step, self.stride, self.mask
        return [start + (i * stride & mask) * step for i in range(*piece.indices(len(self)))]


def make_image(dedup_img, path, cluster_size, size, allocated, refcounts=True, known_every=None, shuffled=False):
    """Makes an image of `size` bytes whose first `allocated` bytes are stored, without sharing. Returns the number of clusters.

    Every hash is different and random. `allocated` must be a multiple of what an L2 table maps, and clusters must not be
    larger than hash blocks. Without `refcounts` the refcounts are wrong, as those of a crashed image. With `known_every`
    only every known_every-th cluster has a hash, that of numbered_content(1), (2) and so on. The index then loads
    quickly, and duplicates of these contents can be written. With `shuffled` the host clusters are in random order, as
    after random writes; their number must be a power of two.
    """
    run(dedup_img, "create", "-q", "-f", "qcow2", "-o", f"dedup=sha256,cluster_size={cluster_size}", path, size)
    image = Image(path, writable=True)
    cluster = image.cluster_size
    clusters = allocated // cluster
    old_end = align(os.stat(path).st_size, cluster)
    old_counts = [image.get("refcount_table_offset")]
    old_counts.append(image.number(old_counts[0], 8))

    per_table = cluster // 8
    l2_place = old_end
    data_place = l2_place + clusters // per_table * cluster
    data_end = data_place + allocated
    write_numbers(image, image.get("l1_table_offset"), range(COPIED + l2_place, COPIED + data_place, cluster))
    entries = range(COPIED + data_place, COPIED + data_end, cluster)
    owners = range(0, allocated, cluster)
    write_numbers(image, l2_place, Shuffled(entries) if shuffled else entries)
    table_end = write_dedup_table(image, data_place // cluster, data_end // cluster, known_every,
                                  Shuffled(owners, inverse=True) if shuffled else owners)
    if refcounts:
        write_refcounts(image, table_end, old_counts)
    image.record_tables()
    return clusters


def numbered_content(number, cluster_size):
    """Returns the number as 64 bits little-endian, followed by zeros. write-bench generates the same content."""
    return struct.pack("<Q", number).ljust(cluster_size, b"\0")


def random_entries(generator, owners):
    """Returns table entries of clusters with these owners and random hashes."""
    entries = bytearray(generator.randbytes(len(owners) * ENTRY_BYTES))
    owners = big_endian(owners)
    for byte in range(8):
        entries[HASH_BYTES + byte::ENTRY_BYTES] = owners[byte::8]
    return entries


def known_entries(every, first, count, cluster_size):
    """Returns the same with the hashes of known contents for some clusters, and without a hash for the others."""
    entries = bytearray(count * ENTRY_BYTES)
    for guest in range(align(first, every), first + count, every):
        digest = hashlib.sha256(numbered_content(guest // every + 1, cluster_size)).digest()
        place = (guest - first) * ENTRY_BYTES
        entries[place:place + ENTRY_BYTES] = digest + struct.pack(">Q", guest * cluster_size)
    return entries


def write_dedup_table(image, first_cluster, end_cluster, known_every, owners):
    """Writes the table of these host clusters after them. Returns its end, rounded up to a cluster."""
    generator, cluster = random.Random(1), image.cluster_size
    first_block, end_block = first_cluster // ENTRIES, -(-end_cluster // ENTRIES)
    table = end_cluster * cluster
    blocks = align(table + 8 * end_block, cluster)
    write_numbers(image, table + 8 * first_block, range(blocks, blocks + (end_block - first_block) * HASH_BLOCK, HASH_BLOCK))
    for index in range(first_block, end_block):
        begin, end = max(first_cluster, index * ENTRIES), min(end_cluster, (index + 1) * ENTRIES)
        first, count = begin - first_cluster, end - begin
        if known_every:
            entries = known_entries(known_every, first, count, cluster)
        else:
            entries = random_entries(generator, owners[first:first + count])
        block = bytes((begin - index * ENTRIES) * ENTRY_BYTES) + entries
        image.write(blocks + (index - first_block) * HASH_BLOCK, block.ljust(HASH_BLOCK, b"\0"))
    image.place_dedup_table(table, end_block)
    return align(blocks + (end_block - first_block) * HASH_BLOCK, cluster)


def write_refcounts(image, place, unused):
    """Writes refcounts of 1 for all clusters before `place` and for the refcount structures, and 0 at the offsets `unused`."""
    cluster = image.cluster_size
    per_block = cluster // 2
    counted, blocks, table_clusters = place // cluster, 0, 0
    while counted + blocks + table_clusters > blocks * per_block:
        blocks = -(-(counted + blocks + table_clusters) // per_block)
        table_clusters = -(-8 * blocks // cluster)
    total = counted + blocks + table_clusters
    first_block = place + table_clusters * cluster
    write_numbers(image, place, range(first_block, first_block + blocks * cluster, cluster))
    image.write(place + 8 * blocks, bytes(table_clusters * cluster - 8 * blocks))
    full = struct.pack(">H", 1) * per_block
    for index in range(blocks):
        counts = full[:2 * min(per_block, total - index * per_block)]
        image.write(first_block + index * cluster, counts.ljust(cluster, b"\0"))
    for offset in unused:
        image.write(first_block + offset // cluster * 2, bytes(2))
    image.set("refcount_table_offset", place)
    image.set("refcount_table_clusters", table_clusters)
