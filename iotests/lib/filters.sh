# Filters that take out of the programs' output what differs from run to run.
# shellcheck shell=bash

# filter: times and rates of dedup-io, sizes on disk, phrases of an error that say the same twice.
filter() {
  sed -E \
    -e 's#([0-9]+ ops); [0-9:.]+( sec)? \([^)]*\)#\1; TIME (RATE)#' \
    -e 's#^disk size: .*#disk size: SIZE#' \
    -e 's#"actual-size": [0-9]+#"actual-size": SIZE#' \
    -e "s#((Could not open '[^']*': )|(Could not open backing file: ))\\1+#\\1#" \
    -e "s#${SCRATCH:-/nowhere}#SCRATCH#g" |
    filter_child_nodes
}

# filter_child_nodes: newer QEMU adds blocks about child nodes to info.
filter_child_nodes() {
  awk '/^Child node/ { inside = 1 } inside && !/^(Child node| )/ { inside = 0 } !inside'
}
