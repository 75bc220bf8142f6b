#!/usr/bin/env python3
"""test_manual.py - the man page and bash's completion: made of the program's own tables, and usable.

    test_manual.py BRAID
"""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest


def said(*words):
    return subprocess.run([BRAID, *words], capture_output=True, text=True, check=True).stdout


def commands():
    return re.findall(r"^  ([a-z-]+) ", said("--help").split("A first run")[0], re.M)


def settings():
    return re.findall(r"^\| `([a-z_.0-9]+)` \|", said("check-config", "--reference"), re.M)


class Man(unittest.TestCase):
    def test_the_page_that_was_built_is_what_the_program_says(self):
        self.assertEqual((BRAID.parent / "braid.1").read_text(), said("help", "man"))
        self.assertEqual((BRAID.parent / "braid.bash").read_text(), said("help", "completion"))

    def test_every_command_and_setting_is_in_it(self):
        page = said("help", "man").replace(r"\-", "-")
        for command in commands():
            self.assertIn(f"\n.SS {command}\n", page)
        self.assertGreater(len(settings()), 80)
        for setting in settings():
            self.assertIn(f"\n\\fB{setting}\\fR = ", page)

    def test_groff_has_nothing_to_say_of_it(self):
        if not shutil.which("groff"):
            self.skipTest("no groff")
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-c"], input=said("help", "man"),
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        shown = re.sub(r"\s+", " ", re.sub(".\x08", "", done.stdout))
        for text in ("SETTINGS", "braid run --config", "log.format = text", "json or logfmt"):
            self.assertTrue(text in shown, text)


class Completion(unittest.TestCase):
    def completed(self, line):
        script = """
            source /dev/stdin <<<"$1"
            COMP_LINE=$2 COMP_POINT=${#2}
            read -ra COMP_WORDS <<<"$2"
            [[ $2 != *' ' ]] || COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _braid
            printf '%s\\n' "${COMPREPLY[@]}" """
        done = subprocess.run(["bash", "-uc", script, "bash", said("help", "completion"), line],
                              capture_output=True, text=True, cwd=pathlib.Path(__file__).parent)
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        return done.stdout.split()

    def test_commands(self):
        self.assertEqual(sorted(self.completed("braid ")), sorted([*commands(), "help"]))
        self.assertEqual(self.completed("braid check"), ["check-config"])

    def test_settings_and_a_command_s_own_options(self):
        self.assertEqual(self.completed("braid run --log.f"), ["--log.format="])
        found = self.completed("braid recommend --")
        self.assertTrue({"--user", "--top", "--state.dir", "--config"} <= set(found), found)
        self.assertEqual(len(found), len(set(found)))
        self.assertNotIn("--log.format", self.completed("braid version --"))

    def test_values(self):
        self.assertEqual(self.completed("braid run --log.format="), ["text", "json", "logfmt"])
        self.assertEqual(self.completed("braid run --state.dir=x --log.quiet=t"), ["true"])

    def test_files_elsewhere(self):
        own = pathlib.Path(__file__).name
        self.assertEqual(self.completed(f"braid run --source.path={own[:-2]}"), [own])
        self.assertEqual(self.completed(f"braid run --config {own[:-2]}"), [own])


if __name__ == "__main__":
    BRAID = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
