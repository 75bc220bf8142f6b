#!/usr/bin/env python3
"""The rules of CONTRIBUTING.md that a machine can check.

    lint.py CHECK ROOT [ARGUMENT]      one check; prints each violation as path:line: what, remedy
    lint.py list                       the checks

Each check is a function named check_* that yields violations. test_lint.py plants one of each kind
and sees it found. Standard library only, so that it runs before anything is installed.
"""

import collections
import glob
import json
import os
import re
import subprocess
import sys
import textwrap

FOLDERS = ("base", "config", "model", "state", "stream", "cli")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
README_LINES_MAX = 150
FOLDER_FILES_MAX = 50
TESTED_WITH = ("libcmocka-dev", "libopenblas-dev")  # the program links neither

# The rooms of model/ below its files: kernels see numbers only, ops on tensors see kernels.
KERNEL = ("base/", "model/kernel/")
TENSOR = KERNEL + ("model/tensor/",)

# The rooms of stream/, each with all that it may include: base <- source <- interests, and
# source <- broker (the seam) <- job, log_input <- verify, query. A folder with a star is its own
# files only.
SOURCE = ("base/", "config/", "state/history.h", "stream/source/")
INTERESTS = SOURCE + ("model/", "stream/interests/")
SEAM = SOURCE + ("state/", "stream/broker/*")
EXCHANGE = INTERESTS + SEAM + ("stream/exchange/",)
JOB = EXCHANGE + ("stream/job/",)
REPLAY = INTERESTS + SEAM + ("stream/replay/",)
INPUT = INTERESTS + SEAM + ("stream/log_input/",)

# Who may include whom. The longest matching prefix of a file's path decides.
LAYERS = {
    "base/": ("base/",),
    "config/": ("base/", "config/"),
    "state/": ("base/", "state/"),
    "model/": TENSOR + ("model/*",),
    "model/kernel/": KERNEL,
    "model/tensor/": TENSOR,
    "model/zoo/": TENSOR + ("model/zoo/", "model/*"),
    "model/eval/": TENSOR + ("model/eval/", "model/*"),
    "model/train/": TENSOR + ("model/eval/", "model/train/", "model/*"),
    "stream/source/": SOURCE,
    "stream/interests/": INTERESTS,
    "stream/broker/": SEAM,
    "stream/broker/file/": SEAM + ("stream/broker/file/",),
    "stream/broker/kafka/": SEAM + ("stream/broker/kafka/",),
    "stream/exchange/": EXCHANGE,
    "stream/job/": JOB,
    "stream/http/": INPUT + ("stream/learn/", "stream/query/", "stream/http/", "stream/job/job_view.",
                             "stream/job/store_leases."),
    "stream/learn/": INPUT + ("stream/exchange/", "stream/learn/"),
    "stream/log_input/": INPUT,
    "stream/log_input/log_input_file.": INPUT + ("stream/broker/file/",),
    "stream/log_input/log_input_kafka.": INPUT + ("stream/broker/kafka/",),
    "stream/query/": INPUT + ("stream/learn/", "stream/query/"),
    "stream/replay/": REPLAY,
    "stream/verify/": INPUT + ("stream/verify/",),
    "cli/": ("",),
    "tests/": ("",),
    "bench/": ("",),
}

# Headers of C, POSIX and the compiler; every other <header> is a third party's.
SYSTEM_HEADERS = set("""
    assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h limits.h locale.h math.h setjmp.h
    signal.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h
    time.h unistd.h fcntl.h dirent.h dlfcn.h fnmatch.h ftw.h getopt.h glob.h libgen.h malloc.h
    poll.h pthread.h sched.h strings.h termios.h netdb.h sys/eventfd.h sys/file.h sys/ioctl.h
    sys/mman.h sys/prctl.h sys/random.h sys/resource.h sys/select.h sys/signalfd.h sys/socket.h
    sys/stat.h sys/statvfs.h sys/syscall.h sys/time.h sys/types.h sys/uio.h sys/utsname.h sys/wait.h
    netinet/in.h arpa/inet.h immintrin.h xmmintrin.h cpuid.h
    algorithm atomic charconv chrono cstddef cstdint cstdio cstdlib cstring memory new string
    string_view utility vector
""".split())

