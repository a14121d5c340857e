#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Sets everything up and runs the demonstration; see --help.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh" --no-tests
source "$root/scripts/environment.sh"
exec molmoact-demo "$@"
