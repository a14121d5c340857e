# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration of the API pages, also read by rosdoc2.

sphinx-build -W --keep-going docs/api build/api
"""

import sys
import xml.etree.ElementTree as ElementTree
from importlib.util import find_spec
from pathlib import Path

# rosdoc2 executes a copy of this file elsewhere, so the package is searched from where it runs.
_HERE = [Path.cwd(), *Path.cwd().parents]
if "__file__" in globals():
    _HERE = [*Path(__file__).resolve().parents, *_HERE]
_ROOT = next(folder for folder in _HERE if (folder / "molmoact_ros" / "__init__.py").is_file())
sys.path.insert(0, str(_ROOT))

_PACKAGE = ElementTree.parse(_ROOT / "package.xml").getroot()
project = "molmoact_ros"
author = "molmoact_ros contributors"
copyright = f"2026 {author}"  # noqa: A001 - the name that Sphinx reads
release = version = str(_PACKAGE.findtext("version"))

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
# Names and values are documented in the classes' docstrings.
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# `name` in a docstring is code, not a cross-reference.
default_role = "code"
# What is not installed where the pages are built: torch is large, ROS is not needed.
autodoc_mock_imports = [
    name
    for name in ("torch", "transformers", "safetensors", "tokenizers", "mujoco", "rosbags", "cv2")
    if find_spec(name) is None
]

html_theme = "alabaster"
rosdoc2_settings = {
    "enable_autodoc": False,  # it would replace the mocks above
    "enable_intersphinx": False,
    "automatically_extend_intersphinx_mapping": False,
}
# Of the pages that rosdoc2 adds: README with links into the repository, and lists of its own.
suppress_warnings = ["myst.xref_missing", "image.not_readable", "toc.not_included"]
