# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The exact texts that MolmoAct was trained on (format.md 11).

One wrong character moves the prompt away from everything the model has seen, so the texts are
written out in full instead of being assembled from parts.
"""

import unicodedata

MAX_INSTRUCTION = 1000  # characters; checked before a tokenizer, which has no limit, sees them

_REASONING_ONE_IMAGE = (
    "The task is {task}. What is the action that the robot should take. "
    "To figure out the action that the robot should take to {task}, "
    "let's think through it step by step. "
    "First, what is the depth map for this image? "
    "Second, what is the trajectory of the end effector? "
    "Based on the depth map of the image and the trajectory of the end effector, "
    "what is the action that the robot should take?"
)
_REASONING_MORE_IMAGES = (
    "The task is {task}. What is the action that the robot should take. "
    "To figure out the action that the robot should take to {task}, "
    "let's think through it step by step. "
    "First, what is the depth map for the first image? "
    "Second, what is the trajectory of the end effector in the first image? "
    "Based on the depth map of the first image and the trajectory of the end effector "
    "in the first image, along with other images from different camera views "
    "as additional information, what is the action that the robot should take?"
)
_STEERING_ONE_IMAGE = (
    "The task is {task}. Notice that the trajectory of the end effector is annotated "
    "on the image. Based on the trajectory annotated on the image, "
    "what is the action that the robot should take?"
)
_STEERING_MORE_IMAGES = (
    "The task is {task}. Notice that the trajectory of the end effector is annotated "
    "on the first image. Based on the trajectory annotated on the image, "
    "along with other images from different camera views as additional information, "
    "what is the action that the robot should take?"
)

_REASONED_ONE_IMAGE = (
    "The depth map of the image is {depth}. "
    "The trajectory of the end effector is {trajectory}. "
    "Based on these information, the action that the robot should take is {actions}."
)
_REASONED_MORE_IMAGES = (
    "The depth map of the first image is {depth}. "
    "The trajectory of the end effector in the first image is {trajectory}. "
    "Based on these information, along with other images from different camera views "
    "as additional information, the action that the robot should take is {actions}."
)
_STEERED = (
    "Based on the image and the annotated trajectory of the end effector, "
    "the action that the robot should take is {actions}."
)


def reasoning_prompt(instruction: str, n_images: int) -> str:
    """Ask for depth, trajectory and action (P1 for one image, P2 for more).

    Args:
        instruction: What to do, such as "close the box"; a final period is dropped, because
            the sentence around it brings its own.
        n_images: Number of camera images in the prompt, at least 1.

    Returns:
        The user's prompt, without role names.

    Raises:
        ValueError: When the instruction is empty or n_images is below 1.
    """
    template = _pick(n_images, _REASONING_ONE_IMAGE, _REASONING_MORE_IMAGES)
    return template.replace("{task}", _task(instruction))


def steering_prompt(instruction: str, n_images: int) -> str:
    """Ask for the action that follows the trajectory drawn on the first image (S1, S2).

    Args:
        instruction: As for `reasoning_prompt`.
        n_images: Number of camera images in the prompt, at least 1.

    Returns:
        The user's prompt, without role names.

    Raises:
        ValueError: When the instruction is empty or n_images is below 1.
    """
    template = _pick(n_images, _STEERING_ONE_IMAGE, _STEERING_MORE_IMAGES)
    return template.replace("{task}", _task(instruction))


def check_instruction(text: str) -> None:
    """Refuse an instruction that no tokenizer should see.

    Raises:
        ValueError: It is longer than `MAX_INSTRUCTION`, or holds a control character.
    """
    if len(text) > MAX_INSTRUCTION:
        raise ValueError(
            f"instruction has {len(text)} characters, at most {MAX_INSTRUCTION} are allowed"
        )
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"instruction holds the control character {character!r}")


def reasoning_answer(depth: str, trajectory: str, actions: str, n_images: int) -> str:
    """Write the answer to `reasoning_prompt` (A1, A2) as training data has it.

    Args:
        depth: Text of the depth map, see `DepthTokenizer.encode`.
        trajectory: Text of the trajectory, see `trajectory_text`.
        actions: Text of the action list, see `ActionTokenizer.encode`.
        n_images: Number of camera images in the prompt, at least 1.

    Returns:
        The answer without the space that precedes it in the token sequence.
    """
    template = _pick(n_images, _REASONED_ONE_IMAGE, _REASONED_MORE_IMAGES)
    return template.format(depth=depth, trajectory=trajectory, actions=actions)


def steering_answer(actions: str) -> str:
    """Write the answer to `steering_prompt` (A4): the action list alone."""
    return _STEERED.format(actions=actions)


def _pick(n_images: int, one: str, more: str) -> str:
    if n_images < 1:
        raise ValueError(f"n_images is {n_images}; a prompt needs at least one camera image")
    return one if n_images == 1 else more


def _task(instruction: str) -> str:
    task = instruction.strip().rstrip(".").rstrip()
    if not task:
        raise ValueError("The instruction is empty; say what the robot should do")
    return task