# A call, and what to write instead.
BANNED_CALLS = {
    "rand": "base/random.h: seeded",
    "srand": "base/random.h: seeded",
    "random": "base/random.h: seeded",
    "drand48": "base/random.h: seeded",
    "time": "base/clock.h, or a time that is passed in",
    "gettimeofday": "base/clock.h",
    "strcpy": "memcpy with a checked size",
    "strcat": "snprintf",
    "strncpy": "memcpy with a checked size",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets or line_reader.h",
    "atoi": "strtol and a check",
    "atol": "strtol and a check",
    "atoll": "strtoll and a check",
    "atof": "strtod and a check",
    "strtok": "strtok_r",
    "gmtime": "gmtime_r",
    "localtime": "gmtime_r",
    "ctime": "strftime",
    "alloca": "an arena",
    "system": "nothing: Braid starts no programs",
    "popen": "nothing: Braid starts no programs",
    "assert": "REQUIRE, which stays in release builds",
}

# What people write: code, documents, configuration.
PROSE = (".c", ".h", ".cc", ".cpp", ".py", ".md", ".txt", ".cmake", ".yaml", ".json", ".proto",
         ".sh", ".env", "Dockerfile", "/run")

# Spelled in two halves, so that this file passes its own checks.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
USER_IS_IT = re.compile(r"(?<![A-Za-z])(h" r"e|h" r"is|h" r"im|h" r"imself|sh" r"e|h" r"ers?)"
                        r"(?![A-Za-z])", re.I)
BRITISH = re.compile(r"(behavi" r"our|neighb" r"our|col" r"our|normal" r"is(?:e|a)"
                     r"|initial" r"is(?:e|a)|optim" r"is(?:e|a)|minim" r"ise|recogn" r"ise)", re.I)
FAST_MATH = re.compile(r"-f" r"fast-math|-O" r"fast\b|-funsafe-math")


