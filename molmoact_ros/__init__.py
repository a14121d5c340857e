# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""MolmoAct on a real robot: from camera images to safe commands, over ROS 2."""

import logging
from pkgutil import extend_path

# The generated messages live in the installed package of the same name; a source checkout that
# comes first on sys.path must still find molmoact_ros.msg there.
__path__ = extend_path(__path__, __name__)

# transformers imports torchao wherever that is installed; its warnings about kernels for graphics
# cards that this computer lacks would be the first thing that users of the nodes read.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
