# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
# Source this in bash to use what scripts/setup.sh has installed, from any folder:
#   source scripts/environment.sh

molmoact_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

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
  local ros
  export VIRTUAL_ENV="$molmoact_root/.venv"
  export PATH="$VIRTUAL_ENV/bin:$PATH"
  if ros="$(molmoact_ros_setup)"; then
    # ROS's own scripts read variables that are not set.
    case $- in *u*) set +u; local strict=1 ;; esac
    # shellcheck disable=SC1090
    source "$ros"
    [ -f "$molmoact_root/install/setup.bash" ] && source "$molmoact_root/install/setup.bash"
    [ -n "${strict:-}" ] && set -u
  else
    export AMENT_PREFIX_PATH="$VIRTUAL_ENV${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
  fi
  # How MuJoCo draws without a screen, where setup.sh found that its default does not work.
  if [ -z "${MUJOCO_GL:-}" ] && [ -f "$VIRTUAL_ENV/mujoco_gl" ]; then
    MUJOCO_GL="$(cat "$VIRTUAL_ENV/mujoco_gl")"
    export MUJOCO_GL
  fi
  return 0
}

molmoact_use_environment
