// Format "chain" for tests of the graph: an image that holds only the name of its backing file.
#ifndef TESTS_NODE_CHAIN_DRIVER_H
#define TESTS_NODE_CHAIN_DRIVER_H

#include <string>

namespace block {

// Makes the driver known to this process; any number of times.
void register_chain_driver();
// What has to be in the file. An empty name: no backing file.
std::string chain_image(const std::string& backing, const std::string& format = "");

// For tests of errors: how often a "chain" node was closed, and whether closing fails.
extern int chain_closes;
extern bool chain_close_fails;

} // namespace block

#endif
