import shutil

import pytest

import browser

DONE = """
document.querySelectorAll("#results > li").length === %d &&
document.querySelectorAll("[aria-busy]").length === 0
"""
ANSWERS = """
[...document.querySelectorAll("#results > li")].map((card) => [
  card.querySelector(".file").textContent, card.querySelector(".answer").textContent,
  [...card.querySelectorAll(".classes li")].map((row) => row.textContent),
])
"""


@pytest.fixture(scope="module")
def tab():
    with browser.open_tab() as tab:
        yield tab


@pytest.fixture
def folder(tmp_path, files):
    for name, content in zip(("blue", "green", "<img src=x onerror=fail()>"), files, strict=True):
        (tmp_path / f"{name}.png").write_bytes(content)
    (tmp_path / "notes.png").write_text("no image")
    return tmp_path


@pytest.mark.thorough
def test_person_chooses_images_and_sees_their_classes(tab, client, folder):
    tab.open(client.url)
    tab.wait("!document.getElementById('version').hidden")
    text = tab.value("document.body.innerText")
    for part in ("colors", "version 1", "TinyNet at 16 px", "test accuracy 100.0%", "3 classes"):
        assert part in text
    names = ["blue.png", "notes.png", "<img src=x onerror=fail()>.png"]
    tab.choose("#files", [folder / name for name in names])
    tab.wait(DONE % 3)
    answers = tab.value(ANSWERS)
    assert [answer[:2] for answer in answers] == [
        ["blue.png", "blue"],
        ["notes.png", "Cannot be read: the file is text, not an image."],
        ["<img src=x onerror=fail()>.png", "red"],
    ]
    probabilities = client.post("/predict", (folder / "blue.png").read_bytes()).json
    shown = [
        f"{entry['class_name']}{100 * entry['probability']:.1f}%"
        for entry in probabilities["predictions"][0]["classes"]
    ]
    assert answers[0][2] == shown
    assert tab.value("document.getElementById('status').textContent") == (
        "2 images classified, 1 failed"
    )


@pytest.mark.thorough
def test_person_drops_images_and_clears_them(tab, client, folder):
    tab.open(client.url)
    tab.drop([folder / "green.png", folder / "blue.png"], x=300, y=300)
    tab.wait(DONE % 2)
    assert [answer[1] for answer in tab.value(ANSWERS)] == ["green", "blue"]
    tab.value("document.getElementById('clear').click()")
    assert tab.value(ANSWERS) == []
    assert tab.value("document.activeElement.id") == "files"


@pytest.mark.thorough
def test_class_names_are_never_markup(tab, start, color_run, tmp_path, folder):
    shutil.copytree(color_run.result.export_path, tmp_path / "export/1")
    names = "<b>blue</b>\n<script>fail()</script>\n<img src=x onerror=fail()>\n"
    (tmp_path / "export/1/assets/class_names.txt").write_text(names)
    client = start(tmp_path / "export")
    tab.open(client.url)
    tab.wait("!document.getElementById('version').hidden")
    tab.choose("#files", [folder / "blue.png"])
    tab.wait(DONE % 1)
    assert tab.value(ANSWERS)[0][1] == "<b>blue</b>"
    assert (
        tab.value("document.querySelectorAll('main b b, main script, main li img[src=x]').length")
        == 0
    )
    assert tab.value("document.querySelectorAll('.names li')[1].textContent") == (
        "<script>fail()</script>"
    )


@pytest.mark.thorough
def test_page_asks_its_own_server_alone_and_keeps_to_its_policy(tab, client, folder):
    policy = client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    tab.events.clear()
    tab.open(client.url)
    tab.choose("#files", [folder / "blue.png"])
    tab.wait(DONE % 1)
    asked = {url for url in tab.requested() if not url.startswith("blob:")}
    assert asked == {f"{client.url}/{path}" for path in ("", "model", "predict")}
    assert tab.complaints() == []


@pytest.mark.thorough
def test_policy_lets_no_other_script_run(tab, client):
    tab.open(client.url)
    tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
    tab.wait("document.querySelector('img[src=x]') !== null")
    assert any("script" in str(note) or "img-src" in str(note) for note in tab.complaints())
    tab.events.clear()


def test_page_works_behind_a_prefix(client):
    # A proxy may serve it below a path, so no address in it may begin at the root.
    page = client.get("/").body.decode()
    assert 'fetch("predict"' in page
    assert 'fetch("/' not in page
