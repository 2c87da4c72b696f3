"""The page for everybody: an accessibility checker, the keyboard, and nothing from a network."""

import importlib.resources
import json

import pytest
from test_report_page import write_run

import browser
import kerastl

# Chromium has to be started.
pytestmark = pytest.mark.thorough

AXE = importlib.resources.files("axe_core_python").joinpath("axe.min.js")
# What a person can do something with by a key.
REACHABLE = 'a[href], button:not(:disabled), select, summary, [tabindex="0"]'
NUMBERED = f"""
document.querySelectorAll('{REACHABLE}').forEach((one, number) => one.dataset.number = number);
"""
VISIBLE = "[...document.querySelectorAll('[data-number]')].filter((one) => one.checkVisibility())"


def write_unfinished(folder):
    run = write_run(folder)
    for name in ("metrics.json", "predictions.csv", "class_scores.csv", "label_issues.csv"):
        (run / name).unlink()
    return run


@pytest.fixture(
    scope="module", params=[write_run, write_unfinished], ids=["finished", "unfinished"]
)
def address(request, tmp_path_factory):
    run = request.param(tmp_path_factory.mktemp("access"))
    return kerastl.report(run).as_uri()


@pytest.fixture
def tab(address):
    with browser.open_tab() as opened:
        opened.address = address
        yield opened


def show(tab, *, width=1280, scheme="light"):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    tab.call("Emulation.setEmulatedMedia", features=features)
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=800, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    tab.open(tab.address)


def check(tab):
    """Lists what the checker finds: the rule, and where."""
    tab.value(AXE.read_text("utf-8"))
    answer = tab.call(
        "Runtime.evaluate",
        expression="axe.run().then((found) => JSON.stringify(found))",
        awaitPromise=True,
        returnByValue=True,
    )
    found = json.loads(answer["result"]["value"])
    assert len(found["passes"]) > 20
    # It leaves out a rule that it cannot apply, as to colors that it does not understand.
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    return [
        (rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_checker_finds_nothing(tab, width, scheme):
    show(tab, width=width, scheme=scheme)
    assert check(tab) == []


def test_checker_would_find_something(tab):
    show(tab)
    faults = "<img src=data:,><select></select>"
    tab.value(f"document.querySelector('footer').innerHTML = {faults!r}")
    assert {rule for rule, _ in check(tab)} >= {"image-alt", "select-name"}


def test_nothing_is_requested_and_nothing_complains(tab):
    show(tab)
    assert tab.complaints() == []
    assert {url.split(":")[0] for url in tab.requested()} <= {"file", "data"}


def press(tab, key, code):
    for kind in ("rawKeyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def test_keyboard_reaches_everything_in_order_and_shows_where_it_is(tab):
    show(tab)
    tab.value(NUMBERED)
    numbers = tab.value(f"{VISIBLE}.map((one) => +one.dataset.number)")
    assert len(numbers) > 15
    reached, outlines = [], []
    for _ in numbers:
        press(tab, "Tab", 9)
        number, outline = tab.value(
            "[+document.activeElement.dataset.number,"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.append(number)
        outlines.append(outline)
    assert reached == numbers
    assert "none" not in outlines


def test_keyboard_sorts_a_table(tab):
    show(tab)
    if not tab.value("document.querySelectorAll('#classes').length"):
        pytest.skip("a run that is not finished has no table of classes")
    first = "document.querySelector('table.sortable tbody th').textContent"
    before = tab.value(first)
    tab.value("document.querySelector('table.sortable th[aria-sort] button').focus()")
    for kind, text in (("keyDown", "\r"), ("keyUp", "")):
        tab.call("Input.dispatchKeyEvent", type=kind, key="Enter", text=text,
                 windowsVirtualKeyCode=13)  # fmt: skip
    assert tab.value(first) != before
    assert tab.value("document.querySelector('[aria-sort]').ariaSort") == "descending"
