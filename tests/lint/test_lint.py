#!/usr/bin/env python3
"""test_lint.py - each check of lint.py finds the violation that is planted for it."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lint


class Lint(unittest.TestCase):
    def found(self, check, files, *arguments):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)) or root, exist_ok=True)
                with open(os.path.join(root, path), "wb") as file:
                    file.write(text if isinstance(text, bytes) else text.encode())
            return list(lint.CHECKS[check](root, *arguments))

    def test_quotation_that_is_not_in_its_file(self):
        code = {"a/b.py": "def f():\n    a = 1\n    b = 2\n"}
        for lines, expected in (("a = 1\nb = 2\n", 0), ("    a = 1\n", 0), ("a = 2\n", 1),
                                ("b = 2\na = 1\n", 1)):
            files = dict(code, **{"a.md": f"Text\n```python a/b.py\n{lines}```\n"})
            found = self.found("quotes", files)
            self.assertEqual(len(found), expected, lines)
            self.assertTrue(all("a.md:2" in line for line in found))
        self.assertEqual(len(self.found("quotes", {"a.md": "```go b.go\nx\n```\n"})), 1)
        self.assertEqual(self.found("quotes", {"a.md": "```python\nx\n```\n"}), [])
        for count in 20, 21:
            lines = "x\n" * count
            found = self.found("quotes", {"b.go": lines, "a.md": f"```go b.go\n{lines}```\n"})
            self.assertEqual(len(found), count - 20)

    def test_model_that_includes_state(self):
        found = self.found("layers", {"model/a.c": '\n#include "state/b.h"\n', "state/b.h": ""})
        self.assertEqual(len(found), 1)
        self.assertIn("model/a.c:2", found[0])

    def test_tensor_that_includes_its_users(self):
        files = {"model/tensor/a.c": '#include "model/zoo/b.h"\n', "model/zoo/b.h": ""}
        self.assertEqual(len(self.found("layers", files)), 1)

    def test_rooms_of_the_stream(self):
        headers = {path: "" for path in (
            "model/a.h", "state/a.h", "state/history.h", "cli/a.h", "stream/source/a.h",
            "stream/interests/a.h", "stream/broker/a.h", "stream/broker/file/a.h",
            "stream/broker/kafka/a.h", "stream/job/a.h", "stream/learn/a.h", "stream/log_input/a.h",
            "stream/query/a.h", "stream/verify/a.h")}
        granted = (("source", "state/history.h"), ("interests", "model/a.h"),
                   ("broker", "stream/source/a.h"), ("broker/file", "stream/broker/a.h"),
                   ("broker/kafka", "state/a.h"), ("job", "stream/interests/a.h"),
                   ("learn", "stream/source/a.h"), ("query", "stream/learn/a.h"),
                   ("verify", "stream/log_input/a.h"), ("query", "stream/log_input/a.h"),
                   ("log_input", "stream/broker/a.h"))
        refused = (("source", "model/a.h"), ("source", "state/a.h"),
                   ("source", "stream/interests/a.h"), ("interests", "stream/broker/a.h"),
                   ("broker", "stream/interests/a.h"), ("broker", "stream/broker/file/a.h"),
                   ("broker/file", "stream/broker/kafka/a.h"), ("broker/file", "model/a.h"),
                   ("broker/kafka", "stream/broker/file/a.h"), ("job", "stream/broker/kafka/a.h"),
                   ("job", "stream/query/a.h"), ("learn", "stream/job/a.h"),
                   ("query", "cli/a.h"), ("verify", "stream/job/a.h"),
                   ("query", "stream/broker/file/a.h"), ("verify", "stream/broker/kafka/a.h"),
                   ("log_input", "stream/broker/file/a.h"), ("log_input", "stream/verify/a.h"))
        for expected, pairs in ((0, granted), (1, refused)):
            for room, header in pairs:
                files = dict(headers, **{f"stream/{room}/b.c": f'#include "{header}"\n'})
                self.assertEqual(len(self.found("layers", files)), expected, (room, header))

    def test_only_an_input_sees_its_back_end(self):
        headers = {"stream/broker/file/a.h": "", "stream/broker/kafka/a.h": ""}
        for own, other in (("file", "kafka"), ("kafka", "file")):
            path = f"stream/log_input/log_input_{own}.c"
            for back_end, expected in ((own, 0), (other, 1)):
                text = f'#include "stream/broker/{back_end}/a.h"\n'
                files = dict(headers, **{path: text})
                self.assertEqual(len(self.found("layers", files)), expected, (own, back_end))

    def test_file_in_no_room(self):
        self.assertEqual(len(self.found("layers", {"stream/a.c": ""})), 1)

    def test_headers_in_a_circle(self):
        files = {"base/a.h": '#include "base/b.h"\n', "base/b.h": '#include "base/c.h"\n',
                 "base/c.h": '#include "base/a.h"\n', "base/d.h": '#include "base/a.h"\n'}
        found = self.found("circles", files)
        self.assertEqual(len(found), 1)
        self.assertIn("base/a.h -> base/b.h -> base/c.h -> base/a.h", found[0])

    def test_folder_without_rooms(self):
        files = {f"base/{i}.c": "" for i in range(51)}
        self.assertEqual(len(self.found("rooms", files)), 1)

    def test_suite_that_is_never_run(self):
        files = {"tests/unit/CMakeLists.txt": "include(a.cmake OPTIONAL)\n",
                 "tests/unit/a.cmake": "braid_test(unit.a test_a.c)\nforeach(module b c)\n"
                                       "  braid_test(unit.${module} test_${module}.c)\nendforeach()\n",
                 **{f"tests/unit/test_{name}.c": "" for name in "abcd"}}
        found = self.found("suites", files)
        self.assertEqual(len(found), 2)
        self.assertIn("tests/unit/test_d.c", found[1])

    def test_tensor_that_includes_the_model_above_it(self):
        files = {"model/tensor/a.c": '#include "model/b.h"\n#include "model/tensor/c.h"\n',
                 "model/b.h": "", "model/tensor/c.h": ""}
        found = self.found("layers", files)
        self.assertEqual(len(found), 1)
        self.assertIn("model/tensor/a.c:1", found[0])

    def test_evaluation_that_includes_training(self):
        files = {"model/eval/a.c": '#include "model/train/b.h"\n', "model/train/b.h": ""}
        self.assertEqual(len(self.found("layers", files)), 1)

    def test_model_that_includes_one_of_the_zoo(self):
        files = {"model/a.c": '#include "model/zoo/b.h"\n', "model/zoo/b.h": ""}
        self.assertEqual(len(self.found("layers", files)), 1)

    def test_include_beside_the_file(self):
        self.assertEqual(len(self.found("layers", {"base/a.c": '#include "b.h"\n', "base/b.h": ""})), 1)

    def test_second_includer(self):
        files = {"state/a.c": "#include <rocksdb/c.h>\n", "stream/b.c": "#include <rocksdb/c.h>\n",
                 "bench/c.c": "#include <rocksdb/c.h>\n#include <stdio.h>\n"}
        found = self.found("includers", files)
        self.assertEqual(len(found), 1)
        self.assertIn("stream/b.c:1", found[0])

    def test_long_function_and_file(self):
        body = "void f(void)\n{\n" + "    g();\n" * 70 + "}\n"
        self.assertEqual(len(self.found("lengths", {"base/a.c": body})), 1)
        self.assertEqual(len(self.found("lengths", {"base/a.c": "\n" * 601})), 1)
        self.assertEqual(len(self.found("lengths", {"README.md": "\n" * 151})), 1)
        self.assertEqual(self.found("lengths", {"README.md": "\n" * 150}), [])

    def test_user_who_is_no_it_and_british_spelling(self):
        files = {"stream/a.c": "/* a user and h" "is events */\n/* this, the whistle, a hero */\n",
                 "tests/b.c": "static void a_user_keeps_all_h" "is_events(void **state)\n",
                 "README.md": "H" "e clicks.\nA behavi" "our.\n"}
        found = self.found("prose", files)
        self.assertEqual(sorted(line.split(": ")[0] for line in found),
                         ["README.md:1", "README.md:2", "stream/a.c:1", "tests/b.c:1"])

    def test_dead_links_files_and_tests_of_documents(self):
        files = {"README.md": "[a](docs/a.md) [b](docs/b.md) [c](docs/a.md#so-it-is) [d](#no)\n"
                              "[e](https://a.b/c) `x = a[i](j)`\n"
                              "`base/a.c` `base/b.c` `sh docker/c.sh` `base/*.c` `output/a.jsonl`\n"
                              "`tests/a.c`: `it_holds`, `it_is_gone`; `base/a.c`: `some_name`\n",
                 "docs/a.md": "# So it is\n[up](../README.md) [not up](README.md)\n",
                 "base/a.c": "", "tests/a.c": "static void it_holds(void **state)\n"}
        found = sorted(self.found("links", files))
        self.assertEqual([line.split(": ", 1)[1] for line in found],
                         ["a dead link: #no", "a dead link: docs/b.md", "there is no file base/b.c",
                          "there is no file docker/c.sh", "tests/a.c has no it_is_gone",
                          "a dead link: README.md"])

    def test_banned_calls_but_not_words_or_members(self):
        found = self.found("calls", {"base/a.c": "/* rand() */\nint x = rand();\np->time(1);\n"
                                                 "clock_time(2); const char *s = \"gets(\";\n"})
        self.assertEqual(len(found), 1)
        self.assertIn("base/a.c:2", found[0])

    def test_unfinished_work_and_flags(self):
        files = {"base/a.c": "/* TO" "DO: later */\n", "CMakeLists.txt": "add(-f" "fast-math)\n"}
        self.assertEqual(len(self.found("words", files)), 2)

    def test_format(self):
        if lint.version_of("clang-format-14") != "14" and lint.version_of("clang-format") != "14":
            self.skipTest("clang-format 14 is not installed")
        self.assertTrue(self.found("format", {"base/a.c": "int   x  ;\n"}))

    def test_model_without_registration_or_parity(self):
        model = "const struct interest_ops mind_ops = {\n    .name = \"mind\",\n};\n"
        files = {"model/registry.c": "", "model/zoo/mind.c": model}
        self.assertEqual(len(self.found("registry", files)), 2)
        files = {"model/registry.c": "&mind_ops,", "model/zoo/mind.c": model,
                 "tests/parity/fixtures/mind.default.safetensors": b"\0"}
        self.assertEqual(self.found("registry", files), [])

    def test_op_without_gradient_test_and_model_without_steps(self):
        header = ("/* One. */\nstruct tensor *op_a(void);\n\n/* Two. Serving. */\nvoid op_b(void);\n"
                  "\n/* Three. */\nvoid op_c(void);\n")
        model = "const struct interest_ops a_ops = {\n};\nparam_declare();\n"
        files = {"model/tensor/op.h": header, "tests/gradient/test_ops.c": '{"op_a", 0},\n',
                 "model/zoo/a.c": model}
        found = self.found("gradients", files)
        self.assertEqual(len(found), 2)
        self.assertIn("model/tensor/op.h:8", found[0])

    def test_stray_binary_and_unnamed_fixture(self):
        files = {"a.bin": b"\0\1", "tests/parity/fixtures/README.md": "| `limarec` |",
                 "tests/parity/fixtures/limarec.a.safetensors": b"\0",
                 "tests/parity/fixtures/other.a.safetensors": b"\0"}
        self.assertEqual(len(self.found("fixtures", files)), 2)

    def test_container_that_fell_behind(self):
        files = {"docker/braid.env": "BRAID_JOB_WORKERS=0\n",
                 "docker/compose.yaml": "image: apache/kafka:3.9.1\n",
                 "docker/Dockerfile": "RUN apt-get install zlib1g-dev\n",
                 "docker/Dockerfile.dockerignore": "*\n!base\n",
                 "CMakeLists.txt": "add_subdirectory(base)\nadd_subdirectory(cli)\n",
                 "tests/kafka/cluster.py": 'VERSION = os.environ.get("KAFKA_VERSION") or "3.9.2"\n',
                 "run": "packages=(libcmocka-dev libyaml-dev zlib1g-dev)\n"}
        self.assertEqual(len(self.found("container", files, "true")), 3)
        self.assertEqual(len(self.found("container", files, "false")), 4)

    def test_libm_call_while_serving(self):
        with tempfile.TemporaryDirectory() as build:
            source = os.path.join(build, "a.c")
            with open(source, "w", encoding="utf-8") as file:
                file.write("float expf(float); float f(float x);\nfloat f(float x) { return expf(x); }\n")
            for place in ("model.dir/zoo", "model_kernels_256.dir/tensor"):
                folder = os.path.join(build, "model/CMakeFiles", place)
                os.makedirs(folder)
                os.system(f"cc -c {source} -o {folder}/a.c.o")
            found = list(lint.check_symbols(".", build))
            self.assertEqual(sum("calls expf" in said for said in found), 2)
            self.assertEqual(sum("no serving objects of model_kernels_512" in s for s in found), 1)
            self.assertEqual(len(found), 3)


if __name__ == "__main__":
    unittest.main()
