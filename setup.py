# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Install by pip: the same CMakeLists.txt, run into a staging prefix and packed as a wheel.

For a virtual environment with ROS 2 from PyPI wheels; on a ROS machine use colcon, which reads
package.xml and ignores this file:

    pip install --no-build-isolation --no-deps .
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build import build

SOURCE = Path(__file__).resolve().parent
PYTHON_DIRECTORY = "python"  # inside the staging prefix


class CMakeDistribution(Distribution):
    """A distribution with compiled modules, although setuptools does not compile them."""

    def has_ext_modules(self) -> bool:
        """Make the wheel specific to this Python and platform."""
        return True


class CMakeBuild(build):
    """Build with CMake, install into a staging prefix, hand its files to setuptools."""

    def run(self) -> None:
        """Run the build."""
        super().run()
        # One folder for each environment: CMake remembers where it has found what.
        work = Path(self.build_base).resolve() / "cmake" / Path(sys.prefix).name
        stage = work / "stage"
        package = Path(self.build_lib) / "molmoact_ros"
        for stale in (stage, package):
            shutil.rmtree(stale, ignore_errors=True)
        self._run_cmake(work / "build", stage)
        shutil.copytree(
            stage / PYTHON_DIRECTORY / "molmoact_ros",
            package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self.distribution.data_files = [
            (str(folder.relative_to(stage)), [str(f) for f in folder.iterdir() if f.is_file()])
            for top in ("lib", "share", "include")
            for folder in [stage / top, *(stage / top).rglob("*")]
            if folder.is_dir() and any(f.is_file() for f in folder.iterdir())
        ]

    def _run_cmake(self, build_directory: Path, stage: Path) -> None:
        environment = dict(os.environ)
        # ament finds packages by this variable; in a virtual environment they are in its prefix.
        environment["AMENT_PREFIX_PATH"] = os.pathsep.join(
            filter(None, [sys.prefix, environment.get("AMENT_PREFIX_PATH")])
        )
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        configure = [
            "cmake", "-S", str(SOURCE), "-B", str(build_directory), *generator,
            "-DCMAKE_BUILD_TYPE=Release",
            "-DBUILD_TESTING=OFF",
            f"-DCMAKE_INSTALL_PREFIX={stage}",
            f"-DCMAKE_PREFIX_PATH={sys.prefix}",
            f"-DPython3_EXECUTABLE={sys.executable}",
            f"-DPython3_INCLUDE_DIR={sysconfig.get_path('include')}",
            f"-DPYTHON_INSTALL_DIR={PYTHON_DIRECTORY}",
        ]  # fmt: skip
        subprocess.run(configure, check=True, env=environment)
        command = ["cmake", "--build", str(build_directory), "--target", "install", "--parallel"]
        subprocess.run(command, check=True, env=environment)


setup(
    name="molmoact_ros",
    version=ElementTree.parse(SOURCE / "package.xml").findtext("version"),
    description="MolmoAct on a real robot, over ROS 2",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[],
    py_modules=[],
    entry_points={
        "console_scripts": [
            "molmoact-dataset = molmoact_ros.cli.dataset:main",
            "molmoact-demo = molmoact_ros.demo.__main__:main",
            "molmoact-evaluate = molmoact_ros.cli.evaluate:main",
            "molmoact-finetune = molmoact_ros.cli.finetune:main",
            "molmoact-inspect = molmoact_ros.cli.inspect:main",
            "molmoact-predict = molmoact_ros.cli.predict:main",
            "molmoact-record = molmoact_ros.cli.record:main",
            "molmoact-replay = molmoact_ros.cli.replay:main",
            "molmoact-serve = molmoact_ros.cli.serve:main",
            "molmoact-selfcheck = molmoact_ros.cli.selfcheck:main",
        ]
    },
    extras_require={
        "replay": ["rosbags>=0.11,<0.12"],
        "selfcheck": ["matplotlib"],
        "console": ["nicegui>=3.18,<4"],
        "remote": ["msgpack>=1.0.5,<2", "websockets>=15,<18"],
        "serve": ["ray[serve]>=2.59,<3"],
        "dataset": [
            "rosbags>=0.11,<0.12",
            "pyarrow>=15",
            "av>=14,<18",
            "matplotlib>=3.8,<4",
        ],
        "finetune": [
            "peft>=0.17,<1",
            "pyarrow>=15",
            "av>=14,<18",
            "matplotlib>=3.8,<4",
        ],
    },
    distclass=CMakeDistribution,
    cmdclass={"build": CMakeBuild},
)
