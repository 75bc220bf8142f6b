#!/usr/bin/env python3
"""A real click log for the demo: MovieLens-100k as JSON lines in time order.

    events.py FOLDER CACHE

Writes FOLDER/events.jsonl and FOLDER/catalogue.tsv (item, title). The log is an example in the
Python package recbole, which is kept in CACHE; a wheel is a zip, and nothing of it is installed or
run. Where the package cannot be had, a log of the same size is made up, and a line says so.
"""

import json
import os
import random
import subprocess
import sys
import zipfile

PACKAGE = "recbole==1.2.1"
INSIDE = "recbole/dataset_example/ml-100k/ml-100k."


def kept(cache):
    return [os.path.join(cache, name) for name in os.listdir(cache) if name.startswith("recbole-")]


def download(cache):
    """The package's wheel."""
    if not kept(cache):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                        "--only-binary", ":all:", "--dest", cache, PACKAGE], check=True, timeout=120)
    return kept(cache)[0]


def table(wheel, kind):
    """The rows of one of its tab-separated tables, without the line that names the columns."""
    lines = wheel.read(INSIDE + kind).decode().splitlines()
    return [line.split("\t") for line in lines[1:]]


def movielens(cache):
    with zipfile.ZipFile(download(cache)) as wheel:
        genres, titles = {}, {}
        for item, title, year, genre in table(wheel, "item"):
            titles[item] = f"{title} ({year})"
            genres[item] = genre.split(" ")[0]
        events = [(int(float(time)), user, item, "like" if float(rating) >= 4 else "view",
                   genres.get(item, "")) for user, item, rating, time in table(wheel, "inter")]
    return sorted(events, key=lambda event: event[0]), titles


def made_up():
    """943 users with preferences, 1,682 items in 19 genres, 100,000 events."""
    draw = random.Random(1)
    titles = {str(i): f"Film {i}" for i in range(1, 1683)}
    events = []
    for number in range(100000):
        user = min(int(draw.expovariate(1 / 200)), 942)
        genre = (user * 7 + draw.choice((0, 0, 0, 1, 2))) % 19
        item = 1 + genre + 19 * min(int(draw.expovariate(1 / 15)), 87)
        action = draw.choice(("like", "view"))
        events.append((880000000 + 60 * number, str(user + 1), str(item), action, f"genre-{genre}"))
    return events, titles


def main(folder, cache):
    os.makedirs(folder, exist_ok=True)
    os.makedirs(cache, exist_ok=True)
    try:
        events, titles = movielens(cache)
        print(f"MovieLens-100k, out of {PACKAGE}")
    except (OSError, subprocess.SubprocessError, IndexError, KeyError, zipfile.BadZipFile) as why:
        events, titles = made_up()
        print(f"made up, since {PACKAGE} could not be had ({type(why).__name__}): a generated log")
    with open(os.path.join(folder, "events.jsonl"), "w", encoding="utf-8") as out:
        for time, user, item, action, genre in events:
            event = {"user": user, "item": item, "time": time, "action": action}
            if genre:
                event["category"] = genre
            out.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n")
    with open(os.path.join(folder, "catalogue.tsv"), "w", encoding="utf-8") as out:
        out.write("item\ttitle\n")
        for item, title in titles.items():
            out.write(f"{item}\t{title}\n")
    print(f"{len(events):,} events of {len({e[1] for e in events}):,} users on "
          f"{len({e[2] for e in events}):,} items")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
