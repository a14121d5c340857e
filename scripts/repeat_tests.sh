#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/repeat_tests.sh [--times N] [--burners K] [--state DIR] [ARGUMENTS OF PYTEST]

Runs all of pytest several times and reports each run's time and failures: a test that fails now
and then is found before somebody else finds it. scripts/setup.sh must have been run.

  --times N     runs (5)
  --burners K   processes that compute beside them, so that the tests get less of the cores (0)
  --state DIR   folder for a log per run (/tmp/molmoact_ros_repeat_tests). Another call with the
                same folder goes on where this one was interrupted; runs with and without burners
                are counted apart. It is refused when the code has changed meanwhile.

Exit code: 0 when every run has passed. It takes long; in the background:
  nohup scripts/repeat_tests.sh --times 3 --burners 4 > repeat.log &
TEXT
}

fail() { echo "error: $*" >&2; exit 2; }

times=5
burners=0
state="${TMPDIR:-/tmp}/molmoact_ros_repeat_tests"
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --times | --burners | --state)
      [ $# -ge 2 ] || fail "$1 needs a value; see --help"
      declare "${1#--}=$2"
      shift
      ;;
    *) break ;;
  esac
  shift
done
[[ "$times" =~ ^[1-9][0-9]*$ ]] || fail "--times is a number of 1 or more, not '$times'"
[[ "$burners" =~ ^[0-9]+$ ]] || fail "--burners is a number of 0 or more, not '$burners'"

mkdir -p "$state" || exit 2
state="$(cd "$state" && pwd)"
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
source scripts/environment.sh
python3 -c "import pytest, rclpy" 2>/dev/null || fail "run scripts/setup.sh first"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# What is tested: the commit, what differs from it, and the chosen tests.
code="$({ git rev-parse HEAD; git diff HEAD; echo "$*"; } | sha256sum)"
[ ! -f "$state/code" ] || [ "$(cat "$state/code")" = "$code" ] ||
  fail "$state is of other code or other tests: remove it, or choose another --state"
echo "$code" >"$state/code"

pids=()
stop_burners() { [ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null; }
trap stop_burners EXIT
trap 'exit 130' INT TERM
for ((i = 0; i < burners; i++)); do
  python3 -c "while True: pass" &
  pids+=($!)
done

failed=0
for ((run = 1; run <= times; run++)); do
  log="$state/burners_${burners}_run_$run"
  if [ ! -f "$log.result" ]; then
    start=$SECONDS
    python3 -m pytest -q --durations=10 "$@" >"$log.log" 2>&1
    echo "exit code $?, $((SECONDS - start)) s" >"$log.result"
  fi
  echo "run $run, $burners burners: $(cat "$log.result"): $(tail -n 1 "$log.log")"
  grep -q "^exit code 0," "$log.result" && continue
  failed=$((failed + 1))
  grep -E "^(FAILED|ERROR) " "$log.log" | sed 's/^/  /'
done
echo "$((times - failed)) of $times runs have passed; logs: $state"
[ "$failed" -eq 0 ]
