# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Source this in bash to use what scripts/setup.sh has installed, from any folder:
#   source scripts/environment.sh
# MOLMOACT_ROS_DISTRO=jazzy takes the Jazzy wheels of scripts/test.sh instead of the Kilted ones.

molmoact_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# The virtual environment with a distribution's wheels.
molmoact_venv() {
  case "$1" in
    kilted) echo "$molmoact_root/.venv" ;;
    *) echo "$molmoact_root/.venv-$1" ;;
  esac
}

# Find ROS: the one that is sourced, else the newest one in /opt/ros. MOLMOACT_WHEELS=1: ignore it.
molmoact_ros_setup() {
  [ -z "${MOLMOACT_WHEELS:-}" ] || return 1
  if [ -n "${ROS_DISTRO:-}" ] && [ -f "/opt/ros/$ROS_DISTRO/setup.bash" ]; then
    echo "/opt/ros/$ROS_DISTRO/setup.bash"
    return 0
  fi
  local found
  found="$(ls -1 /opt/ros/*/setup.bash 2>/dev/null | sort | tail -n 1)"
  [ -n "$found" ] && echo "$found"
}

molmoact_use_environment() {
  local ros others distro="${MOLMOACT_ROS_DISTRO:-kilted}"
  VIRTUAL_ENV="$(molmoact_venv "$distro")"
  export VIRTUAL_ENV PATH="$VIRTUAL_ENV/bin:$PATH"
  if ros="$(molmoact_ros_setup)"; then
    # ROS's own scripts read variables that are not set.
    case $- in *u*) set +u; local strict=1 ;; esac
    # shellcheck disable=SC1090
    source "$ros"
    [ -f "$molmoact_root/install/setup.bash" ] && source "$molmoact_root/install/setup.bash"
    [ -n "${strict:-}" ] && set -u
  else
    # Two distributions in one path do not go together, and the wheels do not name their own.
    others="$(tr ':' '\n' <<<"${AMENT_PREFIX_PATH:-}" | grep -v "^$molmoact_root/\.venv" |
      paste -sd : || true)"
    export AMENT_PREFIX_PATH="$VIRTUAL_ENV${others:+:$others}"
    export ROS_DISTRO="$distro"
  fi
  # How MuJoCo draws without a screen, where setup.sh found that its default does not work.
  if [ -z "${MUJOCO_GL:-}" ] && [ -f "$VIRTUAL_ENV/mujoco_gl" ]; then
    MUJOCO_GL="$(cat "$VIRTUAL_ENV/mujoco_gl")"
    export MUJOCO_GL
  fi
  return 0
}

molmoact_use_environment
