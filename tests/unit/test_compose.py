#!/usr/bin/env python3
"""test_compose.py - docker/compose.yaml: its services find each other, and every file that they mount.

    test_compose.py BRAID
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

try:
    import yaml
except ImportError as missing:
    print(f"{missing}: ./run test installs it", file=sys.stderr)
    raise SystemExit(1 if os.environ.get("CI") == "true" else 77)

DOCKER = pathlib.Path(__file__).resolve().parents[2] / "docker"


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
        cls.services = cls.compose["services"]
        settings = dict(re.findall(r"^(BRAID_\w+)=(.*)$", (DOCKER / "braid.env").read_text(), re.M))
        told = subprocess.run([BRAID, "check-config"], env=settings, capture_output=True, text=True,
                              check=True).stdout
        cls.port = int(re.search(r'^http\.listen: ".*:(\d+)"$', told, re.M)[1])

    def test_every_mounted_file_and_named_volume_is_there(self):
        for name, service in self.services.items():
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DOCKER / source).exists(), f"{name}: {source}")
                else:
                    self.assertIn(source, self.compose["volumes"], name)

    def test_prometheus_asks_the_job_where_it_listens(self):
        scraped = yaml.safe_load((DOCKER / "prometheus.yaml").read_text())["scrape_configs"]
        targets = [target for job in scraped for static in job["static_configs"]
                   for target in static["targets"]]
        self.assertEqual(targets, [f"braid:{self.port}"])
        self.assertIn("braid", self.services)
        self.assertIn(f"127.0.0.1:{self.port}:{self.port}", self.services["braid"]["ports"])
        self.assertIn(f":{self.port}/healthz", str(self.services["braid"]["healthcheck"]["test"]))

    def test_grafana_asks_prometheus(self):
        source, = yaml.safe_load((DOCKER / "grafana/datasource.yaml").read_text())["datasources"]
        host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
        self.assertIn(f"127.0.0.1:{port}:{port}", self.services[host]["ports"])

    def mounted(self, service):
        """By path in the container, the file of docker/ that is mounted there."""
        return {volume.split(":")[1]: DOCKER / volume.split(":")[0]
                for volume in self.services[service]["volumes"] if volume.startswith(".")}

    def test_prometheus_finds_its_rules(self):
        asked = yaml.safe_load((DOCKER / "prometheus.yaml").read_text())["rule_files"]
        found = self.mounted("prometheus")
        for name in asked:
            rules = yaml.safe_load(found[f"/etc/prometheus/{name}"].read_text())
            self.assertTrue(all(group["rules"] for group in rules["groups"]))
        self.assertEqual(asked, ["alerts.yaml"])

    def test_grafana_finds_its_dashboard_and_that_its_source(self):
        provider, = yaml.safe_load((DOCKER / "grafana/dashboards.yaml").read_text())["providers"]
        path = provider["options"]["path"]
        dashboards = [file.read_text() for at, file in self.mounted("grafana").items()
                      if at.startswith(path + "/")]
        self.assertEqual(len(dashboards), 1)
        source, = yaml.safe_load((DOCKER / "grafana/datasource.yaml").read_text())["datasources"]
        asked = set(re.findall(r'"type": "prometheus",\s*"uid": "([^"]*)"', dashboards[0]))
        self.assertEqual(asked, {source["uid"]})

    def test_nothing_is_published_beyond_this_machine(self):
        for name, service in self.services.items():
            for port in service.get("ports", ()):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")

    def test_images_of_others_are_pinned(self):
        for name, service in self.services.items():
            if service["image"] != "braid":
                self.assertRegex(service["image"], r":v?\d+\.\d+", name)


if __name__ == "__main__":
    BRAID = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
