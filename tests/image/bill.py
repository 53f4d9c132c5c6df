"""Holds a bill of materials against the schema of CycloneDX, and sees that it names what the module is made of: bill.py FILE"""

import json
import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = pathlib.Path(sys.argv[1]).read_text()
validator = JsonStrictValidator(SchemaVersion.V1_5)
if error := validator.validate_str(text):
    sys.exit(f"{sys.argv[1]}: {error}")
# The validator can refuse: a component without a name is none.
broken = json.loads(text)
del broken["components"][0]["name"]
if not validator.validate_str(json.dumps(broken)):
    sys.exit("the validator takes anything")
names = {component["name"] for component in json.loads(text)["components"]}
missing = {"proxy-wasm", "serde_json", "jsonschema", "regex"} - names
unasked = {"clap", "wasm-bindgen-test", "rustls"} & names
if missing or unasked:
    sys.exit(f"{sys.argv[1]}: without {missing}, with {unasked}")
print(f"{len(names)} components, by the schema of CycloneDX 1.5")
