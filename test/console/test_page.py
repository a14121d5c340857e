# Copyright 2026 molmoact_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser, with simulator, policy with the shipped checkpoint, and executor.

MOLMOACT_SCREENSHOTS=folder keeps pictures of the page.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("nicegui")
playwright = pytest.importorskip("playwright.sync_api")
pytest.importorskip("molmoact_ros.msg")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from molmoact_ros.msg import ExecutorStatus  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from molmoact_ros.demo.graph import (  # noqa: E402
    POLICY,
    SIMULATOR,
    NodeSpec,
    default_checkpoint,
    demo_graph,
)
from molmoact_ros.evaluate.steering import line_to_block  # noqa: E402
from molmoact_ros.ros import qos  # noqa: E402
from molmoact_ros.sim import Tabletop  # noqa: E402
from molmoact_ros.sim.tasks import NEAR  # noqa: E402

from .conftest import free_port  # noqa: E402
from .page_in_browser import (  # noqa: E402
    CAMERA,
    DESKTOP,
    PHONE,
    PICKS,
    READABLE,
    Graph,
    Page,
    executor_spec,
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium")

HEARTBEAT = 2.0  # s; a busy page beats late
SCRIPT = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def graph(client: Any, start: Callable, tmp_path_factory: Any) -> Graph:
    client.folder = tmp_path_factory.mktemp("screenshots")
    return Graph(client, start)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as library:
        sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
        opened = library.chromium.launch(executable_path=BROWSER, args=sandbox)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page(browser: Any, graph: Graph) -> Page:
    opened = Page(browser.new_page(viewport={"width": 1280, "height": 900}), graph)
    opened.take_control()
    opened.wait(
        lambda: "waiting for an instruction" in opened.page.inner_text("body"), "the policy"
    )
    return opened


@pytest.fixture
def at_rest(graph: Graph, page: Page) -> Page:
    """Open a page in control of an arm at the place where it began."""
    page.take_control()
    page.click_instruction("#stop", "")
    graph.put_back()
    return page


def picture_number(page: Page) -> int:
    source = page.page.get_attribute(".picture.first img", "src") or ""
    found = re.search(r"n=(\d+)", source)
    return int(found.group(1)) if found else 0


def test_live_pictures_and_no_errors(page: Page) -> None:
    before = picture_number(page)
    page.wait(lambda: picture_number(page) > before + 5, "pictures")
    page.wait(lambda: "live, " in page.page.inner_text("main"), "a live picture")
    assert page.errors == []


def test_a_page_gets_most_pictures_of_a_camera(page: Page, graph: Graph) -> None:
    pictures = graph.client.listen(Image, CAMERA, qos.IMAGE)
    page.page.evaluate(
        """() => {
          window.loads = 0;
          document.querySelector('.picture.first img').addEventListener('load', () => loads++);
        }"""
    )

    def gets_most() -> bool:
        before = page.page.evaluate("loads")
        pictures.clear()
        graph.client.wait_for(lambda: len(pictures) >= 40, "pictures")
        return bool(page.page.evaluate("loads") - before > 20)

    page.wait(gets_most, "most pictures")  # a busy machine can be late with some


def test_an_instruction_moves_the_arm_to_its_block(at_rest: Page, graph: Graph) -> None:
    assert graph.distance("blue") > 2 * NEAR
    at_rest.instruct("reach the blue block")
    at_rest.enable()
    # An answer to what was instructed before can still be on its way.
    at_rest.wait(
        lambda: [r for r in graph.reasonings if r.instruction == "reach the blue block"], "answers"
    )
    at_rest.wait_for_text("followed", "Follows: reach the blue block")
    graph.client.wait_for(lambda: graph.distance("blue") < NEAR, "the block", at_rest.go_on)
    at_rest.wait_for_text("line", "the model's own line")
    at_rest.shot("desktop")
    at_rest.shot("phone", PHONE)


@pytest.mark.parametrize("way", ["Escape", "#halt", pytest.param(" ", marks=pytest.mark.long)])
def test_halt_while_the_arm_moves(at_rest: Page, graph: Graph, way: str) -> None:
    page = at_rest.page
    at_rest.click_instruction(f"button:has-text('{PICKS[1]}')", PICKS[1])
    at_rest.enable()
    graph.client.wait_for(lambda: graph.speed() > 0.03, "motion", at_rest.go_on)
    page.evaluate("document.activeElement.blur()")
    page.click(way) if way.startswith("#") else page.keyboard.press(way)
    at_rest.wait(lambda: graph.state() == ExecutorStatus.STATE_HALTED, "the halt")
    at_rest.wait_for_text("halted", "Halted: ~/halt was called")
    at_rest.wait(lambda: page.inner_text("#halt") == "HALTED", "the button")
    # The stream of commands has ended with zero.
    graph.pass_time(0.5)
    commands = len(graph.twists)
    assert graph.speed() == 0.0
    graph.pass_time(0.5)
    assert len(graph.twists) == commands
    if way == "Escape":
        at_rest.shot("halted")


def test_space_in_a_text_is_a_space(at_rest: Page, graph: Graph) -> None:
    at_rest.page.click("input[aria-label=instruction]")
    at_rest.page.keyboard.type("a b")
    assert at_rest.page.input_value("input[aria-label=instruction]").endswith("a b")
    graph.pass_time(0.3)
    assert graph.state() == ExecutorStatus.STATE_DISABLED


def test_a_policy_that_hangs_is_called_missing_within_a_second(page: Page, graph: Graph) -> None:
    page.wait(lambda: "The policy" not in page.text("missing"), "the policy")
    page.page.evaluate(
        """() => {
          const missing = document.querySelector('#missing'), tick = molmoact.tick;
          let ticked = performance.now(), longest = 0;  // ms between two ticks
          const measure = () => { longest = Math.max(longest, performance.now() - ticked); };
          molmoact.tick = (n) => { measure(); ticked = performance.now(); tick(n); };
          window.seen = [];
          new MutationObserver(() => { measure(); window.seen.push([missing.innerText, longest]); })
            .observe(missing, {subtree: true, childList: true, characterData: true});
        }"""
    )

    def shown() -> list[Any]:
        return [each for each in page.page.evaluate("window.seen") if "does not answer" in each[0]]

    policy = graph.nodes.process(POLICY)
    policy.send_signal(signal.SIGSTOP)
    try:
        page.wait(shown, "the sentence")
        page.shot("stale", live=False)
    finally:
        policy.send_signal(signal.SIGCONT)
    text, longest = shown()[0]
    found = re.search(r"it did ([\d.]+) s ago", text)
    # Ticks come every 0.2 s; a busy machine is late with them.
    late = max(longest / 1000.0 - 0.2, 0.0)
    assert found is not None and float(found.group(1)) <= 1.0 + late
    page.wait(lambda: "The policy" not in page.text("missing"), "the policy again")


def test_a_camera_that_is_silent_is_not_shown_as_live(page: Page, graph: Graph) -> None:
    simulator = graph.nodes.process(SIMULATOR)
    simulator.send_signal(signal.SIGSTOP)
    try:
        page.wait(lambda: page.page.is_visible(".picture.first .stamp"), "NOT LIVE")
        page.wait_for_text("missing", f"No new pictures from /{CAMERA}")
        page.wait(lambda: page.page.locator(".picture.first .stale").count() == 1, "grey")
    finally:
        simulator.send_signal(signal.SIGCONT)
    page.wait(lambda: not page.page.is_visible(".picture.first .stamp"), "pictures again")


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_texts_are_readable(page: Page, size: dict[str, int], look: str) -> None:
    page.page.emulate_media(color_scheme=look)
    page.page.set_viewport_size(size)
    found: list[Any] = []

    def has_contrast() -> bool:
        found[:] = page.page.evaluate(READABLE)
        return bool(found[2] >= 4.5)

    try:
        page.wait(has_contrast, "contrast")  # colours change by and by
    finally:
        page.page.set_viewport_size({"width": 1280, "height": 900})
        page.page.emulate_media(color_scheme="light")
        print(found)
    smallest, widest, _, _ = found
    assert smallest >= 12.0
    assert widest <= size["width"]


def test_a_reload_keeps_what_was_sent(page: Page) -> None:
    page.take_control()
    page.instruct("reach the red block")
    page.wait_for_text("followed", "reach the red block")
    page.wait(lambda: "'reach the red block'" in page.page.inner_text(".log"), "the log")
    page.page.reload()
    page.wait_for_text("followed", "reach the red block")
    page.wait(lambda: "'reach the red block'" in page.page.inner_text(".log"), "the log again")
    page.take_control()
    page.wait(lambda: page.page.locator("text=sent before").is_visible(), "the history")


def test_the_second_page_sees_who_is_in_control_and_can_halt(
    at_rest: Page, graph: Graph, browser: Any
) -> None:
    second = Page(browser.new_page(), graph)
    second.wait_for_text("holder", "In control: page ")
    second.wait(lambda: second.page.is_disabled("#enable"), "the button")

    def is_refused() -> bool:
        at_rest.take_control()
        second.page.click(f"button:has-text('{PICKS[0]}')")
        return "is in control" in second.text("reply")

    second.wait(is_refused, "the refusal")
    at_rest.enable()
    second.page.click("#halt")
    second.wait_for_text("halted", "Halted: ~/halt was called")
    at_rest.wait_for_text("halted", "Halted: ~/halt was called")
    second.take_control()
    at_rest.wait_for_text("holder", "In control: page ")
    second.page.close()
    at_rest.wait_for_text("holder", "Nobody is in control")


@pytest.mark.long
def test_a_drawn_line_moves_the_arm_to_another_block(at_rest: Page, graph: Graph) -> None:
    at_rest.instruct("reach the red block")
    at_rest.wait(lambda: graph.reasonings, "answers")
    simulation = Tabletop(seed=3)
    line = line_to_block(simulation.camera("camera", 252, 252), graph.place(), graph.place("green"))
    simulation.close()
    at_rest.take_control()
    at_rest.page.click("#draw")
    at_rest.wait(lambda: at_rest.page.locator(".picture.draws").count(), "drawing")
    at_rest.wait(lambda: not at_rest.text("missing"), "a page that does not shift")
    box = at_rest.page.locator(".picture.first img").bounding_box()
    corners = [(box["x"] + x / 255 * box["width"], box["y"] + y / 255 * box["height"])
               for x, y in line]  # fmt: skip
    mouse = at_rest.page.mouse
    mouse.move(*corners[0])
    mouse.down()
    for corner in corners[1:]:
        mouse.move(*corner, steps=8)
        at_rest.page.wait_for_timeout(60)
    mouse.up()
    at_rest.wait(lambda: graph.hints, "the hint")
    assert (graph.hints[-1].image_width, graph.hints[-1].image_height) == (252, 252)
    at_rest.enable()
    at_rest.wait_for_text("line", "a line that a person drew")
    graph.client.wait_for(lambda: graph.distance("green") < NEAR, "the block", at_rest.go_on)
    at_rest.shot("drawn")
    at_rest.click("#clear-line", lambda: not graph.hints[-1].x)
    at_rest.wait_for_text("line", "the model's own line")


@pytest.mark.long
def test_a_finger_draws_too(at_rest: Page, graph: Graph, browser: Any) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    phone = Page(context.new_page(), graph)
    phone.take_control()
    phone.wait(lambda: "live, " in phone.page.inner_text("main"), "a live picture")
    image = phone.page.locator(".picture.first img")
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    fingers = context.new_cdp_session(phone.page)

    def touch(kind: str, share: float) -> None:
        x, y = box["x"] + share * box["width"], box["y"] + 0.5 * box["height"]
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        phone.page.wait_for_timeout(60)

    def swipe() -> None:
        touch("touchStart", 0.3)
        for step in range(1, 9):
            touch("touchMove", 0.3 + 0.05 * step)
        touch("touchEnd", 0.7)

    phone.page.click("#draw")
    phone.wait(lambda: phone.page.locator(".picture.draws").count(), "drawing")
    swipe()
    line = phone.wait(lambda: graph.hints, "the line")[-1]
    assert line.x[0] == pytest.approx(0.3 * 252, abs=8) and line.x[-1] > 0.55 * 252
    # A touch that is not meant to draw does not.
    phone.wait(lambda: not phone.page.locator(".picture.draws").count(), "no drawing")
    swipe()
    phone.click("#clear-line", lambda: not graph.hints[-1].x)
    assert len([hint for hint in graph.hints if hint.x]) == 1
    context.close()
    at_rest.take_control()


@pytest.mark.long
def test_a_page_that_loads_no_pictures_gets_few_and_the_other_all(
    page: Page, graph: Graph, browser: Any
) -> None:
    slow = Page(browser.new_page(), graph)
    slow.page.wait_for_selector(".picture.first img")
    asked: list[Any] = []
    slow.page.route("**/picture/0**", lambda route: asked.append(route))  # never answered
    pictures = graph.client.listen(Image, CAMERA, qos.IMAGE)
    before = picture_number(page)
    graph.client.wait_for(lambda: len(pictures) >= 50, "pictures", lambda: page.text("reply"))
    page.wait(lambda: picture_number(page) - before >= 25, "most pictures")
    assert len(asked) <= 3
    slow.page.close()


@pytest.mark.long
def test_a_read_only_page_shows_and_cannot_halt(
    page: Page, graph: Graph, browser: Any, start: Callable
) -> None:
    port = free_port()
    settings = {"port": port, "image_topics": [CAMERA], "operators": False}
    nodes = start(NodeSpec("console_node", "onlookers", (), settings))
    own, graph.port = graph.port, port
    onlooker = Page(browser.new_page(), graph)
    graph.port = own
    onlooker.wait_for_text("holder", "Read only")
    onlooker.wait_for_text("halted", "Read only: this page cannot halt.")
    onlooker.wait(lambda: "live, " in onlooker.page.inner_text("main"), "a live picture")
    assert onlooker.page.is_disabled("#halt") and onlooker.page.is_disabled("#enable")
    assert not onlooker.page.is_visible("#draw")
    onlooker.page.keyboard.press("Escape")
    graph.pass_time(0.5)
    assert graph.state() != ExecutorStatus.STATE_HALTED
    onlooker.page.close()
    nodes.stop("onlookers")


@pytest.mark.long
def test_a_chunk_is_approved_after_its_line_was_shown(
    at_rest: Page, graph: Graph, start: Callable
) -> None:
    graph.stop_executors()
    at_rest.wait_for_text("missing", "The executor does not report")
    graph.states.clear()
    graph.executors = start(executor_spec(require_approval=True))
    at_rest.wait(lambda: graph.states, "the executor")
    at_rest.instruct("reach the red block")
    at_rest.enable()
    at_rest.wait_for_text("line", "waits for approval")
    at_rest.wait(lambda: at_rest.page.is_enabled("#approve"), "the button")
    assert graph.speed() == 0.0
    at_rest.shot("approval")
    at_rest.click("#approve", lambda: graph.state() == ExecutorStatus.STATE_EXECUTING)


def test_scripts_are_shown_as_text(at_rest: Page, graph: Graph) -> None:
    client = graph.client
    diagnostics = client.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    status = DiagnosticStatus(level=DiagnosticStatus.ERROR, name=f"x{SCRIPT}", message=SCRIPT)
    at_rest.instruct(SCRIPT)

    def is_shown() -> bool:
        diagnostics.publish(DiagnosticArray(status=[status]))
        return str(at_rest.page.inner_text("body")).count("<script>window.hacked=1</script>") >= 4

    at_rest.wait(is_shown, "the script as text")  # followed, sent before, name, message
    assert at_rest.page.evaluate("window.hacked === undefined")
    assert at_rest.page.locator("main img[src=x]").count() == 0


@pytest.mark.long
def test_a_policy_that_was_killed_and_started_again_is_back(
    page: Page, graph: Graph, start: Callable
) -> None:
    policy = graph.nodes.process(POLICY)
    policy.kill()
    page.wait_for_text("missing", "The policy does not answer")
    (spec,) = (spec for spec in demo_graph(str(default_checkpoint())) if spec.name == POLICY)
    start(spec)
    page.wait(lambda: "The policy" not in page.text("missing"), "the policy again")


def test_a_console_that_is_killed_is_noticed_and_comes_back(
    page: Page, graph: Graph, start: Callable
) -> None:
    """Ends the console."""
    console = graph.nodes.process("molmoact_console")
    page.page.evaluate(
        """() => {
          const tick = molmoact.tick;
          let ticked = performance.now(), step = ticked;
          window.late = window.lost = 0;  // ms: of the page itself, and from a tick to its loss
          molmoact.tick = (n) => { ticked = performance.now(); window.lost = 0; tick(n); };
          setInterval(() => {
            const now = performance.now();
            window.late = Math.max(window.late, now - step - 50);
            step = now;
          }, 50);
          new MutationObserver(() => {
            if (!document.body.classList.contains('lost')) window.lost = 0;
            else window.lost ||= performance.now() - ticked;
          }).observe(document.body, {attributes: true});
        }"""
    )
    console.kill()
    console.wait()
    page.wait(lambda: not page.page.evaluate("socket.connected"), "the end of the connection")
    page.wait(lambda: page.page.is_visible("#lost"), "the page's own word")
    late = page.page.evaluate("window.late")
    assert 0.0 < page.page.evaluate("window.lost") < 1500.0 + late  # 0.8 s, looked at every 0.15 s
    assert page.page.is_visible(".picture.first .stamp")
    page.page.keyboard.press("Escape")
    assert page.page.is_visible("#unsent")
    page.shot("lost", live=False)
    settings = {"port": graph.port, "image_topics": [CAMERA]}
    graph.consoles = start(NodeSpec("console_node", "molmoact_console", (), settings))
    page.wait(lambda: not page.page.is_visible("#lost"), "the page again")
    page.wait_for_text("holder", "You are in control")


@pytest.mark.long
def test_a_console_that_is_killed_stops_the_arm(page: Page, graph: Graph, start: Callable) -> None:
    """The executor has the parameter operator_heartbeat; last, because it ends the console."""
    graph.stop_executors()
    executor = executor_spec(operator_heartbeat=HEARTBEAT)
    graph.states.clear()
    start(executor)
    page.wait(lambda: graph.states, "the executor")
    graph.put_back()
    page.take_control()
    page.instruct(PICKS[1])
    page.enable()
    graph.client.wait_for(lambda: graph.speed() > 0.03, "motion", page.keep_on)
    graph.states.clear()
    graph.consoles.process("molmoact_console").kill()
    killed = time.monotonic()
    moving = (ExecutorStatus.STATE_READY, ExecutorStatus.STATE_EXECUTING)
    graph.client.wait_for(lambda: graph.states and graph.state() not in moving, "the stop")
    after = time.monotonic() - killed
    late = max(status.loop_jitter for status in graph.states)
    graph.client.wait_for(lambda: graph.state() == ExecutorStatus.STATE_DISABLED, "rest")
    assert f"no ~/operator_heartbeat for {HEARTBEAT:g} s" in graph.states[-1].reason
    assert graph.speed() == 0.0
    assert after < HEARTBEAT + 0.5 + late  # of which a busy machine may need some