def walk(root, extensions=None, folders=None):
    """Paths of the project's files, relative to root, in a fixed order."""
    found = []
    for base, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in (".git", "build", ".cache", "__pycache__"))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(base, name), root)
            if extensions and not path.endswith(extensions):
                continue
            if folders and not path.startswith(tuple(f + "/" for f in folders)):
                continue
            found.append(path)
    return found


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def without_comments(text, strings=True):
    """Comments (and string contents, unless `strings`) blanked out, line numbers kept."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        piece = match.group()
        if piece[0] in "\"'":
            return piece if strings else piece[0] + piece[0]
        return re.sub(r"[^\n]", " ", piece)

    return token.sub(blank, text)


def sources(root, extensions=(".c", ".h", ".cc", ".cpp"), folders=FOLDERS + ("tests", "bench")):
    return walk(root, extensions, folders)


def includes(root, path, form):
    pattern = re.compile(r"^\s*#\s*include\s*" + form)
    for number, line in enumerate(without_comments(read(root, path)).split("\n"), 1):
        match = pattern.match(line)
        if match:
            yield number, match.group(1)


def layer_of(path):
    return max((l for l in LAYERS if path.startswith(l)), key=len, default=None)


def may_include(path, header):
    for allowed in LAYERS[layer_of(path)]:
        if allowed.endswith("/*"):  # files that lie directly in the folder
            if os.path.dirname(header) == allowed[:-2]:
                return True
        elif header.startswith(allowed):
            return True
    return False


def check_layers(root):
    """Each file includes only what LAYERS grants the room it lies in."""
    for path in sources(root):
        if layer_of(path) is None:
            yield f"{path}:1: lies in no room: see LAYERS in lint.py"
            continue
        for number, header in includes(root, path, r'"([^"]+)"'):
            if header.endswith(".pb-c.h"):
                continue  # generated by the build
            if not os.path.exists(os.path.join(root, header)):
                yield f"{path}:{number}: \"{header}\" is not written from the root of the project"
            elif not may_include(path, header):
                yield f"{path}:{number}: must not include \"{header}\": see LAYERS in lint.py"


def check_circles(root):
    """No headers that include each other, directly or around a corner."""
    graph = {path: [header for _, header in includes(root, path, r'"([^"]+)"')]
             for path in sources(root, (".h",))}
    entered, left = set(), set()

    def visit(path, trail):
        entered.add(path)
        for header in graph.get(path, ()):
            if header in entered and header not in left:
                circle = trail[trail.index(header):] + [header]
                yield f"{path}:1: includes {header} in a circle: {' -> '.join(circle)}"
            elif header not in entered:
                yield from visit(header, trail + [header])
        left.add(path)

    for path in sorted(graph):
        if path not in entered:
            yield from visit(path, [path])


def check_rooms(root):
    """A folder of the product with too many files to take in at once is divided into rooms."""
    counts = {}
    for path in sources(root, folders=FOLDERS):
        folder = os.path.dirname(path)
        counts[folder] = counts.get(folder, 0) + 1
    for folder, count in sorted(counts.items()):
        if count > FOLDER_FILES_MAX:
            yield f"{folder}:1: {count} source files, at most {FOLDER_FILES_MAX}: make rooms"


def check_suites(root):
    """Every test is named by a CMake file: one that is not would never run, without a sign."""
    named = {word for path in walk(root, (".txt", ".cmake"), ("tests",))
             for word in re.findall(r"[\w./]*\btest_\w+\.(?:c|py)\b", read(root, path))}
    named = {os.path.basename(word) for word in named}
    for path in walk(root, (".txt", ".cmake"), ("tests",)):
        for loop, body in re.findall(r"foreach\(module ([^)]*)\)(.*?)endforeach", read(root, path),
                                     re.S):
            if "test_${module}.c" in body:
                named.update(f"test_{module}.c" for module in loop.split())
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if re.search(r"\binclude\(.*\bOPTIONAL\b|\bif\(EXISTS\b", line):
                yield f"{path}:{number}: a suite that is missing must fail, not vanish"
    for path in walk(root, (".c", ".py"), ("tests",)):
        name = os.path.basename(path)
        if name.startswith("test_") and name not in named:
            yield f"{path}:1: no CMake file of tests/ names it: it never runs"


def check_includers(root):
    """A third-party header has one includer in the product. Tests and benches compare, and may."""
    includers = {}
    for path in sources(root, folders=FOLDERS):
        for number, header in includes(root, path, r"<([^>]+)>"):
            if header not in SYSTEM_HEADERS:
                includers.setdefault(header, []).append(f"{path}:{number}")
    for header, places in sorted(includers.items()):
        for place in places[1:]:
            yield f"{place}: <{header}> belongs to {places[0]} alone: go through its module"


def check_lengths(root):
    """Functions of at most 70 lines, files of at most 600, and a README read in one sitting."""
    readme = os.path.join(root, "README.md")
    lines = read(root, "README.md").count("\n") if os.path.exists(readme) else 0
    if lines > README_LINES_MAX:
        yield f"README.md:{lines}: {lines} lines, at most {README_LINES_MAX}: move it to docs/"
    paths = sources(root)
    for path in paths:
        lines = read(root, path).count("\n")
        if lines > FILE_LINES_MAX:
            yield f"{path}:{lines}: {lines} lines, at most {FILE_LINES_MAX}: split by idea"
    tags = subprocess.run(
        ["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f", "--kinds-C++=f",
         "--languages=C,C++", "--langmap=C:.c.h", "-f", "-", "-L", "-"],
        input="\n".join(paths), cwd=root, text=True, check=True, capture_output=True).stdout
    for tag in map(json.loads, tags.splitlines()):
        length = tag.get("end", tag["line"]) - tag["line"] + 1
        if length > FUNCTION_LINES_MAX:
            yield (f"{tag['path']}:{tag['line']}: {tag['name']} has {length} lines, "
                   f"at most {FUNCTION_LINES_MAX}: name its parts")


def check_calls(root):
    """No call whose failure or overflow goes unseen, and none that reads a hidden clock or seed."""
    call = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")
    for path in sources(root):
        code = without_comments(read(root, path), strings=False)
        for number, line in enumerate(code.split("\n"), 1):
            for match in call.finditer(line):
                name = match.group(1)
                yield f"{path}:{number}: {name}() is banned; use {BANNED_CALLS[name]}"


def check_words(root):
    """Nothing unfinished, and no flag that lets the compiler change arithmetic."""
    for path in walk(root, PROSE) + ["run"]:
        if not os.path.exists(os.path.join(root, path)):
            continue
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if UNFINISHED.search(line):
                yield f"{path}:{number}: unfinished: do it, or leave it out"
            if FAST_MATH.search(line) and path.endswith((".txt", ".cmake", "CMakePresets.json")):
                yield f"{path}:{number}: this flag breaks bit-identity; name the ones you need"


def check_prose(root):
    """A user is "it" or "the user", in names too, and the spelling is American."""
    for path in walk(root, PROSE) + ["run"]:
        if not os.path.exists(os.path.join(root, path)):
            continue
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if USER_IS_IT.search(line):
                yield f"{path}:{number}: {USER_IS_IT.search(line)[0]}: a user is 'it' or 'the user'"
            if BRITISH.search(line):
                yield f"{path}:{number}: {BRITISH.search(line)[0]}: the spelling is American"


# In documents: a link, a span of code, and a file of the tree within one (it may have stars).
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TREE_FILE = re.compile(r"[\w.*-]+(?:/[\w.*-]+)+\."
                       r"(?:c|cc|h|md|py|sh|cmake|txt|yaml|json|proto|env)")
NAME = re.compile(r"[a-z]\w*_\w+")


def anchors(root, path):
    """What a link can name behind the `#` of a document: its headings as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", read(root, path).lower(), re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().replace(" ", "-") for heading in headings}


