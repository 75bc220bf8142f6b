#!/usr/bin/env python3
"""test_kubernetes.py - docker/kubernetes: manifests that the published schemas take, of settings that
Braid takes, and that agree with each other and with the image.

    test_kubernetes.py BRAID

The schemas are those that the package kubernetes-validate carries; nothing is fetched.
"""

import copy
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

try:
    import kubernetes_validate
    import yaml
except ImportError as missing:
    print(f"{missing}: ./run test installs it", file=sys.stderr)
    raise SystemExit(1 if os.environ.get("CI") == "true" else 77)

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSIONS = ("1.29", "1.37")
UNITS = {"Gi": 2**30, "Mi": 2**20}


def manifests():
    return [document for path in sorted((ROOT / "docker/kubernetes").glob("*.yaml"))
            for document in yaml.safe_load_all(path.read_text())]


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s|min|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "min": 60, "h": 3600}[unit]


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.all = manifests()
        cls.set = cls.one("StatefulSet")
        cls.pod = cls.set["spec"]["template"]
        cls.container, = cls.pod["spec"]["containers"]
        directory = tempfile.TemporaryDirectory(prefix="braid-kubernetes-")
        cls.addClassCleanup(directory.cleanup)
        cls.config = pathlib.Path(directory.name) / "braid.yaml"
        cls.config.write_text(cls.one("ConfigMap")["data"]["braid.yaml"])

    @classmethod
    def one(cls, kind, name="braid"):
        found, = [m for m in cls.all if (m["kind"], m["metadata"]["name"]) == (kind, name)]
        return found

    def check_config(self, name="braid-0"):
        """What Braid makes of the config map in a pod of that name."""
        environment = {variable["name"]: variable.get("value", name)
                       .replace("$(BRAID_KAFKA_INSTANCE)", name)
                       for variable in self.container["env"]}
        done = subprocess.run([BRAID, "check-config", "--config", self.config], env=environment,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(re.findall(r'^([\w.]+): "?(.*?)"?$', done.stdout, re.M))

    def test_the_published_schemas_take_them(self):
        kinds = {manifest["kind"] for manifest in self.all}
        self.assertEqual(kinds, {"ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service",
                                 "StatefulSet"})
        for version in VERSIONS:
            for manifest in self.all:
                kubernetes_validate.validate(manifest, version, strict=True)

    def test_a_mistake_is_seen(self):
        for place, value in ((("spec", "template", "spec", "terminationGracePeriodSecond"), 60),
                             (("spec", "replicas"), "two"), (("spec", "serviceNam"), "braid")):
            wrong = copy.deepcopy(self.set)
            at = wrong
            for name in place[:-1]:
                at = at[name]
            at[place[-1]] = value
            with self.assertRaises(kubernetes_validate.ValidationError):
                kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)

    def test_braid_takes_the_settings_and_the_pod_s_name_is_the_instance(self):
        told = self.check_config("braid-7")
        self.assertEqual(told["kafka.advertise"], "braid-7.braid-pods:9474")
        self.assertEqual(told["kafka.instance"], "braid-7")
        self.assertEqual(told["source.broker"], "kafka")
        instance, = [v for v in self.container["env"] if v["name"] == "BRAID_KAFKA_INSTANCE"]
        self.assertEqual(instance["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name")
        self.assertIs(self.pod["spec"]["enableServiceLinks"], False)

    def test_a_pod_has_the_time_to_end_its_transaction_and_the_memory_of_its_budget(self):
        told = self.check_config()
        self.assertGreater(self.pod["spec"]["terminationGracePeriodSeconds"],
                           2 * seconds(told["kafka.transaction_timeout"]))
        resources = self.container["resources"]
        limit = resources["limits"]["memory"]
        size, unit = re.fullmatch(r"(\d+)([A-Z]i)", limit).groups()
        budget, of = re.fullmatch(r"(\d+)([GM])B", told["job.memory"]).groups()
        self.assertGreaterEqual(int(size) * UNITS[unit], 1.25 * int(budget) * UNITS[of + "i"])
        self.assertEqual(resources["requests"]["memory"], limit)

    def test_what_is_kept_lies_in_the_claimed_volume(self):
        told = self.check_config()
        mounts = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
        claim, = self.set["spec"]["volumeClaimTemplates"]
        image = (ROOT / "docker/Dockerfile").read_text()
        self.assertEqual(mounts[claim["metadata"]["name"]],
                         re.search(r"^WORKDIR (/var\S*)$", image, re.M)[1])
        for option in ("state.dir", "model.dir"):  # relative: in the image's working directory
            self.assertRegex(told[option], r"^[^/]")
        self.assertIn(f"{mounts['config']}/braid.yaml", self.container["args"])
        user, group = re.search(r"^USER (\d+):(\d+)$", image, re.M).groups()
        security = self.pod["spec"]["securityContext"]
        self.assertEqual((security["runAsUser"], security["runAsGroup"], security["fsGroup"]),
                         (int(user), int(group), int(group)))

    def test_probes_and_services_find_the_port_where_braid_listens(self):
        port = int(self.check_config()["http.listen"].rsplit(":", 1)[1])
        named = {p["name"]: p["containerPort"] for p in self.container["ports"]}
        for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"),
                            ("readinessProbe", "/readyz")):
            asked = self.container[probe]["httpGet"]
            self.assertEqual((named[asked["port"]], asked["path"]), (port, path))
        for name in ("braid", "braid-pods"):
            service, = self.one("Service", name)["spec"]["ports"]
            self.assertEqual((service["port"], named[service["targetPort"]]), (port, port))
        allowed, = self.one("NetworkPolicy")["spec"]["ingress"]
        self.assertEqual([named[p["port"]] for p in allowed["ports"]], [port])

    def test_all_of_them_mean_the_same_pods(self):
        labels = self.pod["metadata"]["labels"].items()
        selectors = [self.set["spec"]["selector"]["matchLabels"],
                     self.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                     self.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
                     self.one("Service")["spec"]["selector"],
                     self.one("Service", self.set["spec"]["serviceName"])["spec"]["selector"]]
        for selector in selectors:
            self.assertTrue(selector and selector.items() <= labels, selector)
        self.assertEqual(self.one("Service", self.set["spec"]["serviceName"])["spec"]["clusterIP"],
                         "None")
        self.assertEqual(self.set["spec"]["podManagementPolicy"], "Parallel")
        self.assertEqual(self.one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1)


if __name__ == "__main__":
    BRAID = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
