"""Says what an archive without a SCORM manifest looks like."""

from collections.abc import Collection

_AICC = (".crs", ".au", ".des", ".cst")


def describe_unknown(names: Collection[str]) -> str:
    """One sentence on what an archive of these files seems to be, and why it is refused."""
    bases = {name.rpartition("/")[2].lower() for name in names}
    endings = {"." + base.rpartition(".")[2] for base in bases if "." in base}
    if "cmi5.xml" in bases:
        return "This looks like a cmi5 course (cmi5.xml); only SCORM packages with an imsmanifest.xml are accepted"
    if "tincan.xml" in bases:
        return (
            "This looks like an xAPI (Tin Can) package (tincan.xml); "
            "only SCORM packages with an imsmanifest.xml are accepted"
        )
    if ".crs" in endings or len(endings.intersection(_AICC)) >= 2:
        return (
            "This looks like an AICC course (.crs, .au, .des, .cst); "
            "only SCORM packages with an imsmanifest.xml are accepted"
        )
    if ".imscc" in endings:
        return "This looks like an IMS Common Cartridge (.imscc); only SCORM packages are accepted"
    archives = sorted(name for name in names if name.lower().endswith((".zip", ".pif")))
    if archives and len(archives) == len(names):
        return f"There is no imsmanifest.xml, only another archive, '{archives[0]}': upload that one"
    if bases.intersection(("moodle_backup.xml", "moodle.xml")):
        return "This looks like a Moodle backup; only SCORM packages with an imsmanifest.xml are accepted"
    if endings.intersection((".html", ".htm")):
        return "There is no imsmanifest.xml: this looks like a plain web site, not a SCORM package"
    return "There is no imsmanifest.xml: this is not a SCORM package"
