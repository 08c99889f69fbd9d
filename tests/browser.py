"""A headless Chromium for tests, driven by the DevTools protocol over a pipe."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell")
# All texts of a page, those of web components too.
TEXTS = """(() => { const found = []; const walk = node => {
  if (node.nodeType === 3 && node.textContent.trim()) found.push(node.textContent.trim());
  if (node.nodeName === 'STYLE' || node.nodeName === 'SCRIPT') return;
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.childNodes) walk(child); };
  if (document.body) walk(document.body); return found.join('\\n'); })()"""
# Addresses and natural widths of all images.
IMAGES = """(() => { const found = []; const walk = node => {
  if (node.nodeName === 'IMG') found.push([node.src, node.naturalWidth]);
  if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.childNodes) walk(child); };
  if (document.body) walk(document.body); return found; })()"""


def find_chromium() -> str:
    """Path of a Chromium; the test is skipped where there is none, but not in CI, which installs one."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium; .ci/run installs it")
        pytest.skip(f"no Chromium on the PATH ({', '.join(NAMES)})")
    return path


class Browser:
    """One page. Use as a context manager.

    Args:
        folder: for its profile.
        size: of the page, in pixels.
    """

    def __init__(self, folder, size=(1400, 1000)):
        path = find_chromium()
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()

        def give_pipes():  # Chromium reads commands from descriptor 3 and writes answers to 4
            first, second = (fcntl.fcntl(pipe, fcntl.F_DUPFD, 10) for pipe in (read_commands, write_answers))
            os.dup2(first, 3)
            os.dup2(second, 4)

        self._process = subprocess.Popen(
            [path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--hide-scrollbars", f"--user-data-dir={folder}", "--window-size={},{}".format(*size), "about:blank"],
            preexec_fn=give_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(read_commands)
        os.close(write_answers)
        self._number, self._buffer = 0, b""
        page = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def _call(self, method: str, session: str | None = None, **params) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._answers], [], [], 60)
                chunk = os.read(self._answers, 1 << 20) if ready else b""
                if not chunk:
                    raise RuntimeError(f"Chromium does not answer {method}")
                self._buffer += chunk
            answer, _, self._buffer = self._buffer.partition(b"\0")
            answer = json.loads(answer)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, address: str) -> None:
        self._call("Page.navigate", self._session, url=address)

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        result = self._call("Runtime.evaluate", self._session, expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def wait_for(self, expression: str, what=bool, seconds: float = 120):
        """The expression's value as soon as `what` holds of it.

        Raises:
            AssertionError: it does not in time; the last value is told.
        """
        until = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if what(value):
                return value
            assert time.monotonic() < until, f"in {seconds} s it came to no more than this: {value!r:.3000}"
            time.sleep(0.25)

    def wait_for_texts(self, *texts: str) -> str:
        """All texts of the page, once these are there."""
        return self.wait_for(TEXTS, lambda found: found is not None and all(text in found for text in texts))

    def prefer(self, scheme: str) -> None:
        """Sets the reader's colour scheme, light or dark."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", self._session, features=[feature])

    def screenshot(self, path) -> None:
        data = self._call("Page.captureScreenshot", self._session, format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
