# Words in which the tests are written. Source it first: . "$IOTESTS_LIB/common.sh"
# shellcheck shell=bash
set -euo pipefail

. "$IOTESTS_LIB/filters.sh"

# skip REASON: ends the test; it counts as skipped.
skip() {
  echo "$*"
  exit 77
}

# fail WHAT: ends the test; it counts as failed.
fail() {
  echo "FAILED: $*"
  exit 1
}

# section TITLE: a heading in the output.
section() {
  echo
  echo "== $* =="
}

# at_exit COMMAND...: registers clean-up before it is needed; the last registered runs first.
at_exit_commands=:
at_exit() {
  at_exit_commands="$*; $at_exit_commands"
}
trap 'eval "$at_exit_commands"' EXIT

# needs PROGRAM...: skips where one of other projects' programs is not installed.
needs() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || skip "$program is not installed"
  done
}

# without_sanitizer WHY: skips in a sanitizer build.
without_sanitizer() {
  [ "$IOTESTS_SANITIZER" = none ] || skip "not under a sanitizer: $*"
}

# run COMMAND...: prints the command, its filtered output, and its exit status if it is not 0. Never fails itself.
run() {
  local word line='$' status=0
  for word in "$@"; do
    case $word in
    *[!A-Za-z0-9_.,:/=+@%-]* | '') line+=" '$word'" ;;
    *) line+=" $word" ;;
    esac
  done
  echo "$line"
  "$@" >run.log 2>&1 || status=$?
  filter <run.log
  rm -f run.log
  [ "$status" -eq 0 ] || echo "exit status $status"
}

# quiet COMMAND...: runs it; only a failure shows its output, and ends the test.
quiet() {
  local status=0
  "$@" >quiet.log 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    filter <quiet.log
    fail "exit status $status of: $*"
  fi
  rm -f quiet.log
}

# refused COMMAND...: must end with status 1 and a message under the program's own name, whatever its words.
refused() {
  local status=0
  "$@" >refused.log 2>&1 || status=$?
  [ "$status" -eq 1 ] || fail "status $status, not 1, of: $* ($(cat refused.log))"
  grep -q "^$1: " refused.log || fail "no message that begins with '$1: ' from: $* ($(cat refused.log))"
  rm -f refused.log
  echo "refused: $*"
}

# status_of COMMAND...: prints only the exit status.
status_of() {
  local status=0
  "$@" >/dev/null 2>&1 || status=$?
  echo "status $status: $*"
}

# expect_equal WHAT ACTUAL EXPECTED
expect_equal() {
  [ "$2" = "$3" ] || fail "$1 is $2, not $3"
}

# expect_at_most WHAT ACTUAL BOUND (whole numbers)
expect_at_most() {
  [ "$2" -le "$3" ] || fail "$1 is $2, more than $3"
}

image() { python3 "$IOTESTS_LIB/image.py" "$@"; }
qmp() { python3 "$IOTESTS_LIB/qmp.py" "$@"; }

# stock_check FILE: stock qemu-img check must find nothing but the dedup table's own clusters, which it calls leaks.
stock_check() {
  python3 "$IOTESTS_LIB/stock_check.py" "$@" || fail "stock qemu-img check does not like $1"
}

# make_file_system IMAGE SIZE DIRECTORY...: a raw ext4 image with the files of the directories.
make_file_system() {
  local image=$1 size=$2 directory
  shift 2
  mkdir -p fs-root
  for directory in "$@"; do
    cp -a --parents "$directory" fs-root 2>/dev/null || :
  done
  quiet mke2fs -q -F -t ext4 -d fs-root "$image" "$size"
  rm -rf fs-root
}

# sharing FILE [count]: which guest clusters share host clusters; fails on wrong refcounts or COPIED flags.
sharing() {
  python3 "$IOTESTS_LIB/sharing.py" "$@" || fail "refcounts or COPIED flags of $1 are wrong"
}

# pattern_file FILE SIZE SEED: SIZE bytes of unique data that depend on SEED alone.
pattern_file() {
  python3 -c '
import random, sys
size, generator = int(sys.argv[2]), random.Random(int(sys.argv[3]))
with open(sys.argv[1], "wb") as out:
    for done in range(0, size, 1 << 20):
        out.write(generator.randbytes(min(1 << 20, size - done)))' "$@"
}
