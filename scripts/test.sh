#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Sets everything up and runs all checks and tests. Arguments go to pytest:
#   scripts/test.sh test/control -k fuzz
set -uo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh" || exit 1
source "$root/scripts/environment.sh"
cd "$root" || exit 1
# The tests run nodes and torch side by side on few cores.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

failed=()
check() {
  local name="$1"
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}
check ruff ruff check .
check mypy mypy
check pytest python3 -m pytest "$@"

if [ "${#failed[@]}" -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all checks passed"
