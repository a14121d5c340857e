#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/test.sh [--fast | --all] [--no-jazzy] [--help] [ARGUMENTS OF PYTEST]

Sets everything up (scripts/setup.sh --help) and runs
  ruff     style, docstrings, syntax of Python 3.10
  mypy     types
  pytest   all tests, on the machine's ROS or, without one, on the wheels of ROS 2 Kilted
  jazzy    on the wheels of ROS 2 Jazzy: the build, messages, parameters, the life cycle, policy,
           executor, and both with the simulator in closed loop; not on a machine with ROS

  --no-jazzy   leave the last one out
  --all        long drills as well (tests marked 'long'); installs all of lerobot beside it, some GB
  --fast       for the daily loop, about a minute: nothing is set up or built; ruff, the layers of
               imports, mypy, and the tests that start no process and run no shipped checkpoint.
               What was left out is listed at the end. Same as pytest: python -m pytest --fast
With arguments of pytest only the chosen tests run, and only once:
  scripts/test.sh test/control -k limits
  MOLMOACT_ROS_DISTRO=jazzy scripts/test.sh test/policy_node
TEXT
}

jazzy_tests=(
  test/package/test_package.py
  test/ros/test_bounded_service.py
  test/ros/test_conversions.py
  test/ros/test_parameters.py
  test/executor_node/test_lifecycle.py
  test/executor_node/test_requests.py
  test/policy_node/test_lifecycle.py::test_the_states_in_their_order
  test/policy_node/test_node.py
  test/integration/test_graph.py
)
jazzy=1
fast="" all=""
marked=()
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) usage; exit 0 ;;
    --no-jazzy) jazzy="" ;;
    --fast) fast=1 jazzy="" marked=(--fast) ;;
    --all) all=1 marked=(-m "long or not long") ;;
    *) break ;;
  esac
  shift
done
[ $# -eq 0 ] || jazzy=""
distro="${MOLMOACT_ROS_DISTRO:-kilted}"

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root" || exit 1
if [ -n "$fast" ]; then
  (source scripts/environment.sh && python3 -c "import pytest, rclpy" 2>/dev/null) ||
    { echo "error: run scripts/setup.sh first" >&2; exit 1; }
else
  ./scripts/setup.sh || exit 1
fi
# All of lerobot wants an older torch than this package: some GB in an environment of its own.
if [ -n "$all" ] && [ ! -f .venv-lerobot/.done ]; then
  .venv/bin/python -m venv .venv-lerobot &&
    .venv-lerobot/bin/python -m pip install -q -q -r scripts/requirements/lerobot-all.txt &&
    touch .venv-lerobot/.done || { echo "error: lerobot was not installed, see above" >&2; exit 1; }
fi
# The tests run nodes and torch side by side on few cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

# Runs a command in the environment of a distribution, which ends with it.
on() (
  export MOLMOACT_ROS_DISTRO="$1"
  shift
  source scripts/environment.sh
  "$@"
)

test_jazzy() {
  MOLMOACT_ROS_DISTRO=jazzy ./scripts/setup.sh && on jazzy python3 -m pytest "${jazzy_tests[@]}"
}

failed=()
check() {
  local name="$1"
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}
check ruff on kilted ruff check .
[ -z "$fast" ] || check layers on kilted lint-imports --no-cache
check mypy on kilted mypy
check pytest on "$distro" python3 -m pytest "${marked[@]}" "$@"
if [ -n "$jazzy" ] && (source scripts/environment.sh && molmoact_ros_setup >/dev/null); then
  echo "== jazzy: left out, the tests have run on this machine's ROS"
elif [ -n "$jazzy" ]; then
  check jazzy test_jazzy
fi

if [ "${#failed[@]}" -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all checks passed"