def dead_link(root, path, target):
    if "://" in target or target.startswith("mailto:"):
        return False
    file, _, anchor = target.partition("#")
    file = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
    if not os.path.exists(os.path.join(root, file)):
        return True
    return bool(anchor) and anchor not in anchors(root, file)


def check_links(root):
    """Documents link to what exists, name files that exist, and tests that their files have."""
    for path in walk(root, (".md",)):
        for number, line in enumerate(read(root, path).split("\n"), 1):
            for target in LINK.findall(CODE.sub("", line)):
                if dead_link(root, path, target):
                    yield f"{path}:{number}: a dead link: {target}"
            test = ""  # the test file named last: the names behind it are its functions
            for span in CODE.findall(line):
                for file in filter(TREE_FILE.fullmatch, span.split()):
                    named = glob.glob(os.path.join(root, file))
                    if not named:
                        yield f"{path}:{number}: there is no file {file}"
                    test = file if named and file.startswith("tests/") else ""
                named = test and NAME.fullmatch(span)
                if named and not re.search(rf"\b{span}\b", read(root, test)):
                    yield f"{path}:{number}: {test} has no {span}"


# A quotation in a document: its language, the file that it is of, and its lines.
QUOTED_MAX = 20  # lines of one file in one document: what is longer is a link
QUOTE = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.M | re.S)


def check_quotes(root):
    """Code that a document quotes of a file is in the file, line by line, and short."""
    for path in walk(root, (".md",)):
        text, quoted = read(root, path), collections.Counter()
        for quote in QUOTE.finditer(text):
            _, file, lines = quote.groups()
            number = text.count("\n", 0, quote.start()) + 1
            if not os.path.exists(os.path.join(root, file)):
                yield f"{path}:{number}: there is no file {file}"
                continue
            quoted[file] += lines.count("\n")
            if quoted[file] > QUOTED_MAX:
                yield f"{path}:{number}: quotes {quoted[file]} lines of {file}, more than {QUOTED_MAX}"
            depths = {re.match("[ \t]*", line)[0] for line in read(root, file).split("\n")}
            if not any(textwrap.indent(lines, depth) in read(root, file) for depth in depths):
                yield f"{path}:{number}: these are not lines of {file}"


