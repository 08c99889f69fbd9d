"""The pictures of the README, made from a finished run: python scripts/pictures.py runs/demo

Needs Chromium. Writes docs/images/demo_path.png, report.png (light beside dark) and tensorboard.png (two of its tabs).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PORT = 6123
SECOND_PART = "document.querySelectorAll('h2')[1].scrollIntoView()"


def shot(folder: Path, browser: Browser, name: str) -> Image.Image:
    time.sleep(3)  # pictures and fonts
    browser.screenshot(folder / name)
    return Image.open(folder / name).convert("RGB")


def joined(images: list[Image.Image], beside: bool, width: int) -> Image.Image:
    """Images beside or below each other, scaled to a common width."""
    sizes = [image.size for image in images]
    wide, high = zip(*sizes)
    whole = (sum(wide), max(high)) if beside else (max(wide), sum(high))
    found, place = Image.new("RGB", whole), 0
    for image in images:
        found.paste(image, (place, 0) if beside else (0, place))
        place += image.size[0 if beside else 1]
    return found.resize((width, round(whole[1] * width / whole[0])), Image.LANCZOS)


def report(run: Path, folder: Path) -> None:
    page = folder / "report.html"
    subprocess.run([sys.executable, "-m", "pipeline.cli", "report", str(run), "--output", str(page)], cwd=ROOT, check=True)
    with Browser(folder / "profile", (1100, 1300)) as browser:
        browser.open(page.as_uri())
        light = shot(folder, browser, "light.png")
        browser.prefer("dark")
        browser.evaluate(SECOND_PART)
        dark = shot(folder, browser, "dark.png")
    joined([light, dark], True, 1200).save(IMAGES / "report.png", optimize=True)


def tensorboard(run: Path, folder: Path) -> None:
    above = run.parent.parent  # TensorBoard shows the folder as it is given: no path of this machine
    logs = sorted((run / "search").glob("*/logs"))[-1].relative_to(above)
    server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port", str(PORT),
                               "--samples_per_plugin", "images=100,text=100"], cwd=above, stderr=subprocess.DEVNULL)
    try:
        time.sleep(15)
        with Browser(folder / "profile2", (1700, 820)) as browser:
            images = []
            filters = "&runFilter=summary|step02/fast&tagFilter=accuracy_over|gains|samples"
            for address, text in ((f"?smoothing=0{filters}#timeseries", "samples"), ("?smoothing=0#text", "path/overview")):
                browser.open("about:blank")
                browser.open(f"http://localhost:{PORT}/{address}")
                browser.wait_for_texts(text)
                images.append(shot(folder, browser, f"{text.replace('/', '_')}.png"))
        joined(images, False, 960).save(IMAGES / "tensorboard.png", optimize=True)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run.resolve()
    shutil.copy(sorted((run / "search").glob("*/path.png"))[-1], IMAGES / "demo_path.png")
    with tempfile.TemporaryDirectory() as name:
        report(run, Path(name))
        tensorboard(run, Path(name))


if __name__ == "__main__":
    main()
