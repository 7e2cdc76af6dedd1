"""Prints the input of Lambda's CreateFunction: package.py NAME BINARY SETTING=VALUE…"""

import base64
import io
import json
import sys
import zipfile

name, binary, *settings = sys.argv[1:]
package = io.BytesIO()
entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
entry.external_attr, entry.create_system, entry.compress_type = 0o100755 << 16, 3, zipfile.ZIP_DEFLATED
with open(binary, "rb") as file, zipfile.ZipFile(package, "w") as archive:
    archive.writestr(entry, file.read(), compresslevel=1)
json.dump(
    {
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": "arn:aws:iam::123456789012:role/mapper",
        "Timeout": 60,
        "MemorySize": 512,
        "Code": {"ZipFile": base64.b64encode(package.getvalue()).decode()},
        "Environment": {"Variables": dict(setting.split("=", 1) for setting in settings)},
    },
    sys.stdout,
)
