"""One folder with every fault that people's folders have, through the main command."""

import csv
import io
import os

import numpy as np
import pytest
from PIL import Image

import fakes
from kerastl.main import main
from picture_files import HEIC, HTML, picture

# Nothing of this is a class or an image.
LITTER = (
    ".DS_Store",
    "Thumbs.db",
    ".ipynb_checkpoints/00.png",
    "__MACOSX/rot/._00.png",
    "@eaDir/x.jpg",
    "2/._00.png",
    "2/@eaDir/00.png",
)
CLASSES = ("1", "2", "10", "čeština", "日本 語")


def save(path, image, form, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, form, **options)


def half(form, seed):
    file = io.BytesIO()
    picture(seed).save(file, form)
    return file.getvalue()[: file.tell() // 2]


def write_everything(root):
    """Writes the folder; returns the reasons of files that cannot be used."""
    for label, name in enumerate(CLASSES):
        for number in range(12):
            save(root / name / f"{number:02d}.png", picture(100 * label + number), "PNG")
    odd = root / "2"
    # Right content under a wrong name, every kind that can be decoded, every number of channels.
    for number, form in enumerate(("PNG", "GIF", "BMP", "WEBP")):
        save(odd / f"really_{form}.jpg", picture(1000 + number), form)
    save(odd / "loud.JPG", picture(1010), "JPEG")
    save(odd / "no_ending", picture(1011), "JPEG")
    frames = [picture(1020 + number) for number in range(3)]
    for form in ("GIF", "WEBP"):
        save(
            odd / f"moving.{form.lower()}",
            frames[form == "WEBP"],
            form,
            save_all=True,
            append_images=frames[2:],
        )
    cut_out = picture(1030).convert("RGBA")
    cut_out.putalpha(Image.linear_gradient("L").resize(cut_out.size))
    save(odd / "cut_out.png", cut_out, "PNG")
    for number, mode in enumerate(("L", "LA", "P", "1")):
        save(odd / f"mode_{mode}.png", picture(1040 + number).convert(mode), "PNG")
    save(odd / "printed.jpg", picture(1050).convert("CMYK"), "JPEG", quality=95)
    deep = np.asarray(picture(1051).convert("L"), np.uint16) * 257
    save(odd / "deep.png", Image.fromarray(deep), "PNG")
    turned = Image.Exif()
    turned[0x0112] = 6
    save(odd / "phone.jpg", picture(1052), "JPEG", exif=turned)
    save(odd / "scan.jpg", Image.linear_gradient("L").resize((9000, 9000)), "JPEG")
    save(odd / "twice.bmp", picture(0), "BMP")
    save(odd / "flat.png", Image.new("RGB", (96, 64), (9, 9, 9)), "PNG")
    (root / "2/loop").symlink_to(root, target_is_directory=True)
    for name in LITTER:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_bytes(b"\0\5\x16\7" * 30)
    (root / "2/notes.txt").write_text("not an image")
    os.mkfifo(root / "2/pipe.png")
    bad = {
        "10/cut.jpg": (half("JPEG", 2000), "is a damaged or truncated JPEG"),
        "10/cut.png": (half("PNG", 2001), "is a damaged or truncated PNG"),
        "10/cut.webp": (half("WEBP", 2002), "is a damaged or truncated WebP"),
        "10/zero.jpg": (b"", "is empty"),
        "10/page.jpg": (HTML, "is a web page, not an image"),
        "10/phone.heic": (HEIC, "is HEIC (unsupported)"),
        "10/scan.tiff": (b"II*\0" + b"\0" * 60, "is TIFF or camera RAW (unsupported)"),
        "10/text.jpg": (b"hello", "is text, not an image"),
    }
    for name, (content, _) in bad.items():
        (root / name).write_bytes(content)
    save(root / "10/bomb.png", Image.new("L", (9000, 9000)), "PNG")
    (root / "10/gone.jpg").symlink_to("nowhere.jpg")
    return {name: reason for name, (_, reason) in bad.items()} | {
        "10/bomb.png": "is a PNG of more than 67 million pixels",
        "10/gone.jpg": "cannot be read (No such file or directory)",
    }


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    root = tmp_path_factory.mktemp("žluťoučký kůň")
    return root, write_everything(root / "日本 語")


def command(root, monkeypatch, capfd, *arguments):
    fakes.install_tiny_net(monkeypatch)
    config = fakes.tiny_config(
        root, dataset=f"folder:{root / '日本 語'}", cache_dir=str(root / "cache"), head_epochs=1
    )
    code = main([*config.to_flags(), *arguments])
    said = capfd.readouterr()
    return code, said.out, said.err


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.thorough
def test_stop_lists_every_file_that_cannot_be_used(everything, monkeypatch, capfd):
    root, bad = everything
    code, out, err = command(root, monkeypatch, capfd)
    assert code == 2
    rows = rows_of(root / "run/audit.csv")
    assert {row["file"]: row["detail"] for row in rows if row["kind"] == "unusable"} == bad
    assert err.count("\n") == 1
    assert f"{len(bad)} files cannot be used, " in err
    assert err.endswith(f"--on_bad_image=skip. {root / 'run/audit.csv'} lists all.\n")
    assert len(out.splitlines()) < 20
    assert not (root / "run/splits.csv").exists()


@pytest.mark.thorough
def test_skip_accounts_for_every_file(everything, monkeypatch, capfd):
    root, bad = everything
    code, out, err = command(root, monkeypatch, capfd, "--on_bad_image=skip", "--overwrite")
    assert (code, err) == (0, "")
    used = {row["example"] for row in rows_of(root / "run/splits.csv")}
    assert {row["class_name"] for row in rows_of(root / "run/splits.csv")} == set(CLASSES)
    assert not used & set(bad)
    on_disk = {
        str(path.relative_to(root / "日本 語"))
        for path in (root / "日本 語").glob("*/*")
        if path.is_file() or path.is_symlink()
    }
    ignored = {*LITTER, "2/notes.txt", "2/loop"}
    assert used == on_disk - set(bad) - ignored
    assert (
        f"{len(used) + len(bad) + len(LITTER) + 3} files found: {len(used)} used, "
        f"{len(bad)} skipped (1 .heic, 5 .jpg, 2 .png, 1 .tiff, 1 .webp)"
    ) in out
    found = {}
    for row in rows_of(root / "run/audit.csv"):
        found.setdefault(row["kind"], {})[row["file"]] = row["detail"]
    assert found["unusable"] == bad
    assert set(found["wrong ending"]) == {
        f"2/really_{form}.jpg" for form in ("PNG", "GIF", "BMP", "WEBP")
    }
    assert set(found["no ending"]) == {"2/no_ending"}
    assert set(found["same image in two classes"]) == {"2/twice.bmp"}
    assert set(found["one color"]) == {"2/flat.png"}
    assert set(found["unusual size"]) == {"2/scan.jpg"}
