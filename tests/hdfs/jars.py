"""Bring the jars of a NameNode and a DataNode: `python -m tests.hdfs.jars FOLDER`, Java and Maven too where it may."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.debian import NotProvided, program

NEEDED = 17  # what Hadoop 3.5 is compiled for


def fetch(folder: Path) -> None:
    """`folder` holds exactly the jars of pom.xml afterwards. Raises NotProvided, which says what to install."""
    version = java_version(program("java", "default-jre-headless"))
    if version < NEEDED:
        raise NotProvided(f"java {NEEDED} or later is needed, this is {version}: apt-get install default-jre-headless")
    shutil.rmtree(folder, ignore_errors=True)
    command = [program("mvn", "maven"), "-B", "-ntp", "-q", "-f", str(Path(__file__).with_name("pom.xml"))]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder.absolute()}"]
    subprocess.run(command, check=True)


def java_version(java: str) -> int:
    """17 for 17.0.15; 8 for 1.8.0."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]))
    except (NotProvided, subprocess.CalledProcessError) as error:
        sys.exit(f"the tests on HDFS need Java and Maven: {error}")
