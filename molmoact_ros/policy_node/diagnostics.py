# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policy node's diagnostics, one status per concern; those of the cameras: `cameras`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molmoact_ros.answer.trust import DETECTORS
from molmoact_ros.policy.task import PolicyTask
from molmoact_ros.ros.diagnostics import Diagnosis, Level

from .parameters import PolicyParameters

if TYPE_CHECKING:
    from .session import PolicySession


def model_status(
    parameters: PolicyParameters, progress: str, session: PolicySession | None
) -> Diagnosis:
    """Return what is loaded, or how far loading is."""
    values: dict[str, object] = (
        {"server": parameters.server}
        if parameters.server
        else {
            "checkpoint": parameters.checkpoint,
            "device": parameters.device,
            "precision": parameters.quantization or parameters.dtype,
        }
    )
    if session is None:
        return Diagnosis(Level.OK, progress or "not loaded", values)
    # Nothing of the network itself is looked at: another thread may be freeing it.
    policy, state = session.policy, session.policy.state()
    values |= {"profile": policy.profile.name, "unnorm_key": policy.stats.key, **state.values}
    return Diagnosis(Level.ERROR if state.problem else Level.OK, state.problem or "loaded", values)


def inference_status(session: PolicySession | None, task: PolicyTask, active: bool) -> Diagnosis:
    """Return how long the last inference took, and what it followed."""
    if session is None:
        return Diagnosis(Level.OK, "not configured")
    inference = session.inference
    last = inference.last
    values: dict[str, object] = {
        "answers": inference.answers,
        "failures": inference.thread.failures,
    }
    if last is not None:
        values["forward_passes"] = last.forward_passes
        values["trajectory"] = last.trajectory_source
        values |= {f"seconds {stage}": f"{value:.3f}" for stage, value in last.timings.items()}
        age = last.timings.get("image_age", 0.0) + last.timings.get("total", 0.0)
        values["age of its picture when it came [s]"] = f"{age:.3f}"
        values["seconds publish"] = f"{session.outputs.publish_seconds:.4f}"
        values["seconds overlay"] = f"{session.outputs.overlay_seconds:.3f}"
    if not active:
        return Diagnosis(Level.OK, "inactive", values)
    values["age of the last answer [s]"] = f"{inference.age:.1f}"
    values["overdue after [s]"] = f"{inference.longest_silence:.1f}"
    if failed := inference.failures_since_answer:
        text = f"{failed} inferences failed since the last answer: {inference.thread.last_failure}"
        return Diagnosis(Level.ERROR, text, values)
    if not task.instruction:
        return Diagnosis(Level.OK, "waiting for an instruction", values)
    silence = inference.silence
    if silence > inference.longest_silence:
        level = Level.WARN if last is None else Level.ERROR  # nothing was measured before
        return Diagnosis(level, f"frames arrive, but no answer for {silence:.0f} s", values)
    if last is None:
        return Diagnosis(Level.OK, "no answer yet", values)
    if last.problems:
        return Diagnosis(Level.WARN, "; ".join(last.problems), values)
    return Diagnosis(Level.OK, f"following '{task.instruction}'", values)


def decoding_status(session: PolicySession | None) -> Diagnosis:
    """Return what the passes are, how many tokens drafts proposed and how many were right."""
    if session is None:
        return Diagnosis(Level.OK, "no answer yet")
    report, last = session.policy.pass_report, session.inference.last
    values: dict[str, object] = {"repeatable": session.policy.repeatable}
    if report is not None:
        values |= {"CUDA graphs": report.captured, "compiled": report.compiled}
        if report.compiled:
            values["seconds compile"] = f"{report.compile_seconds:.1f}"
        values["seconds check"] = f"{report.seconds:.2f}"
    message = "no answer yet"
    if last is not None:
        message = f"{len(last.ids)} tokens in {last.forward_passes} passes"
        values["answers learned from"] = session.policy.drafts_learn
        if (forms := session.policy.forms) is not None:
            constrained = forms[last.trajectory_source == "user"].learned
            values |= {"constrained": constrained, "tokens overruled": last.overruled}
            if not constrained:
                message += "; not constrained yet: no well-formed answer could be learned from"
        values |= {
            f"{source}: accepted of drafted": f"{last.accepted.get(source, 0)} of {drafted}"
            for source, drafted in sorted(last.drafted.items())
        }
    if report is not None and report.warnings:
        return Diagnosis(Level.WARN, "; ".join(report.warnings), values)
    return Diagnosis(Level.OK, message, values)


def trust_status(session: PolicySession | None) -> Diagnosis:
    """Return what the detectors over the last chunks report."""
    last = None if session is None else session.inference.last
    if last is None:
        return Diagnosis(Level.OK, "no answer yet")
    alarms = {
        name: next((p for p in last.problems if p.startswith(f"{name}:")), "") for name in DETECTORS
    }
    values = {name: "alarm" if alarm else "ok" for name, alarm in alarms.items()}
    message = "; ".join(filter(None, alarms.values()))
    return Diagnosis(Level.ERROR if message else Level.OK, message or "ok", values)
