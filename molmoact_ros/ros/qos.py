# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""QoS profiles by purpose, so that both ends of a topic always agree."""

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)


def _reliable(depth: int, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=durability,
    )


# Camera images: only new ones matter, a lost one is not sent again.
IMAGE = qos_profile_sensor_data
# Measured states of the robot: best effort also hears publishers that are reliable.
STATE = qos_profile_sensor_data
# Pictures for a person, about one a second: reliable, so that every viewer's settings match.
PICTURE = _reliable(1)
# The last value also reaches subscribers that start later.
LATCHED = _reliable(1, DurabilityPolicy.TRANSIENT_LOCAL)
# The same for a subscription that takes all that was kept.
HISTORY = _reliable(10, DurabilityPolicy.TRANSIENT_LOCAL)
# Only the newest command counts, and it must arrive.
COMMAND = _reliable(1)
# Results of the policy and states: none is lost on the way.
RESULT = _reliable(10)
