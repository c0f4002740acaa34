"""imsmanifest.xml: read from untrusted bytes into values, stored as JSON, summarised for the API.

`parse_manifest` reads, `launch` and `summarise` answer what the service needs, `to_json` and `from_json` keep the
whole of it for sequencing and the run-time.
"""

from server.domain.manifest.json_form import from_json, to_json
from server.domain.manifest.model import Edition, Item, Manifest, Organization, Resource
from server.domain.manifest.parse import parse_manifest
from server.domain.manifest.summary import LaunchTarget, check_readable, launch, summarise
from server.domain.manifest.unknown import describe_unknown

__all__ = [
    "Edition",
    "Item",
    "LaunchTarget",
    "Manifest",
    "Organization",
    "Resource",
    "check_readable",
    "describe_unknown",
    "from_json",
    "launch",
    "parse_manifest",
    "summarise",
    "to_json",
]
