#!/usr/bin/env python3
"""test_alerts.py - Prometheus takes the rules of docker/alerts.yaml; each fires when it should, and else not.

promtool, of Debian's prometheus, is where ./run test puts it. Exit code 77: there is none, which is a
failure where CI says so.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMTOOL = shutil.which("promtool") or shutil.which(ROOT / ".cache/prometheus/usr/bin/promtool")
if not PROMTOOL:
    print("no promtool: ./run test fetches it", file=sys.stderr)
    raise SystemExit(1 if os.environ.get("CI") == "true" else 77)

ALERTS = ROOT / "docker/alerts.yaml"
POD = 'instance="a"'


def bucket(name, share_above):
    """Samples of a histogram in which that share of what comes is above all but the last bound."""
    return {f'{name}_bucket{{{POD},le="1"}}': f"0+{100 - share_above}x60",
            f'{name}_bucket{{{POD},le="1000"}}': "0+100x60",
            f'{name}_bucket{{{POD},le="+Inf"}}': "0+100x60"}


# By alert: after how many minutes it is looked at, samples with which it fires by then, and some with
# which it does not. A sample is a minute's, or what is looked at after hours has one each 4 minutes.
CASES = {
    "BraidDown": (60, {f'up{{job="braid",{POD}}}': "0x60"}, {f'up{{job="braid",{POD}}}': "1x60"}),
    "BraidDoesNotCommit": (60,
                           {f"braid_commits_total{{{POD}}}": "7x60",
                            f"braid_source_lag_records{{{POD}}}": "5x60"},
                           {f"braid_commits_total{{{POD}}}": "7x60",
                            f"braid_source_lag_records{{{POD}}}": "0x60"}),
    "BraidEventsLost": (60, {f"braid_lost_events_total{{{POD}}}": "0x55 9x4"},
                        {f"braid_lost_events_total{{{POD}}}": "9x60"}),
    "BraidRestoresForLong": (60, {f'braid_partitions{{{POD},state="restoring"}}': "2x60"},
                             {f'braid_partitions{{{POD},state="restoring"}}': "2x50 0x9"}),
    "BraidFallsBehind": (60, {f"braid_source_lag_records{{{POD}}}": "200000+100x60"},
                         {f"braid_source_lag_records{{{POD}}}": "900000-100x60"}),
    "BraidDeadLetters": (60,
                         {f'braid_events_total{{{POD},verdict="accepted"}}': "0+90x60",
                          f'braid_events_total{{{POD},verdict="malformed"}}': "0+10x60"},
                         {f'braid_events_total{{{POD},verdict="accepted"}}': "0+90x60",
                          f'braid_events_total{{{POD},verdict="dropped"}}': "0+90x60",
                          f'braid_events_total{{{POD},verdict="malformed"}}': "0+1x60"}),
    "BraidLosesPartitions": (60, {f'braid_rebalances_total{{{POD},kind="lost"}}': "0x50 1x9"},
                             {f'braid_rebalances_total{{{POD},kind="revoked"}}': "0x50 1x9"}),
    "BraidAborts": (60, {f"braid_aborts_total{{{POD}}}": "0+1x60"},
                    {f"braid_aborts_total{{{POD}}}": "0x50 1x9"}),
    "BraidCommitsAreSlow": (60, bucket("braid_commit_seconds", 5),
                            bucket("braid_commit_seconds", 0)),
    "BraidCommitHangs": (60, {f'braid_transactions{{{POD},state="committing"}}': "1x60"},
                         {f'braid_transactions{{{POD},state="committing"}}': "0 1 " * 30 + "0"}),
    "BraidStoresStall": (60, {f'braid_stores_stalled{{{POD},how="stopped"}}': "3x60"},
                         {f'braid_stores_stalled{{{POD},how="delayed"}}': "3x60"}),
    "BraidStale": (60, bucket("braid_freshness_seconds", 5), bucket("braid_freshness_seconds", 0)),
    "BraidMemory": (60,
                    {f"process_resident_memory_bytes{{{POD}}}": "130x60",
                     f"braid_memory_budget_bytes{{{POD}}}": "100x60"},
                    {f"process_resident_memory_bytes{{{POD}}}": "120x60",
                     f"braid_memory_budget_bytes{{{POD}}}": "100x60"}),
    "BraidUnknownItems": (240,
                          {f"braid_unknown_item_events_total{{{POD}}}": "0+40x60",
                           f'braid_events_total{{{POD},verdict="accepted"}}': "0+100x60"},
                          {f"braid_unknown_item_events_total{{{POD}}}": "0+20x60",
                           f'braid_events_total{{{POD},verdict="accepted"}}': "0+100x60"}),
    "BraidTrainingFails": (60, {f"braid_training_rounds_failed_total{{{POD}}}": "0x10 1x20 3x30"},
                           {f"braid_training_rounds_failed_total{{{POD}}}": "5x60"}),
    "BraidGenerationsDiffer": (240,
                               {f"braid_generation{{{POD}}}": "3x60",
                                'braid_generation{instance="b"}': "4x60"},
                               {f"braid_generation{{{POD}}}": "3x55 4x4",
                                'braid_generation{instance="b"}': "3x54 4x5"}),
    "BraidWorseThanCounting": (25 * 60,
                               {f'braid_counting_ndcg{{{POD},by="popularity"}}': "0.2x400",
                                f'braid_prequential_ndcg{{{POD},users="all"}}': "0.1x400"},
                               {f'braid_counting_ndcg{{{POD},by="popularity"}}': "0.1x400",
                                f'braid_prequential_ndcg{{{POD},users="all"}}': "0.2x400"}),
}

# Others: an alert, after how many minutes, the samples, and whether it fires.
OTHERS = [
    ("BraidEventsLost", 10, {f"braid_lost_events_total{{{POD}}}": "9x60"}, True),  # lost at its start
    ("BraidGenerationsDiffer", 240, {'braid_generation{job="old"}': "3x60",
                                     'braid_generation{job="new"}': "4x60"}, False),
    ("BraidWorseThanCounting", 25 * 60,
     {'braid_counting_ndcg{job="old",by="popularity"}': "0.1x400",
      'braid_prequential_ndcg{job="old",users="all"}': "0.4x400",
      'braid_counting_ndcg{job="new",by="popularity"}': "0.3x400",
      'braid_prequential_ndcg{job="new",users="all"}': "0.2x400"}, True),
]


def run(*arguments):
    return subprocess.run([PROMTOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def test_of(name, minutes, series, fires):
    """What promtool is to find."""
    return {"interval": "4m" if minutes > 60 else "1m",
            "input_series": [{"series": of, "values": values} for of, values in series.items()],
            "promql_expr_test": [
                {"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
                 "eval_time": f"{minutes}m",
                 "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]}


def try_rules(tests):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump({"rule_files": [str(ALERTS)], "evaluation_interval": "2m", "tests": tests}, file)
        file.flush()
        return run("test", "rules", file.name)


class Alerts(unittest.TestCase):
    def test_prometheus_takes_the_rules(self):
        done = run("check", "rules", ALERTS)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_each_fires_when_it_should_and_else_not(self):
        names = re.findall(r"- alert: (\w+)", ALERTS.read_text())
        self.assertEqual(sorted(names), sorted(CASES))
        tests = [test_of(name, minutes, series, fires)
                 for name, (minutes, *both) in CASES.items()
                 for series, fires in zip(both, (True, False))]
        tests += [test_of(*other) for other in OTHERS]
        done = try_rules(tests)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_only_what_becomes_a_dead_letter_is_counted_as_one(self):
        verdicts = re.search(r"enum event_verdict \{(.*?)EVENT_MALFORMED",
                             (ROOT / "stream/source/event.h").read_text(), re.S)[1]
        good = {name.lower() for name in re.findall(r"^ +EVENT_(\w+),", verdicts, re.M)}
        passed, = re.findall(r'verdict!~"([\w|]+)"', ALERTS.read_text())
        self.assertEqual(set(passed.split("|")), good)

    def test_an_alert_that_does_not_fire_is_seen(self):
        minutes, fires, quiet = CASES["BraidDown"]
        for series, expected in ((fires, False), (quiet, True)):
            self.assertNotEqual(try_rules([test_of("BraidDown", minutes, series, expected)])
                                .returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
