#!/usr/bin/env python3
"""Reads a digest with none of our code and checks that it is what a mail must be.

Usage: check_digest.py MAIL.eml [ATTACHMENT …]      (exit 0 when all holds, 1 when not)

Checks: one header of each kind and none injected; alternatives of text and HTML; every word and figure that the HTML shows stands in the
text, and the other way round; the HTML runs nothing and loads nothing from elsewhere; the picture that it shows is there; the attachments
are the given files, byte for byte; the CSV has its columns, its order and plain numbers.
"""
import csv
import io
import re
import sys
from collections import Counter
from decimal import Decimal
from email import policy
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path

ONCE = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]
KNOWN = set(ONCE) | {"Auto-Submitted", "X-Apportion-Content"}
ELEMENTS = set("html head meta title style body table tr td th h1 h2 p div img a".split())


class Shown(HTMLParser):
    """Words that a reader sees, and what the page would load."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.words, self.sources, self.wrong, self.hidden = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        if tag not in ELEMENTS:
            self.wrong.append(f"element <{tag}>")
        for name, value in attributes:
            if name.startswith("on"):
                self.wrong.append(f"attribute {name}")
            if name in ("src", "href"):
                self.sources.append(value)
        self.hidden += tag in ("title", "style")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("title", "style")

    def handle_data(self, data):
        if not self.hidden:
            self.words += words(data)


def words(text):
    return [word for word in re.split(r"[ \t\r\n]+", text) if word]


def check_table(text, wrong):
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if rows[0] != ["BillingDate", "OU", "Service", "LinkedAccount", "DailyCost"]:
        wrong.append(f"columns {rows[0]}")
    keys = [(row[0], row[1], -Decimal(row[4]), row[2], row[3]) for row in rows[1:]]
    plain = [(row[0], row[1].encode(), -Decimal(row[4]), row[2].encode(), row[3]) for row in rows[1:]]
    if plain != sorted(plain):
        wrong.append("the rows are not sorted by date, OU, cost descending")
    if len(set(keys)) != len(keys):
        wrong.append("a row stands twice")
    for row in rows[1:]:
        if any(cell[:1] in tuple("=+-@\t\r\0") for cell in row[:4]) or not re.fullmatch(r"-?\d+\.\d{12}", row[4]):
            wrong.append(f"cells {row}")


def main(mail, files):
    message = BytesParser(policy=policy.default).parsebytes(Path(mail).read_bytes())
    wrong = [f"defect {defect!r}" for part in message.walk() for defect in part.defects]
    names = [name for name, _ in message.items()]
    wrong += [f"header {name} stands {names.count(name)} times" for name in ONCE if names.count(name) != 1]
    wrong += [f"header {name} does not belong" for name in names if name not in KNOWN]
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    shown = Shown()
    shown.feed(html)
    wrong += shown.wrong
    # Rules under headings and marks before notices are the text's own.
    said = [word for word in words(text) if not re.fullmatch(r"-+|!!|\*", word)]
    seen = [word for word in shown.words if not re.fullmatch(r"-+|!!|\*", word)]
    if Counter(said) != Counter(seen):
        wrong.append(f"only in the text: {list((Counter(said) - Counter(seen)))[:9]}; only in the HTML: {list((Counter(seen) - Counter(said)))[:9]}")
    ids = {part["Content-ID"].strip("<>") for part in message.walk() if part["Content-ID"]}
    for source in shown.sources:
        if not (source.startswith("cid:") and source[4:] in ids) and not source.startswith("https://"):
            wrong.append(f"loads {source[:80]}")
    attached = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    wanted = [Path(file).read_bytes() for file in files]
    if list(attached.values()) != wanted:
        wrong.append(f"attachments {list(attached)} are not the files given")
    for name, content in attached.items():
        if name.endswith(".csv"):
            check_table(content.decode("utf-8"), wrong)
    longest = max(len(line) for line in Path(mail).read_bytes().split(b"\r\n"))
    if longest > 998:
        wrong.append(f"a line of {longest} bytes")
    print(f"{mail}: {message['Subject']}: {len(seen)} words in both, {len(attached)} attachments: {'holds' if not wrong else 'WRONG'}")
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
