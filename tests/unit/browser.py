"""browser.py - a headless Chromium, driven over its debugging pipe. Standard library only."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time

PROGRAM = shutil.which("chromium")
WAIT_S = 120  # only to end a test that fails


class Browser:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="braid-chromium-", ignore_cleanup_errors=True)
        # Chromium reads descriptor 3 and writes 4; so these are put elsewhere first.
        ends = (*os.pipe(), *os.pipe())
        commands, self.out, self.answers, events = (
            fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends)
        for end in ends:
            os.close(end)
        self.process = subprocess.Popen(
            [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             f"--user-data-dir={self.folder.name}"],
            preexec_fn=lambda: (os.dup2(commands, 3), os.dup2(events, 4)), pass_fds=(3, 4),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(events)
        self.number, self.left, self.session = 0, b"", None
        self.faults, self.asked = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def read(self):
        while b"\0" not in self.left:
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise AssertionError("the browser has ended")
            self.left += piece
        message, self.left = self.left.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            self.note(answer)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return answer["result"]

    def note(self, event):
        """What the page complains of, and whom it asks."""
        of = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.faults.append(of["exceptionDetails"])
        elif event.get("method") == "Log.entryAdded" and of["entry"]["level"] == "error":
            self.faults.append(of["entry"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.asked.append(of["request"]["url"])

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait(self, expression):
        """Until it is true; while a page is being left there is nothing to ask."""
        until, last = time.monotonic() + WAIT_S, None
        while time.monotonic() < until:
            try:
                last = self.value(expression)
                if last:
                    return
            except AssertionError as error:
                last = error
            time.sleep(0.05)
        raise AssertionError(f"never: {expression}: {last}")

    def key(self, name, text=""):
        code = {"Tab": 9, "Enter": 13, " ": 32}.get(name, 0)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                      windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "")

    def show(self, width, height, scheme):
        """A window of that size in light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        """Asks it to end, so that its helpers end before it: a killed one's go on writing."""
        self.session = None
        try:
            self.call("Browser.close")
        except (AssertionError, OSError):
            pass  # it has ended
        try:
            self.process.wait(WAIT_S)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.out)
            os.close(self.answers)
            until = time.monotonic() + WAIT_S
            while os.path.exists(self.folder.name) and time.monotonic() < until:
                shutil.rmtree(self.folder.name, ignore_errors=True)
                time.sleep(0.05)
            self.folder.cleanup()
