"""Whether what the stand-in for SES took is a mail that lies in a file. usage: same_mail.py MAIL.eml STORE.json

Read by Python's own parser. The stand-in puts pictures into the page itself, so pages are compared without the addresses of pictures.
"""
import base64
import json
import re
import sys
from email import policy
from email.parser import BytesParser
from email.utils import parseaddr

mail = BytesParser(policy=policy.default).parse(open(sys.argv[1], "rb"))
sent = json.load(open(sys.argv[2]))["emails"]
assert len(sent) == 1, f"{len(sent)} mails were sent"
sent = sent[0]


def lines(text):
    return [line.rstrip() for line in text.strip().splitlines()]


def page(text):
    return lines(re.sub(r'src="[^"]*"', 'src=""', text))


assert sent["subject"] == mail["Subject"], sent["subject"]
assert parseaddr(sent["from"]) == parseaddr(mail["From"]), sent["from"]
addresses = [address.strip() for to in sent["destination"]["to"] for address in to.split(",")]
assert addresses == [address.addr_spec for address in mail["To"].addresses], addresses
assert lines(sent["body"]["text"]) == lines(mail.get_body(("plain",)).get_content()), "the text differs"
assert page(sent["body"]["html"]) == page(mail.get_body(("html",)).get_content()), "the page differs"
parts = [part for part in mail.walk() if part.get_content_disposition() in ("attachment", "inline") and part.get_filename() or part["Content-ID"]]
given = [(part.get_content_type(), part.get_filename(), part.get_payload(decode=True)) for part in parts]
taken = [(one["contentType"], one.get("filename"), base64.b64decode(one["content"])) for one in sent["attachments"]]
assert given == taken, f"attachments differ: {[one[:2] for one in given]} {[one[:2] for one in taken]}"
assert len(given) == 3, f"{len(given)} attachments: a picture, the CSV and the page for executives are due"