def check_format(root):
    """clang-format agrees. Only version 14, which .clang-format was written for, is asked."""
    tool = next((t for t in ("clang-format-14", "clang-format") if version_of(t) == "14"), None)
    if tool is None:
        print("skipped: clang-format 14 is not installed")
        return
    done = subprocess.run([tool, "--dry-run", "-Werror", *sources(root)], cwd=root, text=True,
                          capture_output=True, check=False)
    seen = set()
    for match in re.finditer(r"^(\S+?):(\d+):\d+: error:", done.stderr, re.M):
        if match.group(1) not in seen:  # the first place tells where to look
            seen.add(match.group(1))
            yield f"{match.group(1)}:{match.group(2)}: format it: {tool} -i {match.group(1)}"


def version_of(tool):
    try:
        said = subprocess.run([tool, "--version"], text=True, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"version (\d+)", said)
    return match and match.group(1)


def check_registry(root):
    """A model that the registry does not name, or without fixtures, would be served untested."""
    registry = read(root, "model/registry.c")
    fixtures = {os.path.basename(p).split(".")[0]
                for p in walk(root, (".safetensors",), ("tests/parity/fixtures",))}
    for path in walk(root, (".c",), ("model/zoo",)):
        defines = re.search(r"^const struct interest_ops (\w+) = \{(.*?)^\};", read(root, path),
                            re.M | re.S)
        if not defines:
            continue  # shared by several models
        if not re.search(rf"\b{defines.group(1)}\b", registry):
            yield f"{path}:1: {defines.group(1)} is not in model/registry.c"
        name = re.search(r'\.name\s*=\s*"([^"]+)"', defines.group(2))
        if not name or name.group(1) not in fixtures:
            yield f"{path}:1: no tests/parity/fixtures of this model: hold it to its mathematics"


def check_gradients(root):
    """An op without a gradient test, or a model that has parameters and cannot be trained."""
    tests = "".join(read(root, p) for p in walk(root, (".c",), ("tests/gradient",)))
    declared = re.compile(r"^(/\*(?:(?!\*/).)*\*/\n)?(?:struct tensor \*|void )(op_\w+)\(",
                          re.S | re.M)
    for path in walk(root, (".h",), ("model/tensor",)):
        text = read(root, path)
        for match in declared.finditer(text):
            serving = re.search(r"\bServing\b", match.group(1) or "")
            if not serving and not re.search(rf'"{match.group(2)}["\s]', tests):
                line = text.count("\n", 0, match.start(2)) + 1
                yield (f"{path}:{line}: no gradient test names {match.group(2)}: add a case, "
                       "or say in its comment that it is for Serving")
    for path in walk(root, (".c",), ("model/zoo",)):
        text = read(root, path)
        if "struct interest_ops" in text and "param_declare(" in text and ".steps =" not in text:
            yield f"{path}:1: a model with parameters and without steps: nothing could train them"


def check_reference(root, braid):
    """config/REFERENCE.md is what the option table says now."""
    said = subprocess.run([braid, "check-config", "--reference"], text=True, capture_output=True,
                          check=True).stdout
    if said != read(root, "config/REFERENCE.md"):
        yield "config/REFERENCE.md:1: stale: braid check-config --reference > config/REFERENCE.md"


