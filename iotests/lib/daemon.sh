# Starting and stopping dedup-storage-daemon, and the addresses it has then. Source it after common.sh.
# shellcheck shell=bash

uri='nbd+unix:///disk?socket=nbd.sock'
daemon=

# start_daemon FILE [BLOCKDEV-OPTIONS [DAEMON-OPTION...]]: serves FILE as export "disk", with QMP; waits until it answers.
start_daemon() {
  local file=$1 options=${2:+,$2}
  shift $(($# < 2 ? $# : 2))
  rm -f nbd.sock qmp.sock
  dedup-storage-daemon \
    --blockdev "driver=qcow2,node-name=disk,file.driver=file,file.filename=$file$options" \
    --nbd-server addr.type=unix,addr.path=nbd.sock \
    --export type=nbd,id=disk,node-name=disk,name=disk,writable=on \
    --chardev socket,path=qmp.sock,server=on,wait=off,id=qmp \
    --monitor chardev=qmp "$@" >daemon.log 2>&1 &
  daemon=$!
  at_exit "kill -9 $daemon 2>/dev/null || :"
  local tries
  for tries in {1..600}; do
    if [ -S qmp.sock ] && nbdinfo --size "$uri" >/dev/null 2>&1; then return; fi
    kill -0 "$daemon" 2>/dev/null || fail "the daemon ended: $(cat daemon.log)"
    sleep 0.05
  done
  fail "the daemon does not answer after $tries tries: $(cat daemon.log)"
}

# end_of_daemon: waits for its end and prints its exit status.
end_of_daemon() {
  local status=0
  wait "$daemon" || status=$?
  echo "daemon: exit status $status"
}

# stop_daemon: asks over QMP; it must close the image and exit with status 0.
stop_daemon() {
  quiet qmp qmp.sock quit
  local status=0
  wait "$daemon" || status=$?
  [ "$status" -eq 0 ] || fail "the daemon ended with status $status: $(cat daemon.log)"
}

# dedup_figure NAME: one number of query-dedup.
dedup_figure() {
  qmp qmp.sock query-dedup '{"device": "disk"}' | python3 -c '
import json, sys
print(json.load(sys.stdin)[0]["dedup"][sys.argv[1]])' "$1"
}
