# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A browser's tab with the console, and the nodes that it shows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from demo_topics import DemoTopics
from molmoact_ros.msg import ExecutorStatus, Trajectory2D
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from molmoact_ros.demo.graph import (
    EXECUTOR,
    POLICY,
    SIMULATOR,
    NodeSpec,
    default_checkpoint,
    demo_graph,
)
from molmoact_ros.ros import qos
from molmoact_ros.ros.conversions import clock_seconds
from molmoact_ros.ros.conversions import seconds as stamp_seconds

from .conftest import free_port

playwright = pytest.importorskip("playwright.sync_api")

DESKTOP, PHONE = {"width": 1920, "height": 1080}, {"width": 390, "height": 844}
CAMERA = f"{SIMULATOR}/camera/image"
PICKS = ["reach the red block", "reach the green block", "reach the blue block"]

# Smallest font, px; width of the page, px; smallest contrast of a text that is not greyed, and
# that text.
READABLE = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => numbers(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const isClear = (colour) => numbers(colour)[3] === 0;
  const behind = (element) => {
    while (element && isClear(getComputedStyle(element).backgroundColor)) {
      element = element.parentElement;
    }
    return element ? getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
  };
  let smallest = 1000, contrast = 1000, faintest = "";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    smallest = Math.min(smallest, parseFloat(style.fontSize));
    if (element.closest(".stale, [disabled], .stamp")) continue;
    const [a, b] = [luminance(style.color), luminance(behind(element))];
    const found = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (found < contrast) [contrast, faintest] = [found, element.outerHTML.slice(0, 200)];
  }
  return [smallest, document.documentElement.scrollWidth, contrast, faintest];
}"""


def executor_spec(**parameters: Any) -> NodeSpec:
    """Return the demonstration's executor with other parameters."""
    (spec,) = (spec for spec in demo_graph(str(default_checkpoint())) if spec.name == EXECUTOR)
    return replace(spec, parameters={**spec.parameters, **parameters})


class Graph(DemoTopics):
    """The running nodes, and what they publish."""

    def __init__(self, client: Any, start: Callable) -> None:
        super().__init__(client)
        self.port = free_port()
        console = NodeSpec(
            "console_node",
            "molmoact_console",
            (),
            {"port": self.port, "image_topics": [CAMERA], "quick_picks": PICKS},
        )
        self.nodes = start(*demo_graph(str(default_checkpoint()), seed=3), console)
        self.consoles = self.executors = self.nodes  # those that run now
        self.hints = client.listen(Trajectory2D, f"{POLICY}/trajectory_hint", qos.RESULT)
        self.instructions = client.listen(String, f"{POLICY}/instruction", qos.RESULT)

    def stop_executors(self) -> None:
        """End the executor, to start another."""
        self.executors.stop(EXECUTOR)

    def put_back(self) -> None:
        """Have the blocks and the arm where they were at first, and motion off."""
        self.client.call(SetBool, f"{EXECUTOR}/enable", SetBool.Request(data=False))
        still = (ExecutorStatus.STATE_DISABLED, ExecutorStatus.STATE_HALTED)
        self.client.wait_for(lambda: self.state() in still, "rest")
        if self.state() == ExecutorStatus.STATE_HALTED:
            self.client.call(Trigger, f"{EXECUTOR}/clear", Trigger.Request())
        self.client.call(Trigger, f"{SIMULATOR}/reset", Trigger.Request())
        for old in (self.poses, self.blocks, self.twists, self.reasonings, self.hints):
            old.clear()
        self.client.wait_for(lambda: self.blocks and self.poses, "the new scene")

    def pass_time(self, seconds: float) -> None:
        """Spin until the executor reports a time that is so much after now."""
        end = clock_seconds(self.client.node) + seconds
        self.client.wait_for(
            lambda: self.states and stamp_seconds(self.states[-1].header.stamp) >= end,
            f"{seconds} s",
        )