def check_container(root, braid):
    """docker/: its settings are valid, its Kafka is the tests', its build has every library."""
    settings = dict(re.findall(r"^(BRAID_\w+)=(.*)$", read(root, "docker/braid.env"), re.M))
    checked = subprocess.run([braid, "check-config"], env=settings, text=True, capture_output=True)
    if checked.returncode != 0:
        yield f"docker/braid.env:1: {checked.stderr.strip()}"
    tested = re.search(r'^VERSION = .*"([\d.]+)"$', read(root, "tests/kafka/cluster.py"), re.M).group(1)
    for version in re.findall(r"apache/kafka:(\S+)", read(root, "docker/compose.yaml")):
        if version != tested:
            yield f"docker/compose.yaml:1: Kafka {version}: the tests run {tested}"
    context = read(root, "docker/Dockerfile.dockerignore").split("\n")
    for folder in re.findall(r"^add_subdirectory\((\w+)\)", read(root, "CMakeLists.txt"), re.M):
        if f"!{folder}" not in context:
            yield f"docker/Dockerfile.dockerignore:1: the build context lacks {folder}/"
    for library in re.findall(r"\blib[\w-]+-dev\b", read(root, "run")):
        if library not in TESTED_WITH and library not in read(root, "docker/Dockerfile"):
            yield f"docker/Dockerfile:1: the build stage lacks {library}, which ./run installs"


def check_fixtures(root):
    """Fixtures are the only binaries, and their README accounts for each."""
    folder = "tests/parity/fixtures"
    readme = folder + "/README.md"
    account = read(root, readme) if os.path.exists(os.path.join(root, readme)) else ""
    for path in walk(root):
        if os.path.dirname(path) == folder and path.endswith(".safetensors"):
            kind = os.path.basename(path).split(".")[0]
            named = kind.startswith("op-") and "op-<name>" in account
            if kind not in account and not named:
                yield f"{path}:1: {folder}/README.md does not say what {kind} is"
            continue
        with open(os.path.join(root, path), "rb") as file:
            start = file.read(8192)
        if b"\0" in start:
            yield f"{path}:1: a binary: generate it in the test"


def check_symbols(_root, build):
    """Serving calls nothing that dispatches at run time: no libm, no BLAS (invariant 3)."""
    serving = re.compile(r"/model(_kernels_\d+)?\.dir/"
                         r"(zoo/\w+|tensor/\w+|kernel/\w+|interest_\w+|item_table)\.c\.o$")
    objects = [os.path.join(base, name) for base, _, files in os.walk(build) for name in files]
    plan = os.path.join(build, "build.ninja")
    planned = read(build, "build.ninja") if os.path.exists(plan) else None
    # What an earlier build left behind is part of nothing.
    objects = sorted(o for o in objects if serving.search(o)
                     and (planned is None or os.path.relpath(o, build) in planned))
    for library in ("model", "model_kernels_256", "model_kernels_512"):
        if not any(f"/{library}.dir/" in path for path in objects):
            yield f"{build}:1: no serving objects of {library}: mend the pattern in lint.py"
    banned = libm_functions()
    for path in objects:
        names = subprocess.run(["nm", "-u", path], text=True, capture_output=True, check=True).stdout
        for name in names.split():
            if name in banned or name.startswith(("cblas_", "openblas_", "sgemm_", "sgemv_")):
                yield f"{os.path.relpath(path, build)}:1: calls {name}: its bits differ by machine"


def libm_functions():
    """What libm exports and libc does not."""
    exports = {}
    for library in ("libm.so.6", "libc.so.6"):
        path = subprocess.run(["cc", f"-print-file-name={library}"], text=True, capture_output=True,
                              check=True).stdout.strip()
        said = subprocess.run(["nm", "-D", "--defined-only", path], text=True, capture_output=True,
                              check=True).stdout
        exports[library] = {line.split()[-1].split("@")[0] for line in said.splitlines()}
    return exports["libm.so.6"] - exports["libc.so.6"]


CHECKS = {name[len("check_"):]: function for name, function in list(globals().items())
          if name.startswith("check_")}


def main(arguments):
    if arguments == ["list"]:
        print("\n".join(CHECKS))
        return 0
    if len(arguments) < 2 or arguments[0] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    violations = sorted(set(CHECKS[arguments[0]](*arguments[1:])))
    for violation in violations:
        print(violation)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
