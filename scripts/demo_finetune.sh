#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
# From a changed cell to a checkpoint that works there: sets everything up, measures, records,
# trains, measures again. Stopped, it goes on where it was; see --help.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh" --no-tests --own-robot
source "$root/scripts/environment.sh"
cd "$root"
exec python -m benchmarks.finetune "$@"