class Page:
    """A browser's tab with the console."""

    def __init__(self, page: Any, graph: Graph) -> None:
        self.page = page
        self.graph = graph
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(60_000)
        graph.client.wait_for(self._open, "the page")

    def _open(self) -> bool:
        try:
            self.page.goto(
                f"http://127.0.0.1:{self.graph.port}/", timeout=15_000, wait_until="commit"
            )
        except playwright.Error as error:
            self.graph.nodes.check()
            print(error)  # the console is not up yet
            return False
        return True

    def text(self, name: str) -> str:
        """Return the text of an element."""
        return str(self.page.inner_text(f"#{name}"))

    def wait(self, ready: Callable[[], Any], what: str) -> Any:
        """Wait, while ROS goes on."""
        return self.graph.client.wait_for(ready, f"{what}; {self.text('reply')}")

    def wait_for_text(self, name: str, part: str) -> None:
        """Wait until an element's text has a part."""
        self.wait(lambda: part in self.text(name), f"'{part}' in #{name}")

    def take_control(self) -> None:
        """Be in control."""
        self.wait(lambda: self.text("holder"), "the page")
        if self.text("holder") != "You are in control":
            self.page.click("#take")
        self.wait_for_text("holder", "You are in control")

    def press(self, act: Callable[[], None], done: Callable[[], Any], what: str) -> None:
        """Act as the page in control, and again each second until it is done.

        On a busy machine the console refuses what was on its way for too long, and who is in
        control can lose it.
        """
        pressed = 0.0

        def is_done() -> bool:
            nonlocal pressed
            if done():
                return True
            if time.monotonic() - pressed > 1.0:
                try:
                    if self.text("holder") != "You are in control":
                        self.page.click("#take", timeout=2000)
                    act()
                except playwright.TimeoutError:  # it cannot be pressed yet
                    pass
                pressed = time.monotonic()
            return False

        self.wait(is_done, what)

    def click(self, selector: str, done: Callable[[], Any]) -> None:
        """Press a button until it is done."""
        self.press(lambda: self.page.click(selector, timeout=2000), done, selector)

    def click_instruction(self, selector: str, text: str) -> None:
        """Press a button that sends an instruction."""
        self.graph.instructions.clear()
        self.click(selector, lambda: [m for m in self.graph.instructions if m.data == text])

    def instruct(self, text: str) -> None:
        """Type an instruction."""
        field = "input[aria-label=instruction]"
        self.graph.instructions.clear()
        self.page.fill(field, text)
        self.press(
            lambda: self.page.press(field, "Enter", timeout=2000),
            lambda: [message for message in self.graph.instructions if message.data == text],
            "the instruction",
        )
        self.page.evaluate("document.activeElement.blur()")

    def enable(self) -> None:
        """Press Enable until the executor agrees: a busy machine may be late with the pose."""
        moving = (ExecutorStatus.STATE_READY, ExecutorStatus.STATE_EXECUTING)
        self.click("#enable", lambda: self.graph.state() in moving)

    def go_on(self) -> None:
        """End a halt: on a busy machine the simulator falls behind its commands."""
        if self.graph.state() == ExecutorStatus.STATE_HALTED:
            assert "max_following_error" in self.graph.states[-1].reason
            self.click("#clear", lambda: self.graph.state() != ExecutorStatus.STATE_HALTED)
            self.enable()

    def keep_on(self) -> None:
        """As `go_on`, and enable again: on a busy machine the page's beats are late."""
        self.go_on()
        if self.graph.state() == ExecutorStatus.STATE_DISABLED:
            self.enable()

    def shot(self, name: str, size: dict[str, int] = DESKTOP, live: bool = True) -> Path:
        """Save a picture of the page, when its own picture is live again in the new size."""
        folder = Path(os.environ.get("MOLMOACT_SCREENSHOTS", self.graph.client.folder))
        folder.mkdir(parents=True, exist_ok=True)
        self.page.set_viewport_size(size)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            self.graph.client.spin()
        if live:
            self.wait(lambda: not self.page.is_visible(".picture.first .stamp"), "a live picture")
        self.page.screenshot(path=folder / f"{name}.png")
        self.page.set_viewport_size({"width": 1280, "height": 900})
        return folder / f"{name}.png"
