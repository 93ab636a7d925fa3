// The list of all deduplication counters. DedupInfo, the counters of the engine and QMP's figures
// are made from it. qapi/gen/member_list.py reads it, too.
#ifndef BLOCK_DEDUP_COUNTER_LIST_H
#define BLOCK_DEDUP_COUNTER_LIST_H

// Calls COUNTER(name, documentation) for each counter. A counter counts from the open of the image
// on. docs/user/counters.md states when each one increases; a style test compares it with this
// list.
#define BLOCK_DEDUP_COUNTERS(COUNTER)                                                              \
  COUNTER(written_bytes, "guest bytes that writes covered")                                        \
  COUNTER(file_written_bytes, "bytes of data clusters written to the file")                        \
  COUNTER(deduplicated_clusters, "clusters that a write linked to existing content")               \
  COUNTER(undeduplicated_clusters, "clusters that a write stored as new content")                  \
  COUNTER(zero_clusters, "clusters that a write of zeros turned into zero mappings")               \
  COUNTER(missing_data_reads, "reads for the rest of a cluster that a write covered in part")      \
  COUNTER(hashes_created, "hashes entered in the index")                                           \
  COUNTER(hashes_removed, "hashes removed from the index")                                         \
  COUNTER(deleted_clusters, "data clusters that lost their last owner")                            \
  COUNTER(refcount_overflows,                                                                      \
          "duplicates stored again because the refcount threshold was reached")                    \
  COUNTER(verify_reads, "clusters read to confirm a match")                                        \
  COUNTER(verify_mismatches, "matches of hashes whose bytes differed")                             \
  COUNTER(cache_hits, "blocks of the dedup table found in the cache")                              \
  COUNTER(cache_misses, "blocks of the dedup table read from the file")                            \
  COUNTER(scanned_clusters, "clusters that the scan read and hashed")                              \
  COUNTER(scan_deduplicated_clusters,                                                              \
          "scanned clusters that became references to content stored elsewhere, or zeros")

#endif
